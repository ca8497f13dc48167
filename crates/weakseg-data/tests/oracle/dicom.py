"""Reads DICOM files with pydicom, for tests/it/shared.rs: what this crate reads must be the same numbers.

For each file: the transfer syntax, the shape and the SHA-256 of `pixel_array` as little-endian int32, channels first;
for grey single frames also the SHA-256 of what the standard shows of them as 8 bits: Modality LUT, VOI LUT or
window, MONOCHROME1 turned round. Where pydicom itself cannot read a file, its `pixels` is null.

Run from this folder, with the files in $WEAKSEG_SHARED/data/dicom (default ../../../../../shared/data/dicom):
python dicom.py > dicom.json

Needs numpy, pydicom, pylibjpeg with its plugins for libjpeg, openjpeg and rle.
"""

import hashlib
import json
import os
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut, apply_voi_lut

warnings.simplefilter("ignore")
here = Path(__file__).resolve().parent
shared = Path(os.environ.get("WEAKSEG_SHARED", here / "../../../../../shared"))


def sha256(values, kind):
    return hashlib.sha256(np.ascontiguousarray(values, dtype=kind).tobytes()).hexdigest()


def shown(data, values):
    """8 bits by the file's own LUTs or window; None where it has none and its values are wider."""
    if "WindowWidth" not in data and "VOILUTSequence" not in data:
        if data.BitsStored != 8 or "ModalityLUTSequence" in data or "RescaleSlope" in data:
            return None
        grey = values.astype(np.float64) / 255
    else:
        output = apply_voi_lut(apply_modality_lut(values, data), data).astype(np.float64)
        if "VOILUTSequence" in data:
            bits = int(data.VOILUTSequence[0].LUTDescriptor[2])
            grey = output / (2**bits - 1)
        else:
            # pydicom shows a window in the range of the stored bits.
            low = -(2 ** (data.BitsStored - 1)) if data.PixelRepresentation else 0
            grey = (output - low) / (2**data.BitsStored - 1)
    grey = np.floor(grey * 255 + 0.5).clip(0, 255).astype(np.uint8)
    return 255 - grey if data.PhotometricInterpretation == "MONOCHROME1" else grey


# JPEG baseline, extended, near-lossless JPEG-LS, JPEG 2000.
LOSSY = ["1.2.840.10008.1.2.4." + end for end in ("50", "51", "81", "91")]

files = {}
for path in sorted((shared / "data/dicom").glob("*.dcm")):
    data = pydicom.dcmread(path)
    entry = {"syntax": str(data.file_meta.TransferSyntaxUID), "pixels": None}
    files[path.name] = entry
    try:
        values = data.pixel_array
    except Exception as error:
        print(f"{path.name}: {str(error).splitlines()[0]}", file=sys.stderr)
        continue
    frames = int(data.get("NumberOfFrames", 1))
    entry["frames"] = frames
    if frames > 1:
        continue
    planes = np.moveaxis(values, -1, 0) if values.ndim == 3 else values[None]
    entry["shape"] = list(planes.shape)
    entry["pixels"] = sha256(planes, "<i4")
    entry["range"] = [int(planes.min()), int(planes.max())]
    eight = shown(data, values) if values.ndim == 2 else None
    entry["shown"] = None if eight is None else sha256(eight, np.uint8)
    if entry["syntax"] in LOSSY:
        # Decoders of lossy files may differ in the last bit: some of the numbers themselves.
        flat = planes.reshape(-1)
        entry["every"] = max(1, flat.size // 500)
        entry["samples"] = [int(value) for value in flat[:: entry["every"]]]

names = ["numpy", "pydicom", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle"]
rows = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in files.items()]
versions = json.dumps({name: version(name) for name in names})
print('{\n "versions": ' + versions + ',\n "files": {\n' + ",\n".join(rows) + "\n }\n}")
