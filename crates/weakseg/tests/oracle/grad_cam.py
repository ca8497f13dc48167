"""Records the package pytorch-grad-cam (PyPI: grad-cam) on a small network for the tests of src/cam.

Run: python grad_cam.py > grad_cam.json   (needs torch and grad-cam 1.5.7)

The target layer's output is the input itself (an identity layer), then: 3x3 convolution without bias, ReLU, global
average pooling, linear. Maps are as the package scales them: cut at 0, then (v - min) / (1e-7 + max) per image, twice.
"""
import importlib.metadata
import json

import numpy as np
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, LayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

torch.manual_seed(11)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Identity()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.linear = torch.nn.Linear(4, 2)

    def forward(self, x):
        x = self.layer(x * 1.0)
        return self.linear(torch.relu(self.conv(x)).mean((2, 3)))


net = Net().eval()
x = torch.rand(2, 3, 5, 6) * 2
x[:, :, 2] = 0
x.requires_grad_()
out = {
    "versions": {"torch": torch.__version__, "grad-cam": importlib.metadata.version("grad-cam")},
    "activation": [float(v) for v in x.detach().flatten()],
    "kernel": [float(v) for v in net.conv.weight.detach().flatten()],
    "linear": [float(v) for v in net.linear.weight.detach().flatten()],
    "bias": [float(v) for v in net.linear.bias.detach().flatten()],
}
for name, method in [("gradcam", GradCAM), ("gradcam++", GradCAMPlusPlus), ("layercam", LayerCAM)]:
    with method(model=net, target_layers=[net.layer]) as cam:
        out[name] = []
        for c in range(2):
            maps = cam(input_tensor=x, targets=[ClassifierOutputTarget(c)] * 2)
            assert maps.shape == (2, 5, 6) and np.isfinite(maps).all()
            out[name].append([float(v) for v in maps.flatten()])
print(json.dumps(out))
