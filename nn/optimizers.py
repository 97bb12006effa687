"""Optimizers: each is one pass over a network's flat parameter buffer.

`clock`, the steps taken and the learning rate, lies on the device with the rest of the state. `learning_rate` may be set at
any time. Errors: `ShapeError` for settings out of their range.
"""

from nn.errors import ShapeError


class Optimizer:
    """What the optimizers share. `state` names the arrays that a checkpoint must hold."""

    def __init__(self, network, learning_rate, slots):
        if network.parameters is None:
            raise ShapeError(f"{type(self).__name__}: expected a built network; call .build(seed=...) first")
        self._ops = network.ops
        self._network = network
        self.clock = self._ops.zeros((2,), "float64")
        self.learning_rate = learning_rate
        self.state = {"clock": self.clock}
        for slot in slots:
            self.state[slot] = self._ops.zeros(self._value.shape, network.dtype)

    @property
    def _value(self):
        return self._network.parameters.value.flat

    @property
    def _grad(self):
        return self._network.parameters.grad.flat

    @property
    def learning_rate(self):
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate):
        self._require("learning_rate", rate, rate > 0, "above 0")
        self._learning_rate = rate
        self._ops.fill_(self.clock[1:], rate)

    def _require(self, name, value, holds, what):
        if not holds:
            raise ShapeError(f"{type(self).__name__}: expected {name} {what}, got {value}")


class SGD(Optimizer):
    """v = momentum v + g; w -= lr v, or, by Nesterov, w -= lr (g + momentum v). Source: Sutskever et al. 2013, as in PyTorch."""

    def __init__(self, network, learning_rate=0.01, *, momentum=0.0, nesterov=False):
        super().__init__(network, learning_rate, ["velocity"])
        self._require("momentum", momentum, 0 <= momentum < 1, "in [0, 1)")
        self.momentum, self.nesterov = momentum, nesterov

    def step(self):
        self._ops.sgd_step_(self._value, self._grad, self.state["velocity"], self.clock, self.momentum, self.nesterov)


class RMSProp(Optimizer):
    """s = decay s + (1 - decay) g^2; w -= lr g / (sqrt(s) + eps). Source: Tieleman & Hinton 2012, with PyTorch's defaults."""

    def __init__(self, network, learning_rate=0.01, *, decay=0.99, eps=1e-8):
        super().__init__(network, learning_rate, ["square"])
        self._require("decay", decay, 0 <= decay < 1, "in [0, 1)")
        self._require("eps", eps, eps > 0, "above 0")
        self.decay, self.eps = decay, eps

    def step(self):
        self._ops.rmsprop_step_(self._value, self._grad, self.state["square"], self.clock, self.decay, self.eps)


class Adam(Optimizer):
    """m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; at step t,
    w -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps).

    weight_decay is AdamW's: w *= 1 - lr weight_decay first, apart from the gradient.
    Source: Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019.
    """

    def __init__(self, network, learning_rate=0.001, *, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
        super().__init__(network, learning_rate, ["m", "v"])
        self._require("beta1", beta1, 0 <= beta1 < 1, "in [0, 1)")
        self._require("beta2", beta2, 0 <= beta2 < 1, "in [0, 1)")
        self._require("eps", eps, eps > 0, "above 0")
        self._require("weight_decay", weight_decay, weight_decay >= 0, "of at least 0")
        self.beta1, self.beta2, self.eps, self.weight_decay = beta1, beta2, eps, weight_decay

    def step(self):
        m, v = self.state["m"], self.state["v"]
        self._ops.adam_step_(
            self._value, self._grad, m, v, self.clock, self.beta1, self.beta2, self.eps, self.weight_decay
        )
