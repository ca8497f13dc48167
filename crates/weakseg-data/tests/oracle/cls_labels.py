"""Writes cls_labels_2.npy to _4.npy: a dictionary of image labels as IRNet's cls_labels.npy has it, in pickle protocols 2 to 4.

Needs numpy. The versions are in cls_labels.txt.
"""
import pathlib
import pickle
import sys

import numpy as np

here = pathlib.Path(__file__).parent
labels = {
    2007000032: np.array([1, 0, 0, 1], np.float32),
    2007000039: np.zeros(4, np.float32),
    2011003276: np.array([0, 1, 1, 0], np.float32),
}
array = np.array(labels, dtype=object)
for protocol in (2, 3, 4):
    with open(here / f"cls_labels_{protocol}.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        pickle.dump(array, file, protocol=protocol)
(here / "cls_labels.txt").write_text(f"numpy {np.__version__}, Python {sys.version.split()[0]}\n")
