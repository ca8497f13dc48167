"""Unaries and features, as in pydensecrf.utils."""
import numpy as np


def unary_from_labels(labels, n_labels, gt_prob, zero_unsure=True):
    """Energies [K, N] of a label map that is right with the probability `gt_prob`.

    With `zero_unsure` the map's values are 1 to `n_labels`, and 0 says nothing; else they are 0 to `n_labels` - 1.
    """
    if not 0 < gt_prob < 1:
        raise ValueError(f"gt_prob is {gt_prob}; expected a number between 0 and 1")
    # Signed: in a PNG's uint8, 0 - 1 would be 255.
    labels = np.asarray(labels).ravel().astype(np.int64)
    largest = n_labels if zero_unsure else n_labels - 1
    if labels.size and not 0 <= labels.min() <= labels.max() <= largest:
        raise ValueError(f"labels reach from {labels.min()} to {labels.max()}; expected 0 to {largest}")
    own = labels - 1 if zero_unsure else labels
    other = -np.log((1.0 - gt_prob) / max(n_labels - 1, 1))
    energies = np.full((n_labels, labels.size), other, np.float32)
    known = np.flatnonzero(own >= 0)
    energies[own[known], known] = -np.log(gt_prob)
    energies[:, own < 0] = -np.log(1.0 / n_labels)
    return energies


def unary_from_softmax(sm, scale=None, clip=1e-5):
    """Energies [K, N] of probabilities [K, ...], mixed with the uniform distribution by `scale` and clipped."""
    sm = np.asarray(sm)
    count = sm.shape[0]
    if scale is not None:
        if not 0 < scale <= 1:
            raise ValueError(f"scale is {scale}; expected a number above 0, up to 1")
        sm = scale * sm + (1 - scale) / count
    if clip is not None:
        sm = np.clip(sm, clip, 1.0)
    return -np.log(sm).reshape(count, -1).astype(np.float32)


def create_pairwise_gaussian(sdims, shape):
    """Features [D, N] of positions; a deviation for each axis of `shape`."""
    return _positions(sdims, shape).reshape(len(sdims), -1)


def create_pairwise_bilateral(sdims, schan, img, chdim=-1):
    """Features [D, N] of positions and values of `img`, whose channels are the axis `chdim` (-1: it has none)."""
    values = np.asarray(img, np.float32)
    values = values[np.newaxis] if chdim == -1 else np.moveaxis(values, chdim, 0)
    deviations = np.broadcast_to(np.asarray(schan, np.float32), values.shape[:1])
    values = values / deviations.reshape(-1, *[1] * (values.ndim - 1))
    return np.concatenate([_positions(sdims, values.shape[1:]), values]).reshape(len(sdims) + len(values), -1)


def _positions(sdims, shape):
    grid = np.indices(shape).astype(np.float32)
    return grid / np.asarray(sdims, np.float32).reshape(-1, *[1] * len(shape))
