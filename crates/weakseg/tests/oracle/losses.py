"""Records PyTorch's losses and gradients for the tests of src/loss.rs.

Run: python losses.py > losses.json   (needs torch; any version whose losses keep their documented meaning)
"""
import json

import torch
import torch.nn.functional as F

torch.manual_seed(7)


def flat(t):
    return [float(x) for x in t.detach().flatten()]


def case(loss, x):
    (gradient,) = torch.autograd.grad(loss, x)
    return {"loss": float(loss.detach()), "gradient": flat(gradient)}


out = {"torch": torch.__version__}

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

print(json.dumps(out))
