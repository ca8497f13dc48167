"""Records what PyTorch's networks give, for tests/it/parity.rs.

    pip install numpy torch==2.11.0 torchvision==0.26.0 segmentation-models-pytorch==0.6.0
    python networks.py > networks.json

The weights are not random numbers but a hash of each parameter's key and position, computed alike
here and in the test, so nothing large needs recording, and a wrong name gives a wrong output.
Outputs are recorded as mean, mean of squares, and 24 values spread over the tensor.
"""

import json

import numpy as np
import segmentation_models_pytorch as smp
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


def fill(module, rename=lambda key: key):
    state = module.state_dict()
    for key, old in state.items():
        if not key.endswith("num_batches_tracked"):
            state[key] = value(rename(key), tuple(old.shape))
    module.load_state_dict(state)
    return module


def picture(name, shape):
    return torch.from_numpy(hashed(name, int(np.prod(shape))).astype(np.float32)).reshape(shape)


def summary(x):
    x = x.detach().double().contiguous()
    flat = x.flatten()
    at = [(i * 7919) % flat.numel() for i in range(24)]
    return {
        "shape": list(x.shape),
        "mean": flat.mean().item(),
        "mean_square": (flat**2).mean().item(),
        "values": [flat[i].item() for i in at],
    }


class Classifier(nn.Module):
    """A torchvision trunk, three extra convolutions, GAP, linear."""

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
        return x, self.extra_linear(x.mean((2, 3)))


class Resnet(nn.Module):
    def __init__(self, dilate):
        super().__init__()
        net = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=dilate)
        for name in ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"]:
            setattr(self, name, getattr(net, name))

    def stages(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        stages = [x]
        x = self.maxpool(x)
        for layer in [self.layer1, self.layer2, self.layer3, self.layer4]:
            x = layer(x)
            stages.append(x)
        return stages

    def forward(self, x):
        return self.stages(x)[-1]


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

    def forward(self, x):
        return self.features(x)


def without_trunk(key):
    return key.removeprefix("trunk.")


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

    def __init__(self):
        super().__init__()
        for i, inputs in enumerate([64, 256, 512, 1024, 2048], 1):
            setattr(self, f"fc_edge{i}", tap(inputs, 32, 4))
        self.fc_edge6 = nn.Conv2d(160, 1, 1)

    def forward(self, levels):
        height, width = levels[1].shape[2:]
        seen = [
            up(getattr(self, f"fc_edge{i + 1}")(x), factor)[..., :height, :width]
            for i, (x, factor) in enumerate(zip(levels, [1, 1, 2, 4, 4]))
        ]
        return self.fc_edge6(torch.cat(seen, 1))


class DisplacementHead(nn.Module):
    """Written from the description of IRNet's displacement head."""

    def __init__(self):
        super().__init__()
        for i, (inputs, outputs, groups) in enumerate(
            [(64, 64, 8), (256, 128, 16), (512, 256, 16), (1024, 256, 16), (2048, 256, 16), (768, 256, 16)], 1
        ):
            setattr(self, f"fc_dp{i}", tap(inputs, outputs, groups))
        self.fc_dp7 = nn.Sequential(
            nn.Conv2d(448, 256, 1, bias=False),
            nn.GroupNorm(16, 256),
            nn.ReLU(),
            nn.Conv2d(256, 2, 1, bias=False),
        )

    def forward(self, levels):
        x1, x2, x3, x4, x5 = levels
        (h2, w2), (h3, w3) = x2.shape[2:], x3.shape[2:]
        coarse = [
            up(self.fc_dp3(x3), 1),
            up(self.fc_dp4(x4), 2)[..., :h3, :w3],
            up(self.fc_dp5(x5), 2)[..., :h3, :w3],
        ]
        fused = up(self.fc_dp6(torch.cat(coarse, 1)), 2)[..., :h2, :w2]
        return self.fc_dp7(torch.cat([up(self.fc_dp1(x1), 1), up(self.fc_dp2(x2), 1), fused], 1))


class Irnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = Resnet([False, False, False])
        block = self.trunk.layer4[0]
        block.conv2.stride = (1, 1)
        block.downsample[0].stride = (1, 1)
        self.heads = nn.ModuleDict({"edge": EdgeHead(), "displacement": DisplacementHead()})

    def forward(self, x):
        stages = self.trunk.stages(x)
        levels = [self.trunk.maxpool(stages[0]), *stages[1:]]
        return self.heads["edge"](levels), self.heads["displacement"](levels)


def conv_bn(inputs, outputs, kernel, dilation=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Aspp(nn.Module):
    def __init__(self):
        super().__init__()
        pooling = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_bn(2048, 256, 1))
        self.convs = nn.ModuleList(
            [conv_bn(2048, 256, 1), *(conv_bn(2048, 256, 3, rate) for rate in (12, 24, 36)), pooling]
        )
        self.project = nn.Sequential(*conv_bn(1280, 256, 1), nn.Dropout(0.1))

    def forward(self, x):
        seen = [conv(x) for conv in self.convs]
        seen[-1] = F.interpolate(seen[-1], size=x.shape[2:], mode="bilinear", align_corners=False)
        return self.project(torch.cat(seen, 1))


class DeeplabHead(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.project = conv_bn(256, 48, 1)
        self.aspp = Aspp()
        self.classifier = nn.Sequential(*conv_bn(304, 256, 3), nn.Conv2d(256, classes, 1))

    def forward(self, low, deep):
        low = self.project(low)
        deep = F.interpolate(self.aspp(deep), size=low.shape[2:], mode="bilinear", align_corners=False)
        return self.classifier(torch.cat([low, deep], 1))


class Deeplab(nn.Module):
    """Written from the description of DeepLabv3+ with output stride 8."""

    def __init__(self, classes):
        super().__init__()
        self.backbone = Resnet([False, True, True])
        self.classifier = DeeplabHead(classes)

    def forward(self, x):
        stages = self.backbone.stages(x)
        y = self.classifier(stages[1], stages[4])
        return F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)


class DeeplabV3(nn.Module):
    """torchvision's head; its `deeplabv3_resnet50` is this on its ResNet50."""

    def __init__(self, trunk, channels, classes):
        super().__init__()
        self.backbone = trunk
        self.classifier = torchvision.models.segmentation.deeplabv3.DeepLabHead(channels, classes)

    def forward(self, x):
        y = self.classifier(self.backbone(x))
        return F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)


def main():
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    small, even = picture("image", (1, 3, 33, 47)), picture("image", (1, 3, 32, 64))
    networks = {}

    for name, trunk, channels in [
        ("vgg16", Vgg(False), 512),
        ("vgg16-bn", Vgg(True), 512),
        ("resnet50-os8", Resnet([False, True, True]), 2048),
    ]:
        net = fill(Classifier(trunk, channels, 3), without_trunk).eval()
        maps, logits = net(small)
        networks[name] = {"maps": summary(maps), "logits": summary(logits)}
        if name == "vgg16-bn":
            # One step of batch statistics: outputs and what became of the running variance.
            net.train()
            maps, _ = net(small)
            networks[name]["train_maps"] = summary(maps)
            networks[name]["running_var"] = summary(net.trunk.features[1].running_var)

    edge, displacement = fill(Irnet(), without_trunk).eval()(even)
    networks["irnet-resnet50"] = {"edge": summary(edge), "displacement": summary(displacement)}

    for name, encoder in [("unet-vgg16", "vgg16"), ("unet-resnet50", "resnet50")]:
        net = fill(smp.Unet(encoder, encoder_weights=None, classes=2)).eval()
        networks[name] = {"logits": summary(net(even))}
    for name, trunk, channels in [
        ("deeplabv3-vgg16", Vgg(False), 512),
        ("deeplabv3-resnet50", Resnet([False, True, True]), 2048),
    ]:
        net = fill(DeeplabV3(trunk, channels, 2)).eval()
        networks[name] = {"logits": summary(net(small))}
    networks["deeplabv3plus-resnet50-os8"] = {"logits": summary(fill(Deeplab(2)).eval()(small))}

    versions = {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "segmentation_models_pytorch": smp.__version__,
    }
    print(json.dumps({"versions": versions, "networks": networks}, indent=1))


main()
