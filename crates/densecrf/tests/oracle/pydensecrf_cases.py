#!/usr/bin/env python3
"""Records what pydensecrf makes of a tiny image, as pydensecrf_cases.json beside this script.

Needs numpy and pydensecrf2. Run from anywhere: python pydensecrf_cases.py
The image and the label map are functions of the pixel index, stored in the file with the results.
"""
import json
import pathlib
from importlib.metadata import version

import numpy as np
import pydensecrf.densecrf as dcrf
from pydensecrf.utils import unary_from_labels, unary_from_softmax

HEIGHT, WIDTH = 24, 32


def image():
    """A bright disc on a dark ramp with a coloured stripe and a hashed grain."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    disc = (y - 11) ** 2 + (x - 14) ** 2 < 60
    stripe = x > 24
    grain = (x * 7919 + y * 104729) % 13
    red = 40 + 2 * x + 120 * disc + grain
    green = 50 + 3 * y + 90 * disc + grain
    blue = 60 + x + 60 * disc + 80 * stripe + grain
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def labels(k):
    """The disc and the stripe, both displaced; 0 elsewhere. With more than three, one after the other in rectangles."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    if k > 3:
        return (y // 6 * 8 + x // 4) % k
    out = np.zeros((HEIGHT, WIDTH), np.int64)
    out[(y - 9) ** 2 + (x - 16) ** 2 < 50] = 1
    if k > 2:
        out[x > 26] = 2
    return out


def crf_with(k, terms):
    crf = dcrf.DenseCRF2D(WIDTH, HEIGHT, k)
    kinds = {
        "no": dcrf.NO_NORMALIZATION,
        "before": dcrf.NORMALIZE_BEFORE,
        "after": dcrf.NORMALIZE_AFTER,
        "symmetric": dcrf.NORMALIZE_SYMMETRIC,
    }
    rgb = image()
    for term in terms:
        compat = term["compat"]
        if not isinstance(compat, (int, float)):
            compat = np.array(compat, np.float32)
        kind = kinds[term.get("normalization", "symmetric")]
        if term["kind"] == "gaussian":
            crf.addPairwiseGaussian(sxy=term["sxy"], compat=compat, normalization=kind)
        elif term["kind"] == "bilateral":
            crf.addPairwiseBilateral(sxy=term["sxy"], srgb=term["srgb"], rgbim=rgb, compat=compat, normalization=kind)
        else:  # grey: the red channel alone, three feature dimensions
            y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
            grey = rgb[..., 0].astype(np.float32)
            features = [x / np.float32(term["sxy"]), y / np.float32(term["sxy"]), grey / np.float32(term["srgb"])]
            features = np.ascontiguousarray(np.stack([f.ravel() for f in features]).astype(np.float32))
            crf.addPairwiseEnergy(features, compat=compat, normalization=kind)
    return crf


def gaussian(sxy=3, compat=3, **more):
    return {"kind": "gaussian", "sxy": sxy, "compat": compat, **more}


def bilateral(sxy=50, srgb=5, compat=10, **more):
    return {"kind": "bilateral", "sxy": sxy, "srgb": srgb, "compat": compat, **more}


CASES = [
    {"name": "two labels", "k": 2, "terms": [gaussian(), bilateral()], "iterations": 10},
    {"name": "three labels", "k": 3, "terms": [gaussian(), bilateral()], "iterations": 10},
    {"name": "no iteration", "k": 3, "terms": [gaussian()], "iterations": 0},
    {"name": "anisotropic", "k": 3, "terms": [gaussian([2, 5]), bilateral([20, 30], [8, 10, 12])], "iterations": 5},
    {"name": "grey", "k": 2, "terms": [gaussian(), {**bilateral(), "kind": "grey"}], "iterations": 10},
    {"name": "no normalization", "k": 3, "terms": [bilateral(10, 20, 0.05, normalization="no")], "iterations": 3},
    {"name": "before", "k": 3, "terms": [bilateral(20, 20, 3, normalization="before")], "iterations": 3},
    {"name": "after", "k": 3, "terms": [bilateral(20, 20, 3, normalization="after")], "iterations": 3},
    {"name": "diagonal", "k": 3, "terms": [bilateral(20, 20, [-1, -3, -5])], "iterations": 3},
    {
        "name": "matrix",
        "k": 3,
        "terms": [gaussian(compat=[[-2, 1, 0], [0, -3, 2], [1, 0, -4]])],
        "iterations": 3,
    },
    {"name": "21 labels", "k": 21, "terms": [gaussian(), bilateral()], "iterations": 5},
    {"name": "7 labels, diagonal", "k": 7, "terms": [bilateral(20, 20, [-1, -2, -3, -4, -3, -2, -1])], "iterations": 3},
    {
        "name": "18 labels, matrix",
        "k": 18,
        "terms": [gaussian(compat=[[(i * j % 3) / 4 - 3 * (i == j) for j in range(18)] for i in range(18)])],
        "iterations": 3,
    },
    {"name": "unsure", "k": 2, "terms": [gaussian(), bilateral()], "iterations": 5, "unary": "unsure"},
    {"name": "softmax", "k": 3, "terms": [gaussian(), bilateral()], "iterations": 5, "unary": "softmax"},
]


def unary(case):
    k, kind = case["k"], case.get("unary", "labels")
    if kind == "labels":
        return labels(k), unary_from_labels(labels(k), k, gt_prob=0.7, zero_unsure=False)
    if kind == "unsure":  # values 1..K, 0 in a band of columns
        values = labels(k) + 1
        values[:, 8:12] = 0
        return values, unary_from_labels(values, k, gt_prob=0.7, zero_unsure=True)
    values = labels(k)  # 0.8 and 0.2/(K-1) with a zero here and there
    p = np.full((k, HEIGHT * WIDTH), np.float32(0.2 / (k - 1)), np.float32)
    p[values.ravel(), np.arange(HEIGHT * WIDTH)] = np.float32(0.8)
    p[k - 1, ::7] = 0
    return values, unary_from_softmax(p, scale=0.9)


def divergences(crf, case):
    """klDivergence of the marginals at the start and after each iteration."""
    q, a, b = crf.startInference()
    out = [crf.klDivergence(q)]
    for _ in range(case["iterations"]):
        crf.stepInference(q, a, b)
        out.append(crf.klDivergence(q))
    return out


def main():
    records = []
    for case in CASES:
        values, energies = unary(case)
        crf = crf_with(case["k"], case["terms"])
        crf.setUnaryEnergy(np.ascontiguousarray(energies))
        q = np.array(crf.inference(case["iterations"]), np.float64)
        records.append({**case, "unary": case.get("unary", "labels"), "labels": values.ravel().tolist(),
                        "q": [round(v, 6) for v in q.ravel().tolist()], "divergences": divergences(crf, case)})
    out = {
        "made by": "pydensecrf_cases.py",
        "versions": {name: version(name) for name in ("pydensecrf2", "numpy")},
        "height": HEIGHT,
        "width": WIDTH,
        "image": image().ravel().tolist(),
        "cases": records,
    }
    path = pathlib.Path(__file__).with_name("pydensecrf_cases.json")
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
