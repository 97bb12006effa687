"""Finds a batch size whose step fits the device's memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gan.recipe import Recipe
from gan.training.recording.loss_log import LossLog
from gan.training.step.adversarial_step import AdversarialStep
from gan.training.step.ema import GeneratorEMA
from nn import DeviceMemoryError, Sequential
from nn.layers.batchnorm import synchronize_batchnorm
from nn.processes.single import SINGLE


def batch_that_fits(run_step: Callable[[int], object], batch_size: int, unit: int) -> int | None:
    """The largest of batch_size / 2, / 4, ... whose step fits the memory, or None.

    Parameters
    ----------
    run_step : given n, takes all memory that a step of n images needs, and releases it;
        raises `DeviceMemoryError` if there is too little
    batch_size : the one that does not fit
    unit : batch sizes are multiples of it
    """
    n = batch_size // 2 // unit * unit
    while n:
        try:
            run_step(n)
            return n
        except DeviceMemoryError:
            n = n // 2 // unit * unit
    return None


def memory_error(
    problem: DeviceMemoryError,
    generator: Sequential,
    discriminator: Sequential,
    recipe: Recipe,
    ema: GeneratorEMA | None,
    n_processes: int = 1,
) -> DeviceMemoryError:
    """The error for a step that ran out of memory, naming a batch size that fits.

    It tries smaller steps, which change the networks. Release the memory of the failed step first.
    The batch size of `recipe` is that of one of the processes.
    """
    ops = generator.ops
    for network in (generator, discriminator):
        synchronize_batchnorm(network, SINGLE)  # the other processes do not try smaller steps

    def run_step(n: int) -> None:
        noise = ops.stream(np.random.SeedSequence(0))
        smaller = replace(recipe, batch_size=n)
        step = AdversarialStep(generator, discriminator, smaller, noise, ema)
        for buffer in (step.images, step.conditioning.inputs):
            ops.fill_(buffer, 0)
        step(LossLog(ops, 1, generator.dtype).next_row())

    n = batch_that_fits(run_step, recipe.batch_size, max(recipe.pack, 2))
    remedy = f"a batch of {n * n_processes} fits" if n else "no smaller batch fits either"
    size = recipe.batch_size * n_processes
    return DeviceMemoryError(f"{problem}. The batch size is {size}: {remedy}")
