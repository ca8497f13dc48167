"""Checkpoints as PyTorch writes them, tiny, for tests/it/checkpoints.rs.

    python checkpoints.py

writes checkpoints.zip beside itself: one file a case, each holding the same four tensors in another form, and some that
must be refused. The values are exact in f16, so every element type gives the same f32.
"""

import io
import os
import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

warnings.filterwarnings("ignore")


def tensors(dtype=torch.float32):
    """Key, shape and values: i / 4 - offset, all different."""
    return OrderedDict(
        [
            ("linear.weight", (torch.arange(6, dtype=dtype) / 4 - 0.5).reshape(2, 3)),
            ("linear.bias", torch.arange(2, dtype=dtype) / 4 + 3),
            ("conv.weight", (torch.arange(24, dtype=dtype) / 4 - 8).reshape(2, 3, 2, 2)),
            ("norm.running_mean", torch.arange(2, dtype=dtype) / 4 + 16),
        ]
    )


class Run:
    """What unpickling this does is what a hostile file does; PyTorch would run it without weights_only."""

    def __reduce__(self):
        return os.system, ("touch hostile-was-run",)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)


def views():
    """Transposed, channels last, and two tensors in one storage at an offset."""
    plain = tensors()
    shared = torch.full((9,), 99.0)
    shared[1:3] = plain["linear.bias"]
    shared[5:9:2] = plain["norm.running_mean"]
    plain["linear.bias"] = shared[1:3]
    plain["norm.running_mean"] = shared[5:9:2]
    plain["linear.weight"] = plain["linear.weight"].T.contiguous().T
    plain["conv.weight"] = plain["conv.weight"].to(memory_format=torch.channels_last)
    assert not plain["linear.weight"].is_contiguous() and not plain["conv.weight"].is_contiguous()
    return plain


def with_counter():
    return OrderedDict([*tensors().items(), ("norm.num_batches_tracked", torch.tensor(7))])


def with_nan():
    plain = tensors()
    plain["conv.weight"][1, 0, 1, 0] = float("nan")
    return plain


def expanded():
    """One stored number that claims to be fifty million."""
    return OrderedDict([*tensors().items(), ("bomb", torch.zeros(1).expand(50_000_000))])


def training(key):
    """What training scripts save: the state dict beside an optimizer, an epoch, a score of NumPy's."""
    parameter = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.Adam([parameter])
    parameter.grad = torch.ones(2)
    optimizer.step()
    return {key: tensors(), "epoch": 3, "best": np.float64(0.5), "optimizer": optimizer.state_dict()}


CASES = {
    "plain": tensors(),
    "float16": tensors(torch.float16),
    "bfloat16": tensors(torch.bfloat16),
    "float64": tensors(torch.float64),
    "views": views(),
    "counter": with_counter(),
    "state_dict": training("state_dict"),
    "model_state_dict": training("model_state_dict"),
    "model": {"model": tensors()},
    "net": {"net": tensors(), "name": "a network"},
    "data_parallel": {"state_dict": OrderedDict(("module." + k, v) for k, v in tensors().items())},
    "parameters": OrderedDict((k, torch.nn.Parameter(v)) for k, v in tensors().items()),
    "integer": OrderedDict([*tensors().items(), ("index", torch.arange(3))]),
    "nan": with_nan(),
    "expanded": expanded(),
    "hostile": OrderedDict([*tensors().items(), ("payload", Run())]),
    "whole_model": Net(),
    "no_tensors": {"epoch": 3},
    "list": list(tensors().values()),
}


def main():
    files = io.BytesIO()
    out = zipfile.ZipFile(files, "w")

    def add(name, data):
        out.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)

    def saved(case, **options):
        buffer = io.BytesIO()
        torch.save(case, buffer, **options)
        return buffer.getvalue()

    # The old format is half as long, so what does not hang on the format is kept in it.
    for name in ["plain", "float16", "views", "counter", "state_dict", "expanded", "hostile", "whole_model"]:
        add(f"{name}.pth", saved(CASES[name]))
    for name, case in CASES.items():
        add(f"{name}_legacy.pth", saved(case, _use_new_zipfile_serialization=False))
    add("protocol4.pth", saved(CASES["plain"], pickle_protocol=4))
    add("hostile_protocol4.pth", saved(CASES["hostile"], pickle_protocol=4))
    add("hostile_pickle.pth", pickle.dumps(Run(), 0))
    add("versions.txt", f"torch {torch.__version__}, numpy {np.__version__}\n")
    out.close()
    # An archive in an archive: the files are alike, and compress well only as one.
    with zipfile.ZipFile(Path(__file__).with_name("checkpoints.zip"), "w") as outer:
        inner = zipfile.ZipInfo("files.zip", (1980, 1, 1, 0, 0, 0))
        outer.writestr(inner, files.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)


if __name__ == "__main__":
    main()
