"""Records SciPy's and pycocotools' answers for the tests of src/instance and src/metrics/average_precision.

Run: python instances.py > instances.json   (needs numpy, scipy and pycocotools 2.0.11)

`fields`: displacement fields with the cells that `steps` steps lead to (scipy.ndimage.map_coordinates, order 1, places kept on
the grid) and the clusters of weak displacements (scipy.ndimage.label). Ways through fields that are mostly noise are
chaotic and have few steps; no case hangs on rounding: with every displacement changed by 1e-7 it comes to the same.
`scores`: average precision at an IoU of 0.5 by pycocotools, class by class, read at every recall level k / objects, so that
its mean over levels is the area below the curve. No two scores are equal and no true objects overlap, so that its rules
and PASCAL VOC's say the same.
`polygons`: masks and the outlines that ours gives of them; pycocotools fills the outlines, and must find the masks.
"""
import contextlib
import io
import json
from importlib.metadata import version

import numpy as np
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy import ndimage

random = np.random.default_rng(20)


def follow(field, steps):
    _, height, width = field.shape
    at = np.mgrid[:height, :width].astype(float)
    top = np.array([height - 1, width - 1]).reshape(2, 1, 1)
    for _ in range(steps):
        step = np.stack([ndimage.map_coordinates(plane, at, order=1, mode="nearest") for plane in field])
        at = np.clip(at + step, 0, top)
    return np.rint(at).astype(int)


def field_case(field, weak, steps=300):
    _, height, width = field.shape
    field = field.astype(float)
    ends = follow(field, steps)
    assert (follow(field + 1e-7, steps) == ends).all() and (follow(field - 1e-7, steps) == ends).all()
    centres, _ = ndimage.label(np.hypot(*field) < weak, np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]]))
    met = centres[ends[0], ends[1]]
    used = [c for c in np.unique(met) if c > 0]
    clusters = np.zeros_like(met)
    for number, centre in enumerate(used):
        clusters[met == centre] = number + 1
    return {
        "size": [height, width], "weak": weak, "steps": steps, "field": [float(v) for v in field.flatten()],
        "ends": ends.reshape(2, -1).T.tolist(), "clusters": clusters.flatten().tolist(),
    }


def objects(height, width, centres, noise):
    """Each cell points to the nearest centre, half of the way, with some noise."""
    y, x = np.mgrid[:height, :width].astype(float)
    ways = np.stack([np.stack([cy - y, cx - x]) for cy, cx in centres])
    nearest = np.hypot(ways[:, 0], ways[:, 1]).argmin(0)
    field = np.take_along_axis(ways, nearest[None, None], 0)[0] * 0.5
    return (field + random.normal(0, noise, field.shape)).astype(np.float32)


fields = [
    field_case(objects(12, 17, [(3, 4), (8, 12)], 0.0), 1.5),
    field_case(objects(12, 17, [(3, 4), (8, 12), (10, 1)], 0.4), 1.5),
    field_case(objects(9, 9, [(4, 4)], 1.0), 2.5, 4),
    field_case(random.normal(0, 2.0, (2, 10, 14)).astype(np.float32), 1.0, 3),
    field_case(random.normal(0, 4.0, (2, 1, 11)).astype(np.float32), 2.5, 3),
]

HEIGHT, WIDTH, CLASSES, IMAGES = 20, 24, 4, 6


def text(mask):
    return coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


def blob(cy, cx, ry, rx):
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1


images = []
for _ in range(IMAGES):
    truth, found, free = [], [], np.ones((HEIGHT, WIDTH), bool)
    for _ in range(4):
        cy, cx, ry, rx = random.uniform([3, 3, 2, 2], [HEIGHT - 3, WIDTH - 3, 5, 6])
        mask = blob(cy, cx, ry, rx) & free
        label = int(random.integers(CLASSES - 1))  # The last class has no object.
        if mask.sum() >= 6:
            truth.append((label, text(mask)))
            free &= ~mask
        for _ in range(random.integers(4)):
            shifted = blob(cy + random.normal(), cx + random.normal(), ry * random.uniform(.7, 1.3), rx)
            guess = label if random.random() < 0.8 else int(random.integers(CLASSES))
            if shifted.sum():
                found.append((guess, float(np.float32(random.uniform(0.01, 1))), text(shifted)))
    images.append({"truth": truth, "found": found})
values = [f[1] for i in images for f in i["found"]]
assert len(set(values)) == len(values)


def segmentation(counts):
    return {"size": [HEIGHT, WIDTH], "counts": counts}


def annotation(number, image, label, counts, **more):
    rle = segmentation(counts)
    return {
        "id": number, "image_id": image, "category_id": label + 1, "segmentation": rle, "iscrowd": 0,
        "area": float(coco.area(rle)), "bbox": coco.toBbox(rle).tolist(), **more,
    }


precision = []
with contextlib.redirect_stdout(io.StringIO()):
    truths, results = [], []
    for number, image in enumerate(images, 1):
        for label, counts in image["truth"]:
            truths.append(annotation(len(truths) + 1, number, label, counts))
        for label, score, counts in image["found"]:
            results.append({"image_id": number, "category_id": label + 1, "segmentation": segmentation(counts), "score": score})
    data = COCO()
    data.dataset = {
        "info": {}, "annotations": truths, "categories": [{"id": c + 1, "name": str(c)} for c in range(CLASSES)],
        "images": [{"id": n + 1, "height": HEIGHT, "width": WIDTH} for n in range(IMAGES)],
    }
    data.createIndex()
    loaded = data.loadRes(results)
    for label in range(CLASSES):
        count = sum(t["category_id"] == label + 1 for t in truths)
        if not count:
            precision.append(None)
            continue
        evaluation = COCOeval(data, loaded, "segm")
        evaluation.params.catIds = [label + 1]
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.params.recThrs = np.arange(1, count + 1) / count
        evaluation.params.maxDets = [1000]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
        precision.append(float(evaluation.eval["precision"][0, :, 0, 0, 0].mean()))
assert precision[-1] is None and all(0.1 < p < 0.9 for p in precision[:-1]), precision

SHAPES = [
    (["....", ".##.", ".##.", "...."], [[1, 1, 3, 1, 3, 3, 1, 3]]),
    (["#.", ".#"], [[0, 0, 1, 0, 1, 1, 0, 1], [1, 1, 2, 1, 2, 2, 1, 2]]),
    (["###", "#.#", "###"], [[0, 0, 3, 0, 3, 1, 0, 1], [0, 1, 1, 1, 1, 2, 2, 2, 2, 1, 3, 1, 3, 3, 0, 3]]),
    (["##...", ".##..", "..###", "#.#.#"],
     [[0, 0, 2, 0, 2, 1, 3, 1, 3, 2, 5, 2, 5, 4, 4, 4, 4, 3, 3, 3, 3, 4, 2, 4, 2, 2, 1, 2, 1, 1, 0, 1],
      [0, 3, 1, 3, 1, 4, 0, 4]]),
]
for rows, outlines in SHAPES:
    mask = np.array([[c == "#" for c in row] for row in rows])
    rles = coco.frPyObjects(outlines, *mask.shape)
    assert (coco.decode(coco.merge(rles)) == mask).all(), rows
print(json.dumps({
    "versions": {n: version(n) for n in ("numpy", "scipy", "pycocotools")},
    "fields": fields,
    "scores": {"classes": CLASSES, "height": HEIGHT, "width": WIDTH, "images": images, "average_precision": precision},
    "polygons": [{"rows": rows, "outlines": outlines} for rows, outlines in SHAPES],
}))
