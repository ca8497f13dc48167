#!/usr/bin/env python3
"""Writes conv.json: convolutions and their gradients by PyTorch in float64, from inputs that the
test makes itself (see `values`), for stride, padding, dilation and groups.

Usage: conv.py > conv.json
"""
import json
import platform

import torch


def values(count, seed):
    """Numbers in -1..1 without a pattern, exact in float32: the test computes the same."""
    state, out = seed, []
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        out.append((state >> 15) / 2**15 - 1.0)
    return out


def tensor(shape, seed):
    count = 1
    for n in shape:
        count *= n
    return torch.tensor(values(count, seed), dtype=torch.float64).reshape(shape).requires_grad_()


CASES = [
    # x, weight, stride, padding, dilation, groups
    ([1, 3, 6, 7], [4, 3, 3, 3], [1, 1], [1, 1], [1, 1], 1),
    ([2, 3, 9, 8], [5, 3, 3, 3], [2, 2], [1, 1], [1, 1], 1),
    ([1, 4, 9, 9], [3, 4, 3, 3], [1, 1], [2, 2], [2, 2], 1),
    ([1, 6, 7, 5], [4, 3, 3, 3], [2, 1], [1, 0], [1, 2], 2),
    ([1, 5, 6, 6], [5, 1, 3, 3], [1, 1], [1, 1], [1, 1], 5),
    ([2, 8, 5, 4], [6, 8, 1, 1], [1, 1], [0, 0], [1, 1], 1),
    ([1, 8, 6, 7], [4, 8, 1, 1], [2, 2], [0, 0], [1, 1], 1),
    ([1, 3, 13, 11], [2, 3, 7, 7], [2, 2], [3, 3], [1, 1], 1),
    ([1, 2, 8, 10], [3, 2, 2, 3], [3, 2], [0, 2], [2, 3], 1),
]


def main():
    out = []
    for x_shape, w_shape, stride, padding, dilation, groups in CASES:
        x, w, b = tensor(x_shape, 1), tensor(w_shape, 2), tensor(w_shape[:1], 3)
        y = torch.nn.functional.conv2d(x, w, b, stride, padding, dilation, groups)
        y.backward(tensor(list(y.shape), 4).detach())
        flat = lambda t: [float(f"{v:.9g}") for v in t.detach().flatten().tolist()]
        out.append({
            "x": x_shape, "weight": w_shape, "stride": stride, "padding": padding,
            "dilation": dilation, "groups": groups, "shape": list(y.shape),
            "output": flat(y), "x_gradient": flat(x.grad), "weight_gradient": flat(w.grad),
            "bias_gradient": flat(b.grad),
        })
    versions = {"torch": torch.__version__, "python": platform.python_version()}
    print(json.dumps({"script": "conv.py", "versions": versions, "cases": out}))


main()
