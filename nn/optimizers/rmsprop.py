"""RMSProp."""

from nn.layers.base import Layer
from nn.optimizers.base import Optimizer


class RMSProp(Optimizer):
    """s = decay s + (1 - decay) g^2; w -= lr g / (sqrt(s) + eps).

    With weight decay, g is the gradient + weight_decay w. `clip_norm` and `clip_value` clip the
    gradients first, in place; see `Optimizer`.

    References
    ----------
    Source: Tieleman & Hinton 2012, with PyTorch's defaults.
    """

    def __init__(
        self,
        network: Layer,
        learning_rate: float = 0.01,
        *,
        decay: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        limits = {"clip_norm": clip_norm, "clip_value": clip_value}
        super().__init__(network, learning_rate, ["square"], **limits)
        self.decay = self._real("decay", decay, "in [0, 1)")
        self.eps = self._real("eps", eps, "above 0")
        self.weight_decay = self._real("weight_decay", weight_decay, "of at least 0")

    def step(self) -> None:
        value, grad = self._value_and_grad()
        square, settings = self.state["square"], (self.decay, self.eps, self.weight_decay)
        self._ops.rmsprop_step_(value, grad, square, self.step_state, *settings)
