"""Records COCO's compressed run lengths of some masks for the tests of src/coco_rle.rs.

Run: python coco_rle.py > coco_rle.json   (needs pycocotools 2.0.11 and numpy)

Masks are made by a rule that the test repeats: pixel (y, x) is inside where (y * a + x * b + y * x) % m < t, or from a list
of rectangles in an image so large that runs need several characters.
"""
import json
from importlib.metadata import version

import numpy as np
from pycocotools import mask as coco


def encoded(mask):
    rle = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert (coco.decode(rle) == mask).all()
    return {"text": rle["counts"].decode(), "area": int(coco.area(rle))}


rules = []
for height, width, a, b, m, t in [
    (1, 1, 1, 1, 2, 0), (1, 1, 1, 1, 2, 1), (3, 4, 1, 2, 3, 1), (7, 5, 3, 1, 5, 2), (5, 7, 3, 1, 5, 4),
    (40, 3, 1, 7, 11, 6), (3, 40, 7, 1, 11, 6), (33, 47, 2, 3, 97, 40), (64, 64, 1, 64, 4096, 2000),
]:
    y, x = np.mgrid[:height, :width]
    rules.append({"size": [height, width], "rule": [a, b, m, t], **encoded((y * a + x * b + y * x) % m < t)})
boxes = []
for height, width, rectangles in [
    (480, 640, [[10, 20, 470, 600]]), (480, 640, [[0, 0, 480, 640]]), (480, 640, []),
    (1200, 900, [[0, 0, 1, 1], [1199, 899, 1200, 900], [300, 100, 900, 101]]),
]:
    mask = np.zeros((height, width), bool)
    for top, left, bottom, right in rectangles:
        mask[top:bottom, left:right] = True
    boxes.append({"size": [height, width], "rectangles": rectangles, **encoded(mask)})
print(json.dumps({"versions": {n: version(n) for n in ("pycocotools", "numpy")}, "rules": rules, "boxes": boxes}))
