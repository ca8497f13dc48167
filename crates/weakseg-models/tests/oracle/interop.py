"""Takes networks of other libraries through `weakseg weights` and back.

    pip install numpy safetensors torch==2.11.0 torchvision==0.26.0 timm==1.0.31 segmentation-models-pytorch==0.6.0
    python interop.py WEAKSEG [--record FILE] [--only TEXT]

For each network, with random weights and random running statistics: saves it as .pth and as .safetensors, lets
`weakseg weights verify` load each (no key missing or unused) and run it on the same input, converts it back, and loads what
came out with strict=True. Prints a line each; ends with 1 if a line failed. A network that the program does not have yet is
`not there`. `cargo xtask interop PYTHON` runs it and records the lines.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import safetensors
import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torchvision.models.segmentation import deeplabv3_resnet50

TOLERANCE = 1e-4
ERRORS = {"failed": 0}


def vision(build, **options):
    return lambda: build(weights=None, **options)


def dilated(*layers):
    return vision(torchvision.models.resnet50, replace_stride_with_dilation=list(layers))


def deeplab(aux):
    return lambda: deeplabv3_resnet50(weights=None, weights_backbone=None, aux_loss=aux, num_classes=21)


def pytorch_image_models(name):
    return lambda: timm.create_model(name, pretrained=False)


def unet(encoder, attention=None):
    return lambda: smp.Unet(encoder, encoder_weights=None, classes=2, decoder_attention_type=attention)


# Library, network there, its name here, how it is built, how the network that takes the weights back is built.
NETWORKS = [
    ("torchvision", "vgg16", "vgg16", vision(torchvision.models.vgg16), None),
    ("torchvision", "vgg16_bn", "vgg16-bn", vision(torchvision.models.vgg16_bn), None),
    ("torchvision", "resnet34", "resnet34", vision(torchvision.models.resnet34), None),
    ("torchvision", "resnet50", "resnet50-os32", vision(torchvision.models.resnet50), None),
    ("torchvision", "resnet50 dilated", "resnet50-os8", dilated(False, True, True), None),
    ("torchvision", "resnet50 dilated last", "resnet50-os16", dilated(False, False, True), None),
    ("torchvision", "deeplabv3_resnet50", "deeplabv3-resnet50", deeplab(None), None),
    ("torchvision", "deeplabv3_resnet50+aux", "deeplabv3-resnet50", deeplab(True), deeplab(None)),
    ("timm", "resnet34", "resnet34", pytorch_image_models("resnet34"), None),
    ("timm", "resnet50", "resnet50-os32", pytorch_image_models("resnet50"), None),
    ("timm", "vgg16_bn", "vgg16-bn", pytorch_image_models("vgg16_bn"), None),
    ("timm", "legacy_seresnext50_32x4d", "se_resnext50", pytorch_image_models("legacy_seresnext50_32x4d"), None),
]
for encoder, ours in [
    ("vgg16", "unet-vgg16"),
    ("vgg16_bn", "unet-vgg16-bn"),
    ("resnet34", "unet-resnet34"),
    ("resnet50", "unet-resnet50"),
    ("se_resnext50_32x4d", "unet-se_resnext50"),
]:
    NETWORKS.append(("smp", f"Unet {encoder}", ours, unet(encoder), None))
    NETWORKS.append(("smp", f"Unet {encoder} scse", ours, unet(encoder, "scse"), None))


def randomise(model, seed):
    """Every running statistic and every affine parameter of batch norm away from 0 and 1.

    The last batch norm of a residual block adds a third of what it would: blocks of fresh weights otherwise grow
    features of hundreds, on which a gate (scse) is a step, and PyTorch's own f32 is 5e-4 from its f64 (Unet resnet50 scse).
    """
    last = {"BasicBlock": "bn2", "Bottleneck": "bn3"}
    ends = {id(getattr(m, last[type(m).__name__])) for m in model.modules() if type(m).__name__ in last}
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor, low, high in [
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 1.5),
                (module.weight.data, 0.7, 1.3),
                (module.bias.data, -0.2, 0.2),
            ]:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)
            if id(module) in ends:
                module.weight.data /= 3
            module.num_batches_tracked.fill_(5)
    return model.eval()


@torch.no_grad()
def outputs(model, images):
    found = model(images)
    return (found["out"] if isinstance(found, dict) else found).contiguous()


def save(model, folder):
    """The same weights in every form that is tried."""
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    torch.save(model.state_dict(), folder / "zip.pth")
    torch.save(model.state_dict(), folder / "legacy.pth", _use_new_zipfile_serialization=False)
    wrapped = {f"module.{key}": value for key, value in state.items()}
    torch.save({"epoch": 7, "state_dict": wrapped}, folder / "nested.pth")
    save_file(state, folder / "file.safetensors")
    return ["zip.pth", "legacy.pth", "nested.pth", "file.safetensors"]


def call(program, *arguments):
    done = subprocess.run(
        [program, "weights", *map(str, arguments), "--json"], capture_output=True, text=True, check=False
    )
    document = json.loads(done.stdout) if done.stdout.strip() else None
    return done.returncode, document, done.stderr.strip()


def check(program, entry, folder, say):
    library, name, ours, build, build_back = entry
    torch.manual_seed(1)
    model = randomise(build(), 2)
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    expected = outputs(model, images)
    np.save(folder / "x.npy", images.numpy())
    np.save(folder / "y.npy", expected.numpy())
    title = f"{library:11} {name:28} as {ours:18}"

    def failed(what, why):
        ERRORS["failed"] += 1
        say(f"{title} {what:16} FAILED: {why}")

    for file in save(model, folder):
        code, document, errors = call(
            program, "verify", "--arch", ours, "--weights", folder / file,
            "--input", folder / "x.npy", "--expect", folder / "y.npy", "--tolerance", TOLERANCE,
        )  # fmt: skip
        if code == 2 and "invalid value" in errors:
            say(f"{title} not there: the program has no such network")
            return
        if document and any("extra_linear" in key for key in document["missing"]):
            say(f"{title} not there: the program has the network with another head alone")
            return
        if document and any("attention" in key for key in document["unused"]):
            say(f"{title} not there: the program has the network without attention alone")
            return
        if code or not document["passed"]:
            why = errors or {k: document[k] for k in ["missing", "unused", "misshapen", "difference"]}
            failed(file, str(why)[:400])
            continue
        difference = document["difference"]
        say(
            f"{title} {file:16} {document['applied']} keys, none missing, none unused, {document['seconds']:.2f} s;"
            f" difference {difference['absolute']:.1e}, relative {difference['relative']:.1e}"
        )

    back = folder / "back.safetensors"
    code, _, errors = call(
        program, "convert", folder / "zip.pth", "--arch", ours, "--names", library, "--out", back
    )
    if code:
        failed("back", errors)
        return
    torch.manual_seed(9)
    other = (build_back or build)()
    try:
        other.load_state_dict(load_file(back), strict=True)
    except RuntimeError as error:
        failed("back", str(error)[:400])
        return
    gap = (outputs(other.eval(), images) - expected).abs().max().item()
    if gap > 0:
        failed("back", f"outputs differ by {gap:.1e}")
        return
    say(f"{title} {'back':16} loaded there with strict=True, same outputs bit for bit")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--record", type=Path, help="file that the lines are written to as well")
    parser.add_argument("--only", default="", help="networks whose line holds this text")
    arguments = parser.parse_args()
    torch.set_num_threads(min(4, os.cpu_count() or 1))
    version = subprocess.run([arguments.program, "--version"], capture_output=True, text=True, check=True).stdout.split()
    lines = []

    def say(line):
        print(line, flush=True)
        lines.append(line)

    say(
        f"weakseg {version[1]}, torch {torch.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__},"
        f" segmentation_models_pytorch {smp.__version__}, safetensors {safetensors.__version__},"
        f" {platform.system()} {platform.machine()}; input [2, 3, 64, 96], tolerance {TOLERANCE} relative"
    )
    for entry in NETWORKS:
        if arguments.only in f"{entry[0]} {entry[1]} {entry[2]}":
            with tempfile.TemporaryDirectory() as folder:
                check(arguments.program.resolve(), entry, Path(folder), say)
    say(f"{ERRORS['failed']} failed")
    if arguments.record:
        arguments.record.write_text("\n".join(lines) + "\n")
    return 1 if ERRORS["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
