"""Records PyTorch's optimizers for the tests of src/optim.

Run: python optimizers.py > optimizers.json   (needs torch; recorded on a CPU in single precision)

`rule`: one parameter of four elements, ten steps, the gradient of step t is a*cos(t+i) + 0.1*p: it depends on the
parameter, so an error does not stay small.

`network`: 100 steps of a network of two linear layers (3 -> 4 -> 2, tanh between them, four parameter tensors) on a
squared error: nonconvex, every gradient depends on every parameter. Two groups: the second layer learns at its own rate.
The input of step t is sin(6*t + i); the targets are 0.5*cos(t + j). Every tenth step is kept.
"""
import json
import math

import torch

START = [0.5, -1.25, 2.0, 0.0]
STEPS = 10
LONG = 100


def rule(make):
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


def wave(rows, columns):
    return torch.tensor([0.5 * math.sin(1.3 * i) for i in range(rows * columns)]).reshape(rows, columns)


def network(make, lr, head_lr):
    """Weights are stored as the test's network has them, inputs x outputs."""
    w1, b1 = wave(3, 4).requires_grad_(), wave(1, 4)[0].clone().requires_grad_()
    w2, b2 = wave(4, 2).requires_grad_(), wave(1, 2)[0].clone().requires_grad_()
    optimizer = make([{"params": [w1, b1], "lr": lr}, {"params": [w2, b2], "lr": head_lr}])
    rows = []
    for t in range(LONG):
        x = torch.tensor([math.sin(6 * t + i) for i in range(6)]).reshape(2, 3)
        y = torch.tensor([0.5 * math.cos(t + j) for j in range(4)]).reshape(2, 2)
        optimizer.zero_grad()
        (torch.tanh(x @ w1 + b1) @ w2 + b2 - y).square().mean().backward()
        optimizer.step()
        if (t + 1) % 10 == 0:
            rows.append([float(v) for p in (w1, b1, w2, b2) for v in p.detach().flatten()])
    return {"lr": lr, "head_lr": head_lr, "rows": rows}


O = torch.optim
out = {
    "torch": torch.__version__,
    "start": START,
    "rule": {
        "sgd": rule(lambda p: O.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01)),
        "sgd_plain": rule(lambda p: O.SGD(p, lr=0.1)),
        "nesterov": rule(lambda p: O.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True)),
        "adam": rule(lambda p: O.Adam(p, lr=0.05, weight_decay=0.01)),
        "adamw": rule(lambda p: O.AdamW(p, lr=0.05, weight_decay=0.1)),
        "radam": rule(lambda p: O.RAdam(p, lr=0.05, weight_decay=0.1, decoupled_weight_decay=True)),
    },
    "network": {
        "sgd": network(lambda g: O.SGD(g, momentum=0.9, weight_decay=0.01), 0.02, 0.05),
        # The momentum is the weight decay, as in IRNet's code.
        "sgd_reference": network(lambda g: O.SGD(g, momentum=0.01, weight_decay=0.01), 0.02, 0.05),
        "nesterov": network(lambda g: O.SGD(g, momentum=0.9, weight_decay=0.01, nesterov=True), 0.02, 0.05),
        "adam": network(lambda g: O.Adam(g, weight_decay=0.01), 0.005, 0.01),
        "adamw": network(lambda g: O.AdamW(g, weight_decay=0.1), 0.005, 0.01),
        "radam": network(lambda g: O.RAdam(g, weight_decay=0.1, decoupled_weight_decay=True), 0.005, 0.01),
    },
}
print(json.dumps(out))
