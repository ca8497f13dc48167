"""Writes arrays with NumPy, for tests/it/oracle.rs.

Run from this folder: python arrays.py
"""

import numpy as np

cam = (np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4) - 5) / 8
np.save("cam_f32.npy", cam)
np.save("cam_fortran_f64.npy", np.asfortranarray(cam.astype(np.float64)))
np.savez_compressed(
    "mixed.npz",
    cam=cam,
    keys=np.array([0, 14, -3], dtype=np.int64),
    mask=np.array([[0, 1], [255, 7]], dtype=np.uint8),
)
np.save("pickled.npy", np.array({"keys": [1]}, dtype=object), allow_pickle=True)
