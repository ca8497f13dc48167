"""Inputs without a result, which need no pydensecrf to compare with."""
import numpy as np
import pytest

import densecrf


def test_wrong_input_is_named():
    crf = densecrf.DenseCRF2D(4, 3, 2)
    with pytest.raises(ValueError, match="setUnaryEnergy"):
        crf.inference(1)
    with pytest.raises(ValueError, match=r"expected \(2, 12\)"):
        crf.setUnaryEnergy(np.zeros((2, 11), np.float32))
    with pytest.raises(ValueError, match="sxy"):
        crf.addPairwiseGaussian(sxy=0, compat=3)
    with pytest.raises(ValueError, match="rgbim"):
        crf.addPairwiseBilateral(5, 5, np.zeros((4, 3, 3), np.uint8), 3)
    with pytest.raises(ValueError, match="257"):
        densecrf.DenseCRF2D(4, 3, 257)
    crf.setUnaryEnergy(np.zeros((2, 12), np.float32))
    assert np.allclose(crf.inference(2), 0.5), "a term that failed leaves the CRF as it was"
