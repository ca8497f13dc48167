"""One script, with pydensecrf and with this package: only the imports differ."""
import numpy as np
import pytest

import densecrf
import densecrf.utils

theirs = pytest.importorskip("pydensecrf.densecrf")
their_utils = pytest.importorskip("pydensecrf.utils")

HEIGHT, WIDTH = 40, 52  # A multiple of four pixels: pydensecrf pads others with pixels of its own.


def image():
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    disc = (y - 19) ** 2 + (x - 24) ** 2 < 150
    grain = (x * 7919 + y * 104729) % 13
    return np.stack([40 + 2 * x + 90 * disc + grain, 50 + 3 * y + 60 * disc + grain, 60 + x + grain], 2).astype(np.uint8)


def labels(k):
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    out = np.zeros((HEIGHT, WIDTH), np.int64)
    out[(y - 16) ** 2 + (x - 27) ** 2 < 140] = 1
    if k > 2:
        out[x > 44] = k - 1
    return out


def both(script):
    return script(densecrf, densecrf.utils), script(theirs, their_utils)


def close(a, b, tolerance=1e-4):
    a, b = np.array(a, np.float64), np.array(b, np.float64)
    assert a.shape == b.shape
    assert np.abs(a - b).max() < tolerance


@pytest.mark.parametrize("k", [2, 3, 7, 21])
def test_refinement(k):
    def script(dcrf, utils):
        crf = dcrf.DenseCRF2D(WIDTH, HEIGHT, k)
        crf.setUnaryEnergy(utils.unary_from_labels(labels(k), k, gt_prob=0.7, zero_unsure=False))
        crf.addPairwiseGaussian(sxy=3, compat=3)
        crf.addPairwiseBilateral(sxy=50, srgb=5, rgbim=image(), compat=10)
        return np.array(crf.inference(10))

    ours, expected = both(script)
    close(ours, expected)
    assert (ours.argmax(0) != labels(k).ravel()).sum() > 20, "the CRF changes labels"


@pytest.mark.parametrize("normalization", ["NO_NORMALIZATION", "NORMALIZE_BEFORE", "NORMALIZE_AFTER", "NORMALIZE_SYMMETRIC"])
def test_normalizations(normalization):
    weight = 0.05 if normalization == "NO_NORMALIZATION" else 3

    def script(dcrf, utils):
        crf = dcrf.DenseCRF2D(WIDTH, HEIGHT, 3)
        crf.setUnaryEnergy(utils.unary_from_labels(labels(3), 3, gt_prob=0.6, zero_unsure=False))
        crf.addPairwiseBilateral(
            sxy=(20, 25), srgb=(13, 15, 20), rgbim=image(), compat=weight,
            kernel=dcrf.FULL_KERNEL, normalization=getattr(dcrf, normalization),
        )
        return np.array(crf.inference(5))

    close(*both(script))


@pytest.mark.parametrize("compat", [[-1, -2, -4], [[-2, 1, 0], [0, -3, 2], [1, 0, -4]]])
def test_compatibilities(compat):
    def script(dcrf, utils):
        crf = dcrf.DenseCRF2D(WIDTH, HEIGHT, 3)
        p = np.full((3, HEIGHT, WIDTH), 0.2, np.float32)
        np.put_along_axis(p, labels(3)[np.newaxis], 0.6, 0)
        crf.setUnaryEnergy(np.ascontiguousarray(utils.unary_from_softmax(p, scale=0.9)))
        crf.addPairwiseGaussian(sxy=(2, 5), compat=np.array(compat, np.float32))
        return np.array(crf.inference(4))

    close(*both(script))


def test_features_and_unsure_labels():
    def script(dcrf, utils):
        crf = dcrf.DenseCRF(HEIGHT * WIDTH, 2)
        values = labels(2) + 1
        values[:, 8:12] = 0
        crf.setUnaryEnergy(utils.unary_from_labels(values, 2, gt_prob=0.7))
        crf.addPairwiseEnergy(utils.create_pairwise_gaussian((4, 3), (HEIGHT, WIDTH)), 3)
        features = utils.create_pairwise_bilateral((20, 20), (13, 13, 13), image(), chdim=2)
        crf.addPairwiseEnergy(features, compat=5)
        grey = utils.create_pairwise_bilateral((20, 20), (10,), image()[:, :, 0], chdim=-1)
        crf.addPairwiseEnergy(grey, compat=2)
        return np.array(crf.inference(5)), features, grey

    ours, expected = both(script)
    for a, b in zip(ours, expected):
        close(a, b)


def test_divergence_of_every_step():
    def script(dcrf, utils):
        crf = dcrf.DenseCRF2D(WIDTH, HEIGHT, 3)
        crf.setUnaryEnergy(utils.unary_from_labels(labels(3), 3, gt_prob=0.7, zero_unsure=False))
        crf.addPairwiseGaussian(sxy=3, compat=3)
        Q, tmp1, tmp2 = crf.startInference()
        divergences = [crf.klDivergence(Q)]
        for _ in range(4):
            crf.stepInference(Q, tmp1, tmp2)
            divergences.append(crf.klDivergence(Q))
        return np.array(Q), np.array(divergences) / abs(divergences[0])

    ours, expected = both(script)
    for a, b in zip(ours, expected):
        close(a, b)


def test_unsure_labels_of_a_png():
    # pydensecrf's own fails here: in uint8, 0 - 1 is 255.
    values = labels(2) + 1
    values[:, 8:12] = 0
    of = [densecrf.utils.unary_from_labels(values.astype(kind), 2, gt_prob=0.7) for kind in (np.uint8, np.int64)]
    np.testing.assert_array_equal(*of)
