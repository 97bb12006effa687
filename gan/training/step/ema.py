"""The exponential moving average of a generator."""

from __future__ import annotations

import copy

from gan.training.checks import has_batchnorm
from gan.uncopyable import Uncopyable
from nn import Sequential
from nn.layers.batchnorm import settle_batchnorm, synchronize_batchnorm
from nn.ops.base import Array
from nn.processes.single import SINGLE

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
    network : the averaged generator; see `settled`
    is_settled : whether its running statistics fit its weights; set to False when these change
    """

    def __init__(self, generator: Sequential, decay: float) -> None:
        self.network, self.decay = copy.deepcopy(generator), decay
        synchronize_batchnorm(self.network, SINGLE)  # a rank may sample alone
        self._generator = generator
        self.is_settled = True

    def update(self, step_number: int) -> None:
        """Follow the generator after a step, counted from 0.

        The weight is computed on the host, without a read from the device.
        """
        weight = max(1 - self.decay, WARMUP / (WARMUP + step_number))
        ema, parameters, ops = self.network.parameters, self._generator.parameters, self.network.ops
        ops.moving_average_(ema.value.flat, parameters.value.flat, weight)
        ops.moving_average_(ema.statistics.flat, parameters.statistics.flat, weight)
        self.is_settled = False

    def settled(self, inputs: Array) -> Sequential:
        """The network, whose batch norm has the running statistics that its own weights produce.

        They are taken from one pass over `inputs`, once after each change of the weights. Weights
        move between steps, so the average of their statistics fits the average of them roughly
        only: with it, the default recipe's FID on MNIST is a tenth higher.
        """
        if not self.is_settled and has_batchnorm(self.network):
            settle_batchnorm(self.network, inputs)
        self.is_settled = True
        return self.network
