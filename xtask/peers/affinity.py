#!/usr/bin/env python3
"""IRNet's losses of all pairs by gathers, as its published code has them: forward and backward, in PyTorch.

Every map's label is a disc of one class in an unsure ring on background.

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
    # In the order of the groups: of every path the cell that lies farthest from the source.
    ends = [max(cells, key=lambda c: abs(c[0]) + abs(c[1])) for group in paths(a.radius) for cells in group]
    destinations = torch.stack([sources + y * a.size + x for y, x in ends])
    direction = torch.tensor(ends, dtype=torch.float32).T.reshape(1, 2, -1, 1)
    y, x = torch.meshgrid(torch.arange(a.size) - a.size / 2, torch.arange(a.size) - a.size / 2, indexing="ij")
    away = (torch.hypot(y, x) / a.size).flatten()
    label = torch.where(away < 0.25, 1, torch.where(away < 0.3, 255, 0))
    start, end = label[sources][None], label[destinations]
    sure = (start < 255) & (end < 255)
    kinds = [(start == 0) & (end == 0), sure & (start == end) & (start > 0), sure & (start != end)]
    background, foreground, negative = [kind.float().expand(a.batch, -1, -1).contiguous() for kind in kinds]
    torch.manual_seed(0)
    edge = torch.rand(a.batch, a.size * a.size, requires_grad=True)
    field = (6 * torch.rand(a.batch, 2, a.size * a.size) - 3).requires_grad_()
    best = float("inf")
    for _ in range(a.repeat + 1):
        edge.grad = field.grad = None
        t = time.perf_counter()
        affinity = torch.cat([
            1 - torch.index_select(edge, 1, index.flatten()).view(a.batch, *index.shape).amax(2) for index in indices
        ], dim=1)
        near, apart = -torch.log(affinity + 1e-5), -torch.log(1 + 1e-5 - affinity)
        moved = field[:, :, sources].unsqueeze(2) - torch.index_select(field, 2, destinations.flatten()).view(
            a.batch, 2, *destinations.shape
        )
        mean = lambda values, kind: (values * kind).sum() / (kind.sum() + 1e-5)
        still, towards = moved.abs().sum(1), (moved - direction).abs().sum(1)
        loss = (mean(near, background) / 2 + mean(near, foreground) / 2 + mean(apart, negative)) / 2
        (loss + (mean(still, background) + mean(towards, foreground)) / 4).backward()
        best = min(best, time.perf_counter() - t)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": round(best, 4), "peak": peak, "pairs": affinity.numel()}))
