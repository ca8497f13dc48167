"""Records PyTorch's losses and gradients for the tests of src/loss/.

Run: python losses.py > losses.json
Needs torch, torchvision, segmentation-models-pytorch, numpy, pillow and pydensecrf2; any version whose losses keep their
documented meaning. Where a library has the formula, the formula written out here is checked against it; `agrees` says which.
"""
import json
from importlib.metadata import version

import numpy as np
import pydensecrf.densecrf as dcrf
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from PIL import Image
from pydensecrf.utils import unary_from_softmax
from torchvision.ops import sigmoid_focal_loss

torch.manual_seed(7)


def flat(t):
    return [float(x) for x in t.detach().flatten()]


def case(loss, x):
    (gradient,) = torch.autograd.grad(loss, x)
    return {"loss": float(loss.detach()), "gradient": flat(gradient)}


def agrees(ours, library):
    assert torch.allclose(ours, library, rtol=1e-6, atol=1e-7), (ours, library)
    return ours


PACKAGES = ("torch", "torchvision", "segmentation_models_pytorch", "numpy", "pillow", "pydensecrf2")
out = {"versions": {name: version(name) for name in PACKAGES}}

# Image-level: sum over classes, mean over batch.
z = (torch.randn(3, 4) * 4).requires_grad_()
with torch.no_grad():
    z[0, 0] = 0.0
    z[1, 1] = 60.0
    z[2, 2] = -60.0
t = (torch.rand(3, 4) > 0.5).float()
out["labels"] = {"shape": [3, 4], "logits": flat(z), "targets": flat(t)}
out["labels"]["bce"] = case(F.binary_cross_entropy_with_logits(z, t, reduction="none").sum(1).mean(), z)
out["labels"]["soft_margin"] = case(F.multilabel_soft_margin_loss(z, t), z)

# Pixels of two findings, one weight each, some void.
z = (torch.randn(2, 2, 3, 4) * 3).requires_grad_()
t = (torch.rand(2, 2, 3, 4) > 0.6).float()
void = torch.rand(2, 2, 3, 4) > 0.8
weight = torch.tensor([2.5, 7.0])
each = F.binary_cross_entropy_with_logits(z, t, pos_weight=weight.view(1, 2, 1, 1), reduction="none")
stored = torch.where(void, torch.tensor(255.0), t)
out["pixels"] = {"shape": [2, 2, 3, 4], "logits": flat(z), "targets": flat(stored), "pos_weight": flat(weight)}
out["pixels"]["weighted"] = case(each[~void].mean(), z)
each = F.binary_cross_entropy_with_logits(z, t, reduction="none")
out["pixels"]["plain"] = case(each[~void].mean(), z)

# Index maps of five classes, 255 void.
z = (torch.randn(2, 5, 3, 4) * 3).requires_grad_()
labels = torch.randint(0, 5, (2, 3, 4))
labels[torch.rand(2, 3, 4) > 0.7] = 255
out["index"] = {"shape": [2, 5, 3, 4], "logits": flat(z), "labels": [int(x) for x in labels.flatten()]}
out["index"]["cross_entropy"] = case(F.cross_entropy(z, labels, ignore_index=255), z)

# ---- From here on in float64, on the numbers above and on new ones.


def double(values, *shape):
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def leaf(entry):
    return double(entry["logits"], *entry["shape"]).requires_grad_()


# Image-level: positive weights, soft targets, integral attention.
entry = out["labels"]
soft = (torch.rand(3, 4) * double(entry["targets"], 3, 4).float()).double()
weight = torch.tensor([0.5, 2.0, 3.0, 7.5], dtype=torch.float64)
entry.update(soft_targets=flat(soft), pos_weight=flat(weight))
z, t = leaf(entry), double(entry["targets"], 3, 4)
each = F.binary_cross_entropy_with_logits(z, t, pos_weight=weight, reduction="none")
entry["weighted_sum"] = case(each.sum(1).mean(), z)
z = leaf(entry)
entry["weighted_mean"] = case(F.binary_cross_entropy_with_logits(z, soft, pos_weight=weight), z)
z = leaf(entry)
present, absent = soft > 0, soft == 0
attention = (-soft * torch.log(torch.sigmoid(z) + 1e-8))[present].mean() + F.softplus(z)[absent].mean()
entry["integral_attention"] = case(attention, z)


def kernel(sigma):
    """3 x 3 Gaussian whose centre weighs as much as its neighbours together, normalised."""
    d = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    g = torch.exp(-(d[:, None] ** 2 + d[None, :] ** 2) / (2 * sigma**2))
    g[1, 1] = g.sum() - g[1, 1]
    return g / g.sum()


def smoothed(share, counted, sigma):
    """Shares of the counted pixels around each pixel; `share` is 0 where void."""
    b, k, h, w = share.shape

    def mean(x):
        x = F.pad(x.reshape(-1, 1, h, w), (1, 1, 1, 1), mode="replicate")
        return F.conv2d(x, kernel(sigma)[None, None]).reshape(b, -1, h, w)

    return torch.where(counted > 0, mean(share) / mean(counted).clamp_min(1e-9), torch.zeros(()))


def soft_iou(p, t, counted):
    """One number a pair of image and class; there is none without a counted pixel here."""
    p = p * counted
    i = (p * t).sum((2, 3))
    u = (p**2 + t**2).sum((2, 3)) - i
    return 1 - ((i + 1e-6) / (u + 1e-6)).mean()


def dice(p, t, counted):
    p = p * counted
    return 1 - ((2 * (p * t).sum((0, 2, 3)) + 1) / ((p + t).sum((0, 2, 3)) + 1)).mean()


# Planes of two findings.
entry = out["pixels"]
stored = double(entry["targets"], 2, 2, 3, 4)
counted = (stored != 255).double()
t = stored * counted
weight = double(entry["pos_weight"], 1, 2, 1, 1)
z = leaf(entry)
each = F.binary_cross_entropy_with_logits(z, t, pos_weight=weight, reduction="none") * counted
entry["weighted_sum"] = case((each.sum((0, 2, 3)) / counted.sum((0, 2, 3))).sum(), z)
z = leaf(entry)
entry["soft_iou"] = case(soft_iou(torch.sigmoid(z), t, counted), z)
z = leaf(entry)
# The library's smoothing constant is on both halves of the fraction before they are doubled.
library = smp.losses.DiceLoss("multilabel", smooth=0.5, ignore_index=255)(z, stored)
entry["dice"] = case(agrees(dice(torch.sigmoid(z), t, counted), library), z)
for name, gamma, alpha in [("focal", 2.0, 0.25), ("focal_half", 0.5, 0.6)]:
    z = leaf(entry)
    each = sigmoid_focal_loss(z, t, alpha=alpha, gamma=gamma, reduction="none")
    library = smp.losses.FocalLoss("binary", alpha=alpha, gamma=gamma, ignore_index=255)(z, stored)
    entry[name] = case(agrees(each[counted > 0].mean(), library), z)
share = smoothed(t, counted, 1.0)
entry["smoothed_shares"] = flat(share)
for name, w in [("smoothed", weight), ("smoothed_plain", None)]:
    z = leaf(entry)
    each = F.binary_cross_entropy_with_logits(z, share, pos_weight=w, reduction="none")
    entry[name] = case(each[counted > 0].mean(), z)
z = leaf(entry)
both = torch.stack([1 - share, share], 1)
log_p = torch.stack([F.logsigmoid(-z), F.logsigmoid(z)], 1)
each = F.kl_div(log_p, both, reduction="none").sum(1)
entry["kl_divergence"] = case(each[counted > 0].mean(), z)

# Index maps of five classes.
entry = out["index"]
labels = torch.tensor(entry["labels"]).reshape(2, 3, 4)
seen = labels != 255
counted = seen.double()[:, None]
onehot = (F.one_hot(labels * seen, 5).permute(0, 3, 1, 2) * counted).double()
weight = torch.tensor([0.5, 1.0, 2.0, 3.0, 4.5], dtype=torch.float64)
entry["pos_weight"] = flat(weight)
z = leaf(entry)
each = F.binary_cross_entropy_with_logits(z, onehot, pos_weight=weight.view(1, 5, 1, 1), reduction="none")
entry["bce"] = case(each.permute(0, 2, 3, 1)[seen].mean(), z)
z = leaf(entry)
entry["soft_iou"] = case(soft_iou(torch.softmax(z, 1), onehot, counted), z)
z = leaf(entry)
# The library leaves classes without a pixel out; all five occur.
library = smp.losses.DiceLoss("multiclass", smooth=0.5, ignore_index=255)(z, labels)
entry["dice"] = case(agrees(dice(torch.softmax(z, 1), onehot, counted), library), z)
for name, gamma, alpha in [("focal", 2.0, 0.25), ("focal_half", 0.5, 0.6)]:
    # The libraries have focal losses of sigmoids alone.
    z = leaf(entry)
    log_p = torch.log_softmax(z, 1)
    label = (log_p * onehot).sum(1)
    a = torch.where(labels == 0, 1 - alpha, alpha)
    missed = (log_p.exp() * (1 - onehot)).sum(1)
    each = -a * missed**gamma * label
    entry[name] = case(each[seen].mean(), z)
share = smoothed(onehot, counted, 1.0)
entry["smoothed_shares"] = flat(share)
entry["smoother_shares"] = flat(smoothed(onehot, counted, 2.0))
z = leaf(entry)
log_p = torch.log_softmax(z, 1)
entry["smoothed"] = case(-(share * log_p).sum(1)[seen].mean(), z)
z = leaf(entry)
each = F.kl_div(torch.log_softmax(z, 1), share, reduction="none").sum(1)
entry["kl_divergence"] = case(each[seen].mean(), z)


# Dense CRF: two images of 16 x 16 with a disc and a stripe, logits that know them roughly.
SCALE, ITERATIONS, GAUSSIAN, BILATERAL = 2, 4, [3.0, 3.0], [8.0, 20.0, 5.0]
y, x = np.mgrid[:16, :16]
images = []
for shift in (0, 3):
    disc = (y - 7 + shift) ** 2 + (x - 6) ** 2 < 25
    stripe = x > 12 - shift
    grain = (x * 7919 + y * 104729) % 13
    planes = [40 + 2 * x + 120 * disc + grain, 50 + 3 * y + 90 * disc + grain, 60 + x + 80 * stripe + grain]
    images.append(np.stack(planes, 2).astype(np.uint8))


def rough(shift, radius):
    return (y - 6 + shift) ** 2 + (x - 7) ** 2 < radius, x > 11 - shift


def marginals(p, image):
    """`p` is [K, h, w] on the coarse grid."""
    k, h, w = p.shape
    small = np.array(Image.fromarray(image).resize((w, h), Image.BICUBIC))
    crf = dcrf.DenseCRF2D(w, h, k)
    crf.setUnaryEnergy(np.ascontiguousarray(unary_from_softmax(p.astype(np.float32))))
    crf.addPairwiseGaussian(sxy=GAUSSIAN[0] / SCALE, compat=GAUSSIAN[1])
    crf.addPairwiseBilateral(
        sxy=BILATERAL[0] / SCALE, srgb=BILATERAL[1], rgbim=small, compat=BILATERAL[2]
    )
    return np.array(crf.inference(ITERATIONS), np.float64).reshape(k, h, w)


def constrained(z, distributions):
    """`distributions` are [2, decisions, K, H, W]."""
    b, decisions, k, h, w = distributions.shape
    p = F.avg_pool2d(distributions.reshape(-1, k, h, w), SCALE)
    q = np.stack([marginals(p[n].detach().numpy(), images[n // decisions]) for n in range(b * decisions)])
    q = torch.tensor(q)
    divergence = F.kl_div(p.log(), q, reduction="none").sum(1).mean()
    return {"logits": flat(z), "marginals": flat(q), **case(divergence, z)}


noise = torch.randn(2, 3, 16, 16)
means = np.stack([[1.5 * ~(d | s), 2.0 * d, 2.0 * s] for d, s in (rough(0, 16), rough(3, 30))])
z = (noise + torch.tensor(means).float()).double().requires_grad_()
exclusive = constrained(z, torch.softmax(z, 1)[:, None])
means = np.stack([[3.0 * d - 1.5, 3.0 * s - 1.5] for d, s in (rough(0, 16), rough(3, 30))])
z = (noise[:, :2] + torch.tensor(means).float()).double().requires_grad_()
findings = constrained(z, torch.stack([torch.sigmoid(-z), torch.sigmoid(z)], 2))
out["crf"] = {
    "scale_factor": SCALE,
    "iterations": ITERATIONS,
    "gaussian": GAUSSIAN,
    "bilateral": BILATERAL,
    "images": [image.transpose(2, 0, 1).ravel().tolist() for image in images],
    "exclusive": exclusive,
    "findings": findings,
}

print(json.dumps(out, allow_nan=False))
