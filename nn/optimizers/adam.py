"""Adam and AdamW."""

from typing import Any

from nn.layers.base import Layer
from nn.optimizers.base import Optimizer


class Adam(Optimizer):
    """Adam, with AdamW's decoupled weight decay.

    m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; at step t,
    w -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps), after w *= 1 - lr weight_decay.

    `clip_norm` and `clip_value` clip the gradients first, in place; see `Optimizer`.

    References
    ----------
    Source: Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019.
    """

    def __init__(
        self,
        network: Layer,
        learning_rate: float = 0.001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        limits = {"clip_norm": clip_norm, "clip_value": clip_value}
        super().__init__(network, learning_rate, ["m", "v"], **limits)
        self.beta1 = self._real("beta1", beta1, "in [0, 1)")
        self.beta2 = self._real("beta2", beta2, "in [0, 1)")
        self.eps = self._real("eps", eps, "above 0")
        self.weight_decay = self._real("weight_decay", weight_decay, "of at least 0")

    def step(self) -> None:
        value, grad = self._value_and_grad()
        m, v = self.state["m"], self.state["v"]
        betas = self.beta1, self.beta2
        self._ops.adam_step_(
            value, grad, m, v, self.step_state, *betas, self.eps, self.weight_decay
        )


class AdamW(Adam):
    """`Adam` with a weight decay of 0.01 by default, as in PyTorch.

    References
    ----------
    Source: Loshchilov & Hutter 2019, algorithm 2.
    """

    def __init__(
        self,
        network: Layer,
        learning_rate: float = 0.001,
        *,
        weight_decay: float = 0.01,
        **settings: Any,
    ) -> None:
        super().__init__(network, learning_rate, weight_decay=weight_decay, **settings)
