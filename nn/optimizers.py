"""Optimizers: each step is one pass over a network's flat parameter buffer.

The step count and the learning rate are on the device, with the rest of the state, so that a step
never waits for the host. A copy of an optimizer steps a copy of the network; copy both together:
``copy.deepcopy((net, optimizer))``.
"""

from typing import Any

from nn.errors import ShapeError
from nn.layers.base import Layer
from nn.ops.base import Array
from nn.settings import boolean, real


class Optimizer:
    """What all optimizers share.

    Parameters
    ----------
    network : Layer
        What is stepped: a built network, a layer of it, or a slice of it.
    learning_rate : float above 0
    slots : list of str
        Names of the state arrays that are as large as the parameters.

    Attributes
    ----------
    state : dict of str to Array
        The arrays that a checkpoint must hold.

    Raises
    ------
    ShapeError
        For a setting out of its range; in `step`, if the network was built again for another device
        or dtype.
    """

    def __init__(self, network: Layer, learning_rate: float, slots: list[str]) -> None:
        if network.parameters is None:
            raise ShapeError(
                f"{type(self).__name__}: expected a built network; call .build(seed=...) first"
            )
        self.network, self._ops = network, network.ops
        self._parameters = network.parameters
        self._modules = [module for _, module in network.modules()]
        # "clock" is the name that checkpoints store
        self.state: dict[str, Array] = {"clock": self._ops.zeros((2,), "float64")}
        for slot in slots:
            self.state[slot] = self._ops.zeros(self._parameters.value.flat.shape, network.dtype)
        self.learning_rate = learning_rate

    def step(self) -> None:
        """Update the parameters, in place, from their gradients."""
        raise TypeError(f"{type(self).__name__} does not define step()")

    @property
    def step_state(self) -> Array:
        """(step count, learning rate) on the device: float64, shape (2,)."""
        return self.state["clock"]

    @property
    def step_count(self) -> int:
        """The number of steps taken; reading it waits for the device."""
        return int(self._ops.to_host(self.step_state)[0])

    @property
    def learning_rate(self) -> float:
        """The learning rate; may be set at any time."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._learning_rate = self._real("learning_rate", rate, "above 0")
        self._ops.fill_(self.step_state[1:], self._learning_rate)

    def _value_and_grad(self) -> tuple[Array, Array]:
        """The parameters to step, and their gradients."""
        whole = self._parameters.whole
        if not all(module.parameters.whole is whole for module in self._modules):
            raise ShapeError(
                f"{type(self).__name__}: expected the network it was made for, which has since "
                "been built again for another device or dtype; make a new optimizer"
            )
        return self._parameters.value.flat, self._parameters.grad.flat

    def _real(self, name: str, value: Any, what: str) -> float:
        """A setting as a float in one of these ranges."""
        return real(type(self).__name__, name, value, what, RANGES[what])

    def __getstate__(self) -> dict[str, Any]:
        state = {name: self._ops.to_host(array) for name, array in self.state.items()}
        return vars(self) | {"state": state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.state = {name: self._ops.asarray(array) for name, array in self.state.items()}


RANGES = {
    "above 0": lambda number: number > 0,
    "of at least 0": lambda number: number >= 0,
    "in [0, 1)": lambda number: 0 <= number < 1,
}


class SGD(Optimizer):
    """v = momentum v + g; w -= lr v, or, with Nesterov, w -= lr (g + momentum v).

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
    ) -> None:
        super().__init__(network, learning_rate, ["velocity"])
        self.momentum = self._real("momentum", momentum, "in [0, 1)")
        self.nesterov = boolean("SGD", "nesterov", nesterov)

    def step(self) -> None:
        value, grad = self._value_and_grad()
        velocity, momentum = self.state["velocity"], self.momentum
        self._ops.sgd_step_(value, grad, velocity, self.step_state, momentum, self.nesterov)


class RMSProp(Optimizer):
    """s = decay s + (1 - decay) g^2; w -= lr g / (sqrt(s) + eps).

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
    ) -> None:
        super().__init__(network, learning_rate, ["square"])
        self.decay = self._real("decay", decay, "in [0, 1)")
        self.eps = self._real("eps", eps, "above 0")

    def step(self) -> None:
        value, grad = self._value_and_grad()
        square = self.state["square"]
        self._ops.rmsprop_step_(value, grad, square, self.step_state, self.decay, self.eps)


class Adam(Optimizer):
    """Adam, with AdamW's decoupled weight decay.

    m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; at step t,
    w -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps), after w *= 1 - lr weight_decay.

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
    ) -> None:
        super().__init__(network, learning_rate, ["m", "v"])
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
