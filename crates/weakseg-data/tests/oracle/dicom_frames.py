"""Writes small multi-frame DICOM files with pydicom, for tests/it/frames.rs; prints their frames as pydicom reads them.

frames_8.dcm: three of an odd number of bytes, uncompressed. frames_16.dcm: four of 16 bits. frames_rle.dcm: the same, packed by
RLE, each in one fragment. frames_split.dcm: each of these in two fragments under an offset table; RLE does not allow that, and
whoever reads it must see two.

Run from this folder: python dicom_frames.py > dicom_frames.json
"""

import json
from importlib.metadata import version

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import set_pixel_data
from pydicom.uid import ExplicitVRLittleEndian, RLELossless


def image(values, bits):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # Multi-frame grayscale byte or word secondary capture.
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7." + ("2" if bits == 8 else "3")
    data.SOPInstanceUID = "1.2.3.4"
    set_pixel_data(data, values, "MONOCHROME2", bits)
    return data


def write(name, data):
    data.save_as(name, enforce_file_format=True)


rng = np.random.default_rng(0)
eight = rng.integers(0, 256, (3, 3, 5), dtype=np.uint8)
sixteen = np.repeat(rng.integers(0, 4096, (4, 3, 3), dtype=np.uint16), 2, axis=2)

write("frames_8.dcm", image(eight, 8))
write("frames_16.dcm", image(sixteen, 12))
packed = image(sixteen, 12)
packed.compress(RLELossless, generate_instance_uid=False)
write("frames_rle.dcm", packed)
cut = pydicom.dcmread("frames_rle.dcm")
frames = list(generate_frames(cut.PixelData, number_of_frames=4))
cut.PixelData = encapsulate(frames, fragments_per_frame=2, has_bot=True)
write("frames_split.dcm", cut)

oracle = {}
for name in ["frames_8.dcm", "frames_16.dcm", "frames_rle.dcm"]:
    oracle[name] = pydicom.dcmread(name).pixel_array.tolist()
print(json.dumps({"versions": {name: version(name) for name in ["numpy", "pydicom"]}, "frames": oracle}))
