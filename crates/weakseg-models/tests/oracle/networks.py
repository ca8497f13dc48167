"""Records what PyTorch's networks give, for tests/it/parity.rs.

    pip install numpy torch==2.11.0 torchvision==0.26.0 timm==1.0.31 segmentation-models-pytorch==0.6.0
    python networks.py

writes networks.json and gradients.json beside itself; with names of networks as arguments, only
their parts anew.

The weights are not random numbers but a hash of each parameter's key and position, computed alike
here and in the test, so nothing large needs recording, and a wrong name gives a wrong output.
PyTorch computes in float64, so that what is compared with is no rounding error of its own.

networks.json: outputs as mean, mean of squares, and 24 values spread over the tensor, in eval mode
for one image and in training mode (batch norm on batch statistics, no dropout) for several.
gradients.json: of the loss (outputs times a hash, averaged over each output's elements) in training
mode, one line a parameter: greatest magnitude, root mean square, and 6 values spread over the tensor;
and, for comparison, how far PyTorch's own float32 comes from these in the parameter where it is worst.
"""

import json
import pathlib
import sys

import numpy as np
import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F


def hashed(name, count):
    """Values in [-1, 1): FNV-1a of the name, mixed with the position (murmur3's finalizer)."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    with np.errstate(over="ignore"):
        h = np.uint32(seed) + np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9)
        h ^= h >> np.uint32(16)
        h *= np.uint32(0x85EBCA6B)
        h ^= h >> np.uint32(13)
        h *= np.uint32(0xC2B2AE35)
        h ^= h >> np.uint32(16)
    return (h >> np.uint32(8)).astype(np.float64) / 2.0**23 - 1.0


def value(name, shape):
    u = hashed(name, int(np.prod(shape)))
    if name.endswith("running_var"):
        v = 1.0 + 0.5 * u
    elif len(shape) > 1:
        v = u * (3.0 / np.prod(shape[1:])) ** 0.5 * 1.4
    elif name.endswith("weight"):
        v = 1.0 + 0.2 * u
    else:
        v = 0.1 * u
    return torch.from_numpy(v.astype(np.float32)).reshape(shape)


def away_from_zero(name, v):
    """Shift of a batch norm for training: +1.5, and -1.5 for a quarter of the first norms of blocks, so
    that with a scale of one half few ReLUs stand near their kink; more for the extra convolutions. There rounding decides, and a
    decision moves gradients by percents: with the weights of inference PyTorch's own float32 differs
    from its float64 by up to 3e-2 (resnet50-os8) and 1e-1 (unet-resnet34-scse)."""
    dead = hashed(name + "/dead", v.numel()) < -0.5
    first = name.endswith("bn1.bias") or name.endswith(".conv1.1.bias")
    shift = 1.5
    if name.startswith("extra_convs."):
        # No norm before these: each makes of what it is given up to 1.4 times as much.
        first, shift = True, 6.0 * 4.0 ** int(name.split(".")[1])
    return v + torch.from_numpy(np.where(first & dead, -shift, shift).astype(np.float32))


def fill(module, rename, train=False):
    state = module.state_dict()
    for key, old in state.items():
        if key.endswith("num_batches_tracked"):
            continue
        name = rename(key)
        v = value(name, tuple(old.shape))
        layer, _, field = key.rpartition(".")
        if train and f"{layer}.running_mean" in state:
            if field == "bias":
                v = away_from_zero(name, v)
            elif field == "weight":
                v = v / 2
        elif train and name.startswith("extra_convs.") and field == "bias":
            v = away_from_zero(name, v)
        state[key] = v
    module.load_state_dict(state)
    return module.double()


def picture(name, shape):
    values = hashed(name, int(np.prod(shape))).astype(np.float32).astype(np.float64)
    return torch.from_numpy(values).reshape(shape)


def summary(x):
    x = x.detach().double().contiguous()
    flat = x.flatten()
    at = [(i * 7919) % flat.numel() for i in range(24)]
    return {
        "shape": list(x.shape),
        "mean": digits([flat.mean().item()])[0],
        "mean_square": digits([(flat**2).mean().item()])[0],
        "values": digits(flat[i].item() for i in at),
    }


class Classifier(nn.Module):
    """A trunk, three extra convolutions, GAP, linear."""

    def __init__(self, trunk, channels, classes):
        super().__init__()
        self.trunk = trunk
        self.extra_convs = nn.ModuleList(
            nn.Conv2d(channels if i == 0 else 512, 512, 3, padding=1) for i in range(3)
        )
        self.extra_linear = nn.Linear(512, classes)

    def forward(self, x):
        x = self.trunk(x)
        for conv in self.extra_convs:
            x = F.relu(conv(x))
        return {"maps": x, "logits": self.extra_linear(x.mean((2, 3)))}


class Published(nn.Module):
    """A published classifier as it is; `last` is its last layer before pooling."""

    def __init__(self, trunk, last):
        super().__init__()
        self.trunk = trunk
        getattr(trunk, last).register_forward_hook(self.keep)

    def keep(self, layer, inputs, output):
        self.maps = output

    def forward(self, x):
        logits = self.trunk(x)
        return {"maps": self.maps, "logits": logits}


class IrnCam(nn.Module):
    """Written from the description of IRNet's CAM network: batch norm on running statistics, no
    gradient before layer3."""

    def __init__(self, classes):
        super().__init__()
        self.trunk = irn_resnet()
        self.classifier = nn.Conv2d(2048, classes, 1, bias=False)

    def train(self, mode=True):
        super().train(mode)
        for m in self.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.eval()
        return self

    def forward(self, x):
        stages = self.trunk.stages(x, stop_after=3)
        x = stages[-1]
        return {"maps": x, "logits": self.classifier(x).mean((2, 3))}


class Resnet(nn.Module):
    def __init__(self, dilate, depth=50, layers=4):
        super().__init__()
        make = {34: torchvision.models.resnet34, 50: torchvision.models.resnet50}[depth]
        net = make(weights=None, replace_stride_with_dilation=dilate)
        self.layers = [f"layer{i + 1}" for i in range(layers)]
        for name in ["conv1", "bn1", "relu", "maxpool", *self.layers]:
            setattr(self, name, getattr(net, name))

    def stages(self, x, stop_after=0):
        """The stem's and each layer's output; no gradient flows out of the first `stop_after`."""
        x = self.relu(self.bn1(self.conv1(x)))
        stages = [x]
        x = self.maxpool(x)
        for i, name in enumerate(self.layers):
            x = getattr(self, name)(x)
            if i + 2 == stop_after:
                x = x.detach()
            stages.append(x)
        return stages

    def forward(self, x):
        return self.stages(x)[-1]


def irn_resnet():
    """Stride 1 and no dilation in layer4."""
    net = Resnet([False, False, False])
    block = net.layer4[0]
    block.conv2.stride = (1, 1)
    block.downsample[0].stride = (1, 1)
    return net


class Vgg(nn.Module):
    """torchvision's VGG16 with the last block dilated and the fourth pool at stride 1."""

    def __init__(self, batch_norm):
        super().__init__()
        make = torchvision.models.vgg16_bn if batch_norm else torchvision.models.vgg16
        features = list(make(weights=None).features)[:-1]
        pools = [i for i, m in enumerate(features) if isinstance(m, nn.MaxPool2d)]
        features[pools[3]] = nn.MaxPool2d(3, 1, 1)
        for m in features[pools[3] :]:
            if isinstance(m, nn.Conv2d):
                m.dilation, m.padding = (2, 2), (2, 2)
        self.features = nn.Sequential(*features)
        self.pools = pools

    def stages(self, x):
        stages = []
        for i, layer in enumerate(self.features):
            if i in self.pools:
                stages.append(x)
            x = layer(x)
        return [*stages, x]

    def forward(self, x):
        return self.features(x)


def narrow_vgg(batch_norm):
    """torchvision's VGG16 with its own classifier at a sixteenth of its channels."""
    net = (torchvision.models.vgg16_bn if batch_norm else torchvision.models.vgg16)(weights=None)
    plan = [4, 4, "M", 8, 8, "M", 16, 16, 16, "M", 32, 32, 32, "M", 32, 32, 32, "M"]
    net.features = torchvision.models.vgg.make_layers(plan, batch_norm)
    net.classifier[0] = nn.Linear(32 * 7 * 7, 256)
    net.classifier[3] = nn.Linear(256, 256)
    net.classifier[6] = nn.Linear(256, 3)
    return net


def our_name(key):
    for ours in ["trunk.", "net."]:
        key = key.removeprefix(ours)
    return key


def tap(inputs, outputs, groups):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, bias=False), nn.GroupNorm(groups, outputs)
    )


def up(x, factor):
    if factor == 1:
        return F.relu(x)
    return F.relu(F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False))


class EdgeHead(nn.Module):
    """Written from the description of IRNet's edge head."""

    def __init__(self, channels, strides):
        super().__init__()
        self.factors = [stride // 4 for stride in strides]
        for i, inputs in enumerate(channels, 1):
            setattr(self, f"fc_edge{i}", tap(inputs, 32, 4))
        self.fc_edge6 = nn.Conv2d(160, 1, 1)

    def forward(self, levels):
        height, width = levels[1].shape[2:]
        seen = [
            up(getattr(self, f"fc_edge{i + 1}")(x), factor)[..., :height, :width]
            for i, (x, factor) in enumerate(zip(levels, self.factors))
        ]
        return self.fc_edge6(torch.cat(seen, 1))


class DisplacementHead(nn.Module):
    """Written from the description of IRNet's displacement head."""

    def __init__(self, channels, strides):
        super().__init__()
        self.strides = strides
        outputs = [64, 128, 256, 256, 256]
        for i in range(5):
            setattr(self, f"fc_dp{i + 1}", tap(channels[i], outputs[i], 8 if i == 0 else 16))
        self.fc_dp6 = tap(768, 256, 16)
        self.fc_dp7 = nn.Sequential(
            nn.Conv2d(448, 256, 1, bias=False),
            nn.GroupNorm(16, 256),
            nn.ReLU(),
            nn.Conv2d(256, 2, 1, bias=False),
        )

    def forward(self, levels):
        x1, x2, x3, x4, x5 = levels
        s = self.strides
        (h2, w2), (h3, w3) = x2.shape[2:], x3.shape[2:]
        coarse = [
            up(self.fc_dp3(x3), 1),
            up(self.fc_dp4(x4), s[3] // s[2])[..., :h3, :w3],
            up(self.fc_dp5(x5), s[4] // s[2])[..., :h3, :w3],
        ]
        fused = up(self.fc_dp6(torch.cat(coarse, 1)), s[2] // 4)[..., :h2, :w2]
        return self.fc_dp7(torch.cat([up(self.fc_dp1(x1), 1), up(self.fc_dp2(x2), 1), fused], 1))


class Irnet(nn.Module):
    """Frozen trunk, two heads. VGG16's levels are those of its blocks, the first two pooled to 1/4."""

    def __init__(self, vgg=False):
        super().__init__()
        if vgg:
            self.trunk = Vgg(False)
            channels, strides = [64, 128, 256, 512, 512], [4, 4, 4, 8, 8]
        else:
            self.trunk = irn_resnet()
            channels, strides = [64, 256, 512, 1024, 2048], [4, 4, 8, 16, 16]
        self.vgg = vgg
        self.trunk.requires_grad_(False)
        self.heads = nn.ModuleDict(
            {"edge": EdgeHead(channels, strides), "displacement": DisplacementHead(channels, strides)}
        )

    def train(self, mode=True):
        super().train(mode)
        self.trunk.eval()
        return self

    def forward(self, x):
        stages = self.trunk.stages(x)
        if self.vgg:
            first, second = F.max_pool2d(stages[0], 4), F.max_pool2d(stages[1], 2)
            levels = [first, second, *stages[2:]]
        else:
            levels = [self.trunk.maxpool(stages[0]), *stages[1:]]
        return {
            "edge": self.heads["edge"](levels),
            "displacement": self.heads["displacement"](levels),
        }


class Segmenter(nn.Module):
    """smp's as it is."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return {"logits": self.net(x)}


class Separable(nn.Module):
    """Depthwise, pointwise, in place of a convolution without bias."""

    def __init__(self, inputs, outputs, kernel, dilation):
        super().__init__()
        padding = dilation * (kernel // 2)
        self.body = nn.Sequential(
            nn.Conv2d(inputs, inputs, kernel, padding=padding, dilation=dilation, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=False),
        )

    def forward(self, x):
        return self.body(x)


def conv_bn(inputs, outputs, kernel, dilation=1, separable=False):
    if separable and kernel > 1:
        conv = Separable(inputs, outputs, kernel, dilation)
    else:
        padding = dilation * (kernel // 2)
        conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class Aspp(nn.Module):
    def __init__(self, rates, separable):
        super().__init__()
        pooling = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_bn(2048, 256, 1))
        dilated = (conv_bn(2048, 256, 3, rate, separable) for rate in rates)
        self.convs = nn.ModuleList([conv_bn(2048, 256, 1), *dilated, pooling])
        self.project = nn.Sequential(*conv_bn(1280, 256, 1), nn.Dropout(0.1))

    def forward(self, x):
        seen = [conv(x) for conv in self.convs]
        seen[-1] = F.interpolate(seen[-1], size=x.shape[2:], mode="bilinear", align_corners=False)
        return self.project(torch.cat(seen, 1))


class DeeplabHead(nn.Module):
    def __init__(self, classes, rates, separable):
        super().__init__()
        self.project = conv_bn(256, 48, 1)
        self.aspp = Aspp(rates, separable)
        self.classifier = nn.Sequential(
            *conv_bn(304, 256, 3, separable=separable), nn.Conv2d(256, classes, 1)
        )

    def forward(self, low, deep):
        low = self.project(low)
        deep = F.interpolate(self.aspp(deep), size=low.shape[2:], mode="bilinear", align_corners=False)
        return self.classifier(torch.cat([low, deep], 1))


class DeeplabV3Plus(nn.Module):
    """Written from the description of DeepLabv3+ at output stride 8 or 16."""

    def __init__(self, classes, stride, separable=False):
        super().__init__()
        self.backbone = Resnet([False, stride == 8, True])
        rates = [12, 24, 36] if stride == 8 else [6, 12, 18]
        self.classifier = DeeplabHead(classes, rates, separable)

    def forward(self, x):
        stages = self.backbone.stages(x)
        y = self.classifier(stages[1], stages[4])
        return {"logits": F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)}


class DeeplabV3(nn.Module):
    """torchvision's head; its `deeplabv3_resnet50` is this on its ResNet50. Of several scales the
    greatest logits."""

    def __init__(self, trunk, channels, classes, scales=(1.0,)):
        super().__init__()
        self.backbone = trunk
        self.classifier = torchvision.models.segmentation.deeplabv3.DeepLabHead(channels, classes)
        self.scales = scales

    def seen(self, x, scale):
        size = [round(side * scale) for side in x.shape[2:]]
        if scale != 1.0:
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        y = self.classifier(self.backbone(x))
        return F.interpolate(y, size=size, mode="bilinear", align_corners=False)

    def forward(self, x):
        logits = [
            F.interpolate(self.seen(x, scale), size=x.shape[2:], mode="bilinear", align_corners=False)
            for scale in self.scales
        ]
        return {"logits": torch.stack(logits).amax(0)}


def unet(encoder, **options):
    return Segmenter(smp.Unet(encoder, encoder_weights=None, classes=2, **options))


SMALL, EVEN = (1, 3, 33, 47), (1, 3, 32, 64)


def train_size(name):
    """DeepLab's pyramid has a batch norm over one value an image: of two they are always 1 and -1. For the
    others, a size at which no pool has to choose between values that rounding cannot tell apart, and no
    ReLU stands that near its kink: noise of 3e-7 of each convolution's greatest output moves the float64
    gradients by less than the test's tolerance (at 64x96, 1e-6 moves those of unet-vgg16 by 3e-3 and of
    deeplabv3-vgg16 by 2e-2)."""
    if name.startswith("deeplab") and "resnet50" in name:
        return (8, 3, 32, 32)
    sizes = {"vgg16-bn": (4, 3, 64, 64), "unet-vgg16": (2, 3, 32, 64), "deeplabv3-vgg16": (2, 3, 24, 32)}
    return sizes.get(name, (2, 3, 64, 96))


NETWORKS = {
    "vgg16": (lambda: Classifier(Vgg(False), 512, 3), SMALL),
    "vgg16-bn": (lambda: Classifier(Vgg(True), 512, 3), SMALL),
    "resnet50-os8": (lambda: Classifier(Resnet([False, True, True]), 2048, 3), SMALL),
    "resnet50-gap": (lambda: Classifier(Resnet([False, True, True], layers=3), 1024, 3), SMALL),
    "resnet34": (lambda: Published(torchvision.models.resnet34(weights=None, num_classes=3), "layer4"), SMALL),
    "resnet50-os32": (lambda: Published(torchvision.models.resnet50(weights=None, num_classes=3), "layer4"), SMALL),
    "resnet50-os16": (
        lambda: Published(
            torchvision.models.resnet50(
                weights=None, num_classes=3, replace_stride_with_dilation=[False, False, True]
            ),
            "layer4",
        ),
        SMALL,
    ),
    "se_resnext50": (
        lambda: Published(
            timm.create_model("legacy_seresnext50_32x4d", num_classes=3, drop_rate=0.0), "layer4"
        ),
        SMALL,
    ),
    "irn-cam": (lambda: IrnCam(3), SMALL),
    "imagenet-vgg16": (lambda: Published(narrow_vgg(False), "features"), (1, 3, 64, 96)),
    "imagenet-vgg16-bn": (lambda: Published(narrow_vgg(True), "features"), (1, 3, 224, 224)),
    "irnet-resnet50": (Irnet, EVEN),
    "irnet-vgg16": (lambda: Irnet(vgg=True), EVEN),
    "unet-vgg16": (lambda: unet("vgg16"), SMALL),
    "unet-vgg16-bn": (lambda: unet("vgg16_bn"), SMALL),
    "unet-resnet34": (lambda: unet("resnet34"), SMALL),
    "unet-resnet50": (lambda: unet("resnet50"), SMALL),
    "unet-se_resnext50": (lambda: unet("se_resnext50_32x4d"), SMALL),
    "unet-resnet34-scse": (lambda: unet("resnet34", decoder_attention_type="scse"), SMALL),
    "deeplabv3-vgg16": (lambda: DeeplabV3(Vgg(False), 512, 2), SMALL),
    "deeplabv3-resnet50": (lambda: DeeplabV3(Resnet([False, True, True]), 2048, 2), SMALL),
    "deeplabv3-resnet50-scales": (
        lambda: DeeplabV3(Resnet([False, True, True]), 2048, 2, (1.0, 0.75, 0.5)),
        EVEN,
    ),
    "deeplabv3plus-resnet50-os8": (lambda: DeeplabV3Plus(2, 8), SMALL),
    "deeplabv3plus-resnet50-os16": (lambda: DeeplabV3Plus(2, 16), SMALL),
    "deeplabv3plus-resnet50-os16-separable": (lambda: DeeplabV3Plus(2, 16, separable=True), SMALL),
}
# Not trained: forward only.
NOT_TRAINED = {"imagenet-vgg16", "imagenet-vgg16-bn", "deeplabv3-resnet50-scales"}


def digits(numbers):
    return [float(f"{x:.8g}") for x in numbers]


def farthest(found, gradients):
    """The greatest difference from `gradients`, as the test measures it."""
    greatest = max(values[0] for values in gradients.values())

    def scale(own):
        return greatest if own < 1e-9 * greatest else max(own, 1e-4 * greatest)

    return max(
        (max(abs(a - b) for a, b in zip(found[key][1:], values[1:])) / scale(values[0]), key)
        for key, values in gradients.items()
    )


def train(net, size, dtype):
    """One step's forward and backward pass: outputs, running statistics, gradients."""
    net = fill(net, our_name, train=True).to(dtype).train()
    net.zero_grad()
    for m in net.modules():
        if isinstance(m, nn.Dropout):
            m.p = 0.0
    outputs = net(picture("train", size).to(dtype))
    loss = sum(
        (y * picture(f"loss.{name}", tuple(y.shape)).to(dtype)).mean() for name, y in outputs.items()
    )
    loss.backward()
    record = {f"train_{name}": summary(y) for name, y in outputs.items()}
    running = {"mean": [], "var": []}
    for key, buffer in net.state_dict().items():
        for what, found in running.items():
            if key.endswith(f"running_{what}"):
                found.append(buffer.double().flatten())
    for what, found in running.items():
        if found:
            record[f"running_{what}"] = summary(torch.cat(found))
    gradients = {}
    for key, parameter in net.named_parameters():
        g = parameter.grad
        if g is None:
            continue
        flat = g.double().flatten()
        at = [(i * 7919) % flat.numel() for i in range(6)]
        gradients[our_name(key)] = digits(
            [flat.abs().max().item(), (flat**2).mean().sqrt().item(), *(flat[i].item() for i in at)]
        )
    return record, gradients


def main():
    here = pathlib.Path(__file__).parent
    networks, gradients, single = {}, {}, {}
    asked = sys.argv[1:]
    if asked:
        networks = json.loads((here / "networks.json").read_text())["networks"]
        earlier = json.loads((here / "gradients.json").read_text())
        gradients, single = earlier["gradients"], earlier["float32"]
    for name, (make, size) in NETWORKS.items():
        if asked and name not in asked:
            continue
        torch.manual_seed(0)
        net = fill(make(), our_name).eval()
        with torch.no_grad():
            outputs = net(picture("image", size))
        networks[name] = {output: summary(y) for output, y in outputs.items()}
        if name not in NOT_TRAINED:
            record, gradients[name] = train(net, train_size(name), torch.float64)
            networks[name] |= record
            worst, where = farthest(train(net, train_size(name), torch.float32)[1], gradients[name])
            single[name] = [float(f"{worst:.1e}"), where]
        print(name, len(gradients.get(name, {})), "gradients", *single.get(name, []), file=sys.stderr)

    versions = {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "timm": timm.__version__,
        "segmentation_models_pytorch": smp.__version__,
    }
    lines = [
        f' "{name}": {{\n'
        + ",\n".join(f'  "{output}": {json.dumps(s)}' for output, s in record.items())
        + "\n }"
        for name, record in networks.items()
    ]
    text = f'{{\n"versions": {json.dumps(versions)},\n"networks": {{\n' + ",\n".join(lines) + "\n}\n}\n"
    (here / "networks.json").write_text(text)
    lines = [
        f' "{name}": {{\n'
        + ",\n".join(f'  "{key}": {json.dumps(values)}' for key, values in found.items())
        + "\n }"
        for name, found in gradients.items()
    ]
    text = f'{{\n"versions": {json.dumps(versions)},\n"float32": {json.dumps(single)},\n"gradients": {{\n' + ",\n".join(lines) + "\n}\n}\n"
    (here / "gradients.json").write_text(text)


main()
