"""The exponential moving average of a generator."""

from __future__ import annotations

import copy

from gan.uncopyable import Uncopyable
from nn import Sequential

WARMUP = 10  # early, the weight is 10 / (10 + steps): about the last tenth of the steps count


class GeneratorEMA(Uncopyable):
    """A generator whose weights and running statistics follow those of the generator that trains.

    ema += weight (G - ema), weight = max(1 - decay, 10 / (10 + steps)).

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

        The weight is computed on the host, without a read from the device.
        """
        weight = max(1 - self.decay, WARMUP / (WARMUP + step_number))
        ema, parameters, ops = self.network.parameters, self._generator.parameters, self.network.ops
        ops.moving_average_(ema.value.flat, parameters.value.flat, weight)
        ops.moving_average_(ema.statistics.flat, parameters.statistics.flat, weight)
