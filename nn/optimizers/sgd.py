"""Stochastic gradient descent."""

from nn.layers.base import Layer
from nn.optimizers.base import Optimizer
from nn.settings import boolean


class SGD(Optimizer):
    """v = momentum v + g; w -= lr v, or, with Nesterov, w -= lr (g + momentum v).

    With weight decay, g is the gradient + weight_decay w. `clip_norm` and `clip_value` clip the
    gradients first, in place; see `Optimizer`.

    References
    ----------
    Source: Sutskever et al. 2013, as in PyTorch.
    """

    def __init__(
        self,
        network: Layer,
        learning_rate: float = 0.01,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        limits = {"clip_norm": clip_norm, "clip_value": clip_value}
        super().__init__(network, learning_rate, ["velocity"], **limits)
        self.momentum = self._real("momentum", momentum, "in [0, 1)")
        self.nesterov = boolean("SGD", "nesterov", nesterov)
        self.weight_decay = self._real("weight_decay", weight_decay, "of at least 0")

    def step(self) -> None:
        value, grad = self._value_and_grad()
        velocity, settings = self.state["velocity"], (self.momentum, self.nesterov)
        self._ops.sgd_step_(value, grad, velocity, self.step_state, *settings, self.weight_decay)
