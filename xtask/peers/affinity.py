#!/usr/bin/env python3
"""The affinity of all pairs by gathers, as IRNet's published code has it: forward and backward of its mean, in PyTorch.

Usage: affinity.py [--batch 8] [--radius 10] [--size 128] [--threads 2] [--repeat 3]
Prints one JSON line: seconds (best of --repeat after one more), greatest resident set in bytes.
"""
import argparse, json, resource, time
import torch


def paths(radius):
    """Cells [dy, dx] of the path to each neighbour, grouped by their number."""
    found = [(0, dx) for dx in range(1, radius)]
    for dy in range(1, radius):
        found += [(dy, dx) for dx in range(1 - radius, radius) if dx * dx + dy * dy < radius * radius]
    groups = {}
    for dy, dx in found:
        xs = range(min(0, dx), max(0, dx) + 1)
        cells = [(y, x) for y in range(dy + 1) for x in xs if (dy * x - dx * y) ** 2 < dy * dy + dx * dx]
        groups.setdefault(len(cells), []).append(cells)
    return list(groups.values())


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--batch", type=int, default=8); p.add_argument("--radius", type=int, default=10)
    p.add_argument("--size", type=int, default=128); p.add_argument("--threads", type=int, default=2)
    p.add_argument("--repeat", type=int, default=3)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    margin = a.radius - 1
    ys, xs = torch.meshgrid(torch.arange(a.size - margin), torch.arange(margin, a.size - margin), indexing="ij")
    sources = (ys * a.size + xs).flatten()
    indices = [
        torch.stack([torch.stack([sources + y * a.size + x for y, x in cells]) for cells in group])
        for group in paths(a.radius)
    ]
    torch.manual_seed(0)
    edge = torch.rand(a.batch, a.size * a.size, requires_grad=True)
    best = float("inf")
    for _ in range(a.repeat + 1):
        edge.grad = None
        t = time.perf_counter()
        affinity = torch.cat([
            1 - torch.index_select(edge, 1, index.flatten()).view(a.batch, *index.shape).amax(2) for index in indices
        ], dim=1)
        affinity.mean().backward()
        best = min(best, time.perf_counter() - t)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": round(best, 4), "peak": peak, "pairs": affinity.numel()}))
