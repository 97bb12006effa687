"""The exponential moving average of a generator."""

from __future__ import annotations

import copy

from gan.uncopyable import Uncopyable
from nn import Sequential

MAX_WARMUP = 10  # the average reaches over the last tenth of the first steps, at most


class GeneratorEMA(Uncopyable):
    """A generator whose weights and running statistics follow those of the one that trains.

    ema += weight (G - ema), with weight = 1 - decay, and larger in the first steps.

    Parameters
    ----------
    generator : built; the average starts as its copy
    decay : per step, in (0, 1)

    Attributes
    ----------
    network : the averaged generator
    """

    def __init__(self, generator: Sequential, decay: float) -> None:
        self.network, self.decay = copy.deepcopy(generator), decay
        self._generator = generator

    def update(self, step_number: int) -> None:
        """Follow the generator after a step, counted from 0.

        The host knows the step's number without reading the device, so the weight is a constant.
        """
        weight = max(1 - self.decay, MAX_WARMUP / (MAX_WARMUP + step_number))
        ema, parameters, ops = self.network.parameters, self._generator.parameters, self.network.ops
        ops.moving_average_(ema.value.flat, parameters.value.flat, weight)
        ops.moving_average_(ema.statistics.flat, parameters.statistics.flat, weight)
