"""Has pydicom and highdicom read the DICOM files that are made of masks and pictures, and compares every pixel.

Run: cargo xtask made-dicom PYTHON   (needs numpy, Pillow, pydicom 3.0.2, highdicom 0.28.2)
or:  python made_dicom.py PROGRAM [--record FILE], where PROGRAM is the example `made_dicom`

Images: a radiograph of odd sides in 12 bits whose patient's name is not in ASCII, the second frame of a file of three, and a PNG,
of which there is no segmentation. Masks: random regions, some of them empty, once all. pydicom raises on values that are not as the
standard has them.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import warnings
from importlib.metadata import version

import highdicom
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import set_pixel_data
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

pydicom.config.settings.reading_validation_mode = pydicom.config.RAISE
warnings.simplefilter("error")
random = np.random.default_rng(5)
NAME = "Müller^Jörg"


def image(path, values, sop_class):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SpecificCharacterSet = "ISO_IR 100"
    data.SOPClassUID, data.SOPInstanceUID = sop_class, generate_uid(entropy_srcs=[path.name])
    data.PatientName, data.PatientID, data.PatientSex, data.PatientBirthDate = NAME, "p 1", "F", "19500131"
    data.StudyInstanceUID, data.SeriesInstanceUID = (generate_uid(entropy_srcs=[path.name, k]) for k in "ab")
    data.StudyDate, data.StudyTime, data.AccessionNumber, data.StudyID = "20200229", "1200", "7", "s"
    data.Modality = "CR"
    set_pixel_data(data, values, "MONOCHROME2", 12 if values.dtype == np.uint16 else 8)
    data.save_as(path, enforce_file_format=True)
    return data


def regions(height, width, full):
    y, x = np.mgrid[:height, :width]
    centre = random.uniform(0, 1, 2) * (height, width)
    inside = ((y - centre[0]) / height) ** 2 + ((x - centre[1]) / width) ** 2 < 0.1
    return (inside & full).astype(np.uint8)


def same(what, found, expected):
    if not np.array_equal(found, expected):
        sys.exit(f"{what}: found {found!r}, expected {expected!r}")


def check_segmentation(path, source, frame, masks):
    data = pydicom.dcmread(path)
    same("kind", data.SOPClassUID, "1.2.840.10008.5.1.4.1.1.66.4")
    same("patient", str(data.PatientName), NAME)
    present = [number for number, mask in enumerate(masks.values(), 1) if mask.any()] or [1]
    groups = data.PerFrameFunctionalGroupsSequence
    same("frames", [g.SegmentIdentificationSequence[0].ReferencedSegmentNumber for g in groups], present)
    pixels = data.pixel_array.reshape(len(present), *next(iter(masks.values())).shape)
    same("pixels", pixels, np.stack([list(masks.values())[n - 1] for n in present]))
    seg = highdicom.seg.segread(path)
    same("labels", [seg.get_segment_description(n).segment_label for n in seg.segment_numbers], list(masks))
    same("algorithm", {seg.get_segment_description(n).algorithm_type.value for n in seg.segment_numbers}, {"AUTOMATIC"})
    same("referred", seg.get_source_image_uids(), [(source.StudyInstanceUID, source.SeriesInstanceUID, source.SOPInstanceUID)])
    how = dict(ignore_spatial_locations=False, assert_missing_frames_are_empty=True)
    if frame:
        read = seg.get_pixels_by_source_frame(source.SOPInstanceUID, [frame], **how)
    else:
        read = seg.get_pixels_by_source_instance([source.SOPInstanceUID], **how)
    same("highdicom's pixels", read[0], np.stack(list(masks.values()), axis=-1))
    return len(present)


def check_picture(path, shown, masks, study):
    data = pydicom.dcmread(path)
    same("kind", data.SOPClassUID, "1.2.840.10008.5.1.4.1.1.7")
    same("study", data.StudyInstanceUID == study, study is not None)
    same("patient", str(data.PatientName), NAME if study else "")
    same("comments", data.ImageComments, "Maßstab #000100")
    rgb = data.pixel_array
    same("green", rgb[..., 1], sum(masks.values()))
    same("blue", rgb[..., 2].max(), 0)
    if shown is not None:
        same("red", rgb[..., 0], shown)


arguments = argparse.ArgumentParser()
arguments.add_argument("program")
arguments.add_argument("--record")
options = arguments.parse_args()
lines = [f"{name} {version(name)}" for name in ("pydicom", "highdicom", "numpy")]
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    CR, FRAMES = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.7.2"
    grey = random.integers(0, 256, (3, 20, 31), dtype=np.uint8)
    cases = []
    for name, full in [("some.dcm", [1, 0, 1]), ("one.dcm", [1]), ("none.dcm", [0, 0])]:
        values = random.integers(0, 4096, (37, 53), dtype=np.uint16)
        cases.append((name, image(folder / name, values, CR), 0, None, (37, 53), full))
    cases.append(("frames.dcm", image(folder / "frames.dcm", grey, FRAMES), 2, grey[1], (20, 31), [1, 1]))
    Image.fromarray(grey[0]).save(folder / "picture.png")
    cases.append(("picture.png", None, 0, grey[0], (20, 31), [1, 0]))
    for name, source, frame, shown, size, full in cases:
        masks = {f"finding {n}": regions(*size, bool(f)) for n, f in enumerate(full, 1)}
        out = folder / f"{name}.out"
        out.mkdir()
        files = []
        for finding, mask in masks.items():
            files.append(out / f"{finding}.png")
            Image.fromarray(mask).save(files[-1])
        command = [options.program, folder / name, str(frame), out, *files]
        done = subprocess.run(command, capture_output=True, text=True)
        check_picture(out / "sc.dcm", shown, masks, source and source.StudyInstanceUID)
        if source is None:
            same("refused", done.returncode == 1 and "not a DICOM image" in done.stderr, True)
            lines.append(f"{name}: Secondary Capture as made; no segmentation")
            continue
        same(f"{name}: {done.stderr}", done.returncode, 0)
        frames = check_segmentation(out / "seg.dcm", source, frame, masks)
        lines.append(f"{name}: Secondary Capture and segmentation as made, {len(masks)} segments, {frames} frames")
print("\n".join(lines))
if options.record:
    pathlib.Path(options.record).write_text("\n".join(lines) + "\n")
