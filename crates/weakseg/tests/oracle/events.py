"""Records a file of events as TensorBoard's own classes write it, for the test of src/train/events.rs.

Run: python events.py > events.json   (needs tensorboard 2.21.0)

`lines` are figures as in a `metrics.jsonl`: steps of one, two and three bytes, values of every size and sign. `bytes` are what
TensorBoard's RecordWriter writes of its Event messages; they were read again by the loader that its server uses, and hold the
same figures, in single precision. The test compares bytes, so TensorBoard reads ours.
"""
import json
import os
import pathlib
import tempfile
from importlib.metadata import version

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

STEPS = [3, 127, 128, 20_000]
FIGURES = {("train", "loss"): [0.7, 1e-9, 2.5e7, 0.0], ("train", "lr"): [1e-4, 5e-5, 1e-300, 0.1],
           ("val", "loss"): [-0.3, 1 / 3, 16777217.0, 1.0], ("val", "auroc"): [0.5, 0.75, 0.9, 1.0]}
lines = [
    {"epoch": epoch, "step": step, "split": split, "name": name, "value": values[epoch - 1]}
    for epoch, step in enumerate(STEPS, 1) for (split, name), values in FIGURES.items()
]
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, "events.out.tfevents.0.weakseg")
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(file_version="brain.Event:2").SerializeToString())
        for line in lines:
            value = Summary.Value(tag=f"{line['split']}/{line['name']}", simple_value=line["value"])
            event = Event(wall_time=line["epoch"], step=line["step"], summary=Summary(value=[value]))
            writer.write(event.SerializeToString())
    content = path.read_bytes()
    read = EventAccumulator(os.fspath(folder))
    read.Reload()
    assert read.file_version == 2.0
    assert sorted(read.Tags()["scalars"]) == sorted("/".join(key) for key in FIGURES)
    for key, values in FIGURES.items():
        events = read.Scalars("/".join(key))
        assert [(e.wall_time, e.step) for e in events] == list(enumerate(STEPS, 1)), events
        assert [e.value for e in events] == [float(np.float32(v)) for v in values], events
print(json.dumps({
    "versions": {n: version(n) for n in ("tensorboard", "protobuf")}, "lines": lines, "bytes": list(content),
}))
