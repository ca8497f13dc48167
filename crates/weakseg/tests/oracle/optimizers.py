"""Records ten steps of PyTorch's optimizers for the tests of src/optim.

Run: python optimizers.py > optimizers.json   (needs torch)

The parameter is of four elements, the gradient of step t is a*cos(t+i) + 0.1*p: it depends on the parameter, so an
error does not stay small.
"""
import json
import math

import torch

START = [0.5, -1.25, 2.0, 0.0]
STEPS = 10


def trace(make):
    p = torch.tensor(START, requires_grad=True)
    optimizer = make([p])
    rows = []
    for t in range(STEPS):
        with torch.no_grad():
            wave = torch.tensor([0.8 * math.cos(t + i) for i in range(4)])
            p.grad = wave + 0.1 * p
        optimizer.step()
        rows.append([float(x) for x in p.detach()])
    return rows


O = torch.optim
out = {
    "torch": torch.__version__,
    "start": START,
    "sgd": trace(lambda p: O.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01)),
    "sgd_plain": trace(lambda p: O.SGD(p, lr=0.1)),
    "adam": trace(lambda p: O.Adam(p, lr=0.05, weight_decay=0.01)),
    "adamw": trace(lambda p: O.AdamW(p, lr=0.05, weight_decay=0.1)),
    "radam": trace(lambda p: O.RAdam(p, lr=0.05, weight_decay=0.1, decoupled_weight_decay=True)),
}
print(json.dumps(out))
