"""Records PyTorch's learning-rate schedulers for the tests of src/optim.

Run: python schedules.py > schedules.json   (needs torch)

Each list holds the learning rate, base 0.1, under which step t = 0..99 runs.
"""
import json
import math
import warnings

import torch
from torch.optim import lr_scheduler as S

BASE = 0.1
STEPS = 100


def optimizer():
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)


def trace(make, figures=None):
    o = optimizer()
    scheduler = make(o)
    rates = []
    for t in range(STEPS):
        rates.append(o.param_groups[0]["lr"])
        o.step()
        scheduler.step() if figures is None else scheduler.step(figures[t])
    return rates


def warmed(main, steps):
    """Linear from base/steps; the schedule begins once the base rate has been reached."""
    return lambda o: S.SequentialLR(
        o, [S.LinearLR(o, start_factor=1 / steps, total_iters=steps - 1), main(o)], milestones=[steps]
    )


def chained(main, steps):
    return lambda o: S.ChainedScheduler([S.LinearLR(o, start_factor=1 / steps, total_iters=steps - 1), main(o)])


# A loss that falls, stalls, rises, falls a little, and is once not a number.
FIGURES = [1.0 / (1 + 0.2 * min(t, 30)) + 0.02 * math.sin(1.7 * t) - (0.001 * (t - 60) if t > 60 else 0) for t in range(STEPS)]
FIGURES[40] = None
LOSSES = [math.nan if f is None else f for f in FIGURES]
RISING = [-f for f in LOSSES]

# The reference's poly, per finished epoch with a floor (reference section 1.5); PolynomialLR has no floor.
FLOOR = 0.01

warnings.simplefilter("ignore")
out = {
    "torch": torch.__version__,
    "base": BASE,
    "figures": FIGURES,
    "step": trace(lambda o: S.StepLR(o, step_size=10, gamma=0.5)),
    "poly": trace(lambda o: S.PolynomialLR(o, total_iters=STEPS, power=0.9)),
    "poly_floor": trace(
        lambda o: S.LambdaLR(o, lambda e: max(BASE * (1 - e / STEPS) ** 2.0, FLOOR) / BASE)
    ),
    "cosine": trace(lambda o: S.CosineAnnealingLR(o, T_max=STEPS, eta_min=0.002)),
    "restarts": trace(lambda o: S.CosineAnnealingWarmRestarts(o, T_0=30, T_mult=1)),
    "restarts_longer": trace(lambda o: S.CosineAnnealingWarmRestarts(o, T_0=10, T_mult=2, eta_min=0.002)),
    "plateau_min": trace(
        lambda o: S.ReduceLROnPlateau(o, mode="min", factor=0.5, patience=3, threshold=0.01, cooldown=2, min_lr=0.001, eps=0),
        LOSSES,
    ),
    "plateau_max": trace(
        lambda o: S.ReduceLROnPlateau(o, mode="max", factor=0.3, patience=2, threshold=1e-4, cooldown=0, min_lr=1e-7, eps=0),
        RISING,
    ),
    "warm_poly": trace(warmed(lambda o: S.PolynomialLR(o, total_iters=STEPS - 20, power=0.9), 20)),
    "warm_cosine": trace(warmed(lambda o: S.CosineAnnealingLR(o, T_max=STEPS - 20), 20)),
    "warm_restarts": trace(warmed(lambda o: S.CosineAnnealingWarmRestarts(o, T_0=16, T_mult=2), 20)),
    "warm_constant": trace(lambda o: S.LinearLR(o, start_factor=1 / 20, total_iters=19)),
    "chained_poly": trace(chained(lambda o: S.PolynomialLR(o, total_iters=STEPS, power=0.9), 20)),
    "chained_step": trace(chained(lambda o: S.StepLR(o, step_size=10, gamma=0.5), 20)),
}
print(json.dumps(out))
