"""Optimizers: each is one pass over a network's flat parameter buffer.

`clock`, the steps taken and the learning rate, lies on the device with the rest of the state. `learning_rate` may be set at
any time. network: what is stepped, a built network, a layer of it or a slice. A copy steps a copy of it: copy both together,
``copy.deepcopy((net, optimizer))``. Errors: `ShapeError` for settings out of their range, and for a step after the network was
built again for another device or dtype.
"""

from nn.errors import ShapeError
from nn.settings import flag, real


class Optimizer:
    """What the optimizers share. `state` names the arrays that a checkpoint must hold."""

    def __init__(self, network, learning_rate, slots):
        if network.parameters is None:
            raise ShapeError(f"{type(self).__name__}: expected a built network; call .build(seed=...) first")
        self.network, self._ops = network, network.ops
        self._parameters, self._leaves = network.parameters, [leaf for _, leaf in network.leaves()]
        self.state = {"clock": self._ops.zeros((2,), "float64")}
        for slot in slots:
            self.state[slot] = self._ops.zeros(self._parameters.value.flat.shape, network.dtype)
        self.learning_rate = learning_rate

    @property
    def clock(self):
        return self.state["clock"]

    @property
    def learning_rate(self):
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate):
        self._learning_rate = self._setting("learning_rate", rate, "above 0", positive)
        self._ops.fill_(self.clock[1:], self._learning_rate)

    def _vectors(self):
        """(value, grad) of what is stepped."""
        whole = self._parameters.whole
        if not all(leaf.parameters.whole is whole for leaf in self._leaves):
            raise ShapeError(
                f"{type(self).__name__}: expected the network as it was, it has been built again for another device or dtype; "
                "make a new optimizer"
            )
        return self._parameters.value.flat, self._parameters.grad.flat

    def _setting(self, name, value, what, holds):
        return real(type(self).__name__, name, value, what, holds)

    def __getstate__(self):
        return vars(self) | {"state": {name: self._ops.to_host(array) for name, array in self.state.items()}}

    def __setstate__(self, state):
        vars(self).update(state)
        self.state = {name: self._ops.asarray(array) for name, array in self.state.items()}  # aligned, on its device


def below_one(fraction):
    return 0 <= fraction < 1


def positive(number):
    return number > 0


class SGD(Optimizer):
    """v = momentum v + g; w -= lr v, or, by Nesterov, w -= lr (g + momentum v). Source: Sutskever et al. 2013, as in PyTorch."""

    def __init__(self, network, learning_rate=0.01, *, momentum=0.0, nesterov=False):
        super().__init__(network, learning_rate, ["velocity"])
        self.momentum = self._setting("momentum", momentum, "in [0, 1)", below_one)
        self.nesterov = flag("SGD", "nesterov", nesterov)

    def step(self):
        self._ops.sgd_step_(*self._vectors(), self.state["velocity"], self.clock, self.momentum, self.nesterov)


class RMSProp(Optimizer):
    """s = decay s + (1 - decay) g^2; w -= lr g / (sqrt(s) + eps). Source: Tieleman & Hinton 2012, with PyTorch's defaults."""

    def __init__(self, network, learning_rate=0.01, *, decay=0.99, eps=1e-8):
        super().__init__(network, learning_rate, ["square"])
        self.decay = self._setting("decay", decay, "in [0, 1)", below_one)
        self.eps = self._setting("eps", eps, "above 0", positive)

    def step(self):
        self._ops.rmsprop_step_(*self._vectors(), self.state["square"], self.clock, self.decay, self.eps)


class Adam(Optimizer):
    """m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; at step t,
    w -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps).

    weight_decay is AdamW's: w *= 1 - lr weight_decay first, apart from the gradient.
    Source: Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019.
    """

    def __init__(self, network, learning_rate=0.001, *, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
        super().__init__(network, learning_rate, ["m", "v"])
        self.beta1 = self._setting("beta1", beta1, "in [0, 1)", below_one)
        self.beta2 = self._setting("beta2", beta2, "in [0, 1)", below_one)
        self.eps = self._setting("eps", eps, "above 0", positive)
        self.weight_decay = self._setting("weight_decay", weight_decay, "of at least 0", lambda decay: decay >= 0)

    def step(self):
        m, v = self.state["m"], self.state["v"]
        self._ops.adam_step_(*self._vectors(), m, v, self.clock, self.beta1, self.beta2, self.eps, self.weight_decay)
