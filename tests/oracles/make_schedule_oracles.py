"""Make schedules.npz: PyTorch's learning rates in each step, as factors of the first.

Run ``python tests/oracles/make_schedule_oracles.py``, which needs PyTorch.
"""

from pathlib import Path

import numpy as np
import torch
from torch.optim import lr_scheduler

STEPS = 40
WARMUP = 8


def linear(optimizer):
    return lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.1, total_iters=25)


def cosine(optimizer, steps=STEPS):
    return lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps, eta_min=0.05)


def step(optimizer):
    return lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.3)


def warmup(optimizer):
    rising = lr_scheduler.LinearLR(optimizer, 1 / WARMUP, 1.0, total_iters=WARMUP - 1)
    return lr_scheduler.SequentialLR(
        optimizer, [rising, cosine(optimizer, STEPS - WARMUP)], milestones=[WARMUP]
    )


def inverse_sqrt(optimizer):
    return lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (9 / (step + 1)) ** 0.5))


def rates(make):
    """The learning rates of STEPS steps, from 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler, out = make(optimizer), []
    for _ in range(STEPS):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(out)


if __name__ == "__main__":
    arrays = {make.__name__: rates(make) for make in (linear, cosine, step, warmup, inverse_sqrt)}
    np.savez_compressed(Path(__file__).with_name("schedules.npz"), **arrays)
