"""Fully connected CRFs with pydensecrf's names.

`import pydensecrf.densecrf as dcrf` becomes `import densecrf as dcrf`, and `pydensecrf.utils` becomes `densecrf.utils`.
Arrays are NumPy's: inference returns one of float32 [K, N] instead of a matrix that has to be converted.
"""
import numpy as np

from ._densecrf import Crf as _Crf

__all__ = [
    "DenseCRF", "DenseCRF2D",
    "CONST_KERNEL", "DIAG_KERNEL", "FULL_KERNEL",
    "NO_NORMALIZATION", "NORMALIZE_BEFORE", "NORMALIZE_AFTER", "NORMALIZE_SYMMETRIC",
]

# Kinds of kernel differ in what can be learnt of them; what they compute is the same.
CONST_KERNEL, DIAG_KERNEL, FULL_KERNEL = range(3)
NO_NORMALIZATION, NORMALIZE_BEFORE, NORMALIZE_AFTER, NORMALIZE_SYMMETRIC = range(4)


class DenseCRF:
    """A CRF over `nvar` variables with `nlabels` labels."""

    def __init__(self, nvar, nlabels):
        self._start(1, nvar, nlabels)

    def _start(self, height, width, labels):
        self._height, self._width, self._labels = height, width, labels
        self._crf = _Crf(height, width, labels)

    def addPairwiseEnergy(self, features, compat, kernel=DIAG_KERNEL, normalization=NORMALIZE_SYMMETRIC):
        """Adds a term that is Gaussian in `features`, [D, N], already divided by their standard deviations."""
        _check_kernel(kernel)
        features = np.asarray(features, np.float32)
        if features.ndim != 2 or features.shape[1] != self._height * self._width:
            raise ValueError(f"features have the shape {features.shape}; expected (D, {self._height * self._width})")
        self._crf.pairwise(features.T.tobytes(), features.shape[0], self._compat(compat), normalization)

    def setUnaryEnergy(self, u):
        """Takes the unary energies, [K, N]: negative logarithms of probabilities, infinite where a label cannot be."""
        # Of 1e30, too, nothing is left of a label, and sums stay finite.
        energies = np.minimum(self._array(u, "the unary"), np.float32(1e30))
        self._crf.set_unary(energies.tobytes())

    def inference(self, niter):
        """The marginals after `niter` iterations, [K, N]."""
        return self._planes(self._crf.infer(niter))

    def startInference(self):
        """The marginals before the first iteration, and two values that are not used."""
        return self.inference(0), None, None

    def stepInference(self, Q, tmp1=None, tmp2=None):
        """One iteration, in place."""
        Q[...] = self._planes(self._crf.step(self._array(Q, "Q").tobytes()))

    def klDivergence(self, Q):
        """The divergence of the marginals' distribution from the CRF's, up to a constant."""
        return self._crf.kl_divergence(self._array(Q, "Q").tobytes())

    def _array(self, values, what):
        values = np.asarray(values, np.float32)
        expected = (self._labels, self._height * self._width)
        if values.shape != expected:
            raise ValueError(f"{what} has the shape {values.shape}; expected {expected}")
        return values

    def _planes(self, data):
        return np.frombuffer(data, np.float32).reshape(self._labels, -1).copy()

    def _compat(self, compat):
        compat = np.asarray(compat, np.float32)
        shapes = [(), (self._labels,), (self._labels, self._labels)]
        if compat.shape not in shapes:
            raise ValueError(f"compat has the shape {compat.shape}; expected one of {shapes}")
        if compat.ndim == 1 and self._labels == 1:
            return [-float(compat[0])]  # One cost is a weight of the other sign.
        if compat.ndim == 2 and self._labels == 1:
            return [-float(compat[0, 0])]
        return compat.ravel().tolist()


class DenseCRF2D(DenseCRF):
    """A CRF over an image of `w` x `h` pixels with `nlabels` labels."""

    def __init__(self, w, h, nlabels):
        self._start(h, w, nlabels)

    def addPairwiseGaussian(self, sxy, compat, kernel=DIAG_KERNEL, normalization=NORMALIZE_SYMMETRIC):
        """Adds a term that is Gaussian in the position; `sxy` in pixels, one number or (x, y)."""
        _check_kernel(kernel)
        self._crf.gaussian(_each(sxy, 2), self._compat(compat), normalization)

    def addPairwiseBilateral(self, sxy, srgb, rgbim, compat, kernel=DIAG_KERNEL, normalization=NORMALIZE_SYMMETRIC):
        """Adds a term that is Gaussian in position and colour; `rgbim` is uint8 [H, W, 3], or [H, W] for grey."""
        _check_kernel(kernel)
        image = np.asarray(rgbim)
        channels = image.shape[2] if image.ndim == 3 else 1
        if image.dtype != np.uint8 or image.shape[:2] != (self._height, self._width):
            raise ValueError(
                f"rgbim is {image.dtype} {image.shape}; expected uint8 ({self._height}, {self._width}, 3)"
            )
        self._crf.bilateral(
            _each(sxy, 2), _each(srgb, channels), image.tobytes(), channels, self._compat(compat), normalization
        )


def _each(values, count):
    values = np.asarray(values, np.float32)
    return (np.repeat(values, count) if values.ndim == 0 else values.ravel()).tolist()


def _check_kernel(kernel):
    if kernel not in (CONST_KERNEL, DIAG_KERNEL, FULL_KERNEL):
        raise ValueError(f"{kernel}: no such kind of kernel")
