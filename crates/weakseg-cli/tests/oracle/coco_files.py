"""Records pycocotools' average precision of files of instances, for the tests of `weakseg evaluate --coco`.

Run: python coco_files.py > coco_files.json   (needs numpy and pycocotools 2.0.11)

`truth` is a document and `results` a list, as pycocotools itself reads them from files; true masks are compressed and plain run
lengths in turn. Numbers of images and categories have gaps and are in no order, sizes differ, one image has no object, and one
category none. `average_precision` is at an IoU of 0.5 by category, read at every recall level k / objects, so that its mean over
levels is the area below the curve; `null` where there is no object. No two scores are equal and no true objects overlap.
"""
import contextlib
import io
import json
import pathlib
import tempfile
from importlib.metadata import version

import numpy as np
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

random = np.random.default_rng(7)
CATEGORIES = [(30, "dog"), (4, "cat"), (17, "cow"), (9, "bird")]  # Of birds there are none.
IMAGES = [(90, 18, 25), (2, 30, 14), (71, 22, 22), (5, 9, 31), (33, 16, 16)]  # In 33 there is nothing.


def blob(height, width, cy, cx, ry, rx):
    y, x = np.mgrid[:height, :width]
    return ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1


def packed(mask):
    rle = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def plain(mask):
    values = mask.flatten(order="F").astype(int)
    ends = np.flatnonzero(np.diff(values)) + 1
    counts = np.diff(np.concatenate([[0], ends, [values.size]])).tolist()
    return {"size": list(mask.shape), "counts": counts if values[0] == 0 else [0, *counts]}


annotations, results = [], []
for image, height, width in IMAGES:
    free = np.ones((height, width), bool)
    for _ in range(6):
        cy, cx = random.uniform(2, height - 2), random.uniform(2, width - 2)
        ry, rx = random.uniform(1.5, 4.5, 2)
        mask = blob(height, width, cy, cx, ry, rx) & free
        category = int(random.choice([30, 4, 17]))
        if image != 33 and mask.sum() >= 5:
            form = packed if len(annotations) % 2 else plain
            annotations.append({
                "id": len(annotations) + 1, "image_id": image, "category_id": category, "segmentation": form(mask),
                "area": int(mask.sum()), "bbox": coco.toBbox(packed(mask)).tolist(), "iscrowd": 0,
            })
            free &= ~mask
        for _ in range(random.integers(3)):
            guess = blob(height, width, cy + random.normal(), cx + random.normal(), ry * random.uniform(.7, 1.3), rx)
            label = category if random.random() < 0.8 else int(random.choice([c for c, _ in CATEGORIES]))
            if guess.sum():
                score = float(np.float32(random.uniform(0.01, 1)))
                results.append({"image_id": image, "category_id": label, "segmentation": packed(guess), "score": score})
assert len({r["score"] for r in results}) == len(results) and any(r["image_id"] == 33 for r in results)
truth = {
    "info": {}, "images": [{"id": i, "file_name": f"{i:03}.jpg", "height": h, "width": w} for i, h, w in IMAGES],
    "categories": [{"id": c, "name": name} for c, name in CATEGORIES], "annotations": annotations,
}

precision = {}
with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
    files = [pathlib.Path(folder, name) for name in ("truth.json", "results.json")]
    for file, content in zip(files, (truth, results)):
        file.write_text(json.dumps(content))
    data = COCO(str(files[0]))
    found = data.loadRes(str(files[1]))
    for category, name in CATEGORIES:
        count = sum(a["category_id"] == category for a in annotations)
        if not count:
            precision[name] = None
            continue
        evaluation = COCOeval(data, found, "segm")
        evaluation.params.catIds = [category]
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.params.recThrs = np.arange(1, count + 1) / count
        evaluation.params.maxDets = [1000]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
        precision[name] = float(evaluation.eval["precision"][0, :, 0, 0, 0].mean())
assert all(0.1 < p < 0.9 for p in precision.values() if p is not None), precision
print(json.dumps({
    "versions": {n: version(n) for n in ("numpy", "pycocotools")},
    "truth": truth, "results": results, "average_precision": precision,
}))
