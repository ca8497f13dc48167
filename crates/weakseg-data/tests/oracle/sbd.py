"""Writes MAT-files in the form of the Semantic Boundaries Dataset, for tests/it/sbd.rs; prints their maps as SciPy reads them.

Two by SciPy, compressed as MATLAB does and plain; one of the other byte order, which SciPy reads and does not write, put
together here element by element, with its names in small elements.

Run from this folder: python sbd.py > sbd.json
"""

import json
import struct
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.io import loadmat, savemat
from scipy.sparse import csc_matrix

HEIGHT, WIDTH = 11, 14


def boundaries(mask, count):
    """A column of sparse logical matrices, one a class or object: where a pixel differs from its right neighbour."""
    cells = np.empty((count, 1), dtype=object)
    for number in range(1, count + 1):
        inside = mask == number
        edge = np.zeros_like(inside)
        edge[:, :-1] = inside[:, :-1] != inside[:, 1:]
        cells[number - 1, 0] = csc_matrix(edge)
    return cells


classes = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
classes[1:5, 2:9] = 15
classes[6:, 10:] = 20
classes[7, 0] = 1
objects = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
objects[1:5, 2:6] = 1
objects[1:5, 6:9] = 2
objects[6:, 10:] = 3

gtcls = {
    "Boundaries": boundaries(classes, 20),
    "Segmentation": classes,
    "CategoriesPresent": np.array([[1], [15], [20]], dtype=np.float64),
}
gtinst = {
    "Segmentation": objects,
    "Boundaries": boundaries(objects, 3),
    "Categories": np.array([[15], [15], [20]], dtype=np.float64),
}


def element(kind, data):
    if len(data) <= 4:
        return struct.pack(">HH", len(data), kind) + data.ljust(4, b"\0")
    return struct.pack(">II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def matrix(name, array_class, size, content):
    head = element(6, struct.pack(">II", array_class, 0)) + element(5, struct.pack(">ii", *size)) + element(1, name)
    return element(14, head + content)


def big_endian():
    width = 32
    fields = [b"CategoriesPresent", b"Segmentation"]
    names = b"".join(name.ljust(width, b"\0") for name in fields)
    present = matrix(b"", 9, (1, 3), element(2, bytes([1, 15, 20])))
    pixels = matrix(b"", 9, (HEIGHT, WIDTH), element(2, classes.tobytes(order="F")))
    content = element(5, struct.pack(">i", width)) + element(1, names) + present + pixels
    # A variable before it, which is passed over.
    other = matrix(b"note", 9, (1, 1), element(2, b"\7"))
    return b"\0" * 124 + struct.pack(">H", 0x0100) + b"MI" + other + matrix(b"GTcls", 2, (1, 1), content)


savemat("sbd_cls.mat", {"GTcls": gtcls}, do_compression=True)
savemat("sbd_cls_plain.mat", {"note": "passed over", "GTcls": gtcls}, do_compression=False)
savemat("sbd_inst.mat", {"GTinst": gtinst}, do_compression=True)
with open("sbd_cls_big_endian.mat", "wb") as file:
    file.write(big_endian())
savemat("sbd_no_map.mat", {"GTcls": {"Boundaries": gtcls["Boundaries"]}}, do_compression=True)
savemat("sbd_double.mat", {"GTcls": {"Segmentation": classes.astype(np.float64)}}, do_compression=True)

# SciPy writes the time of day into the header's text: the same run is to give the same bytes.
for path in Path().glob("sbd_*.mat"):
    content = path.read_bytes()
    path.write_bytes(b"MATLAB 5.0 MAT-file, written by sbd.py".ljust(116) + content[116:])

maps = {}
for name, variable in [
    ("sbd_cls.mat", "GTcls"),
    ("sbd_cls_plain.mat", "GTcls"),
    ("sbd_cls_big_endian.mat", "GTcls"),
    ("sbd_inst.mat", "GTinst"),
]:
    maps[name] = loadmat(name)[variable]["Segmentation"][0, 0].tolist()
versions = json.dumps({name: version(name) for name in ["numpy", "scipy"]})
rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(rows)}" for name, rows in maps.items())
print('{\n "versions": ' + versions + ',\n "maps": {\n' + rows + "\n }\n}")
