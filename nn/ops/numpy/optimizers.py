"""Optimizer steps on the CPU."""

import numpy as np

from nn.ops.numpy.arrays import NumpyArrays
from nn.underflow import quiet


class NumpyOptimizers(NumpyArrays):
    """One pass over flat buffers, block by block; clock = (steps taken, learning rate)."""

    @quiet
    def sgd_step_(self, value, grad, velocity, clock, momentum, nesterov):
        """velocity = momentum velocity + grad; value -= lr velocity, or lr (grad + momentum velocity) if Nesterov's."""
        clock[0] += 1
        rate = float(clock[1])
        for value_, grad_, velocity_ in self._blocks(value, grad, velocity):
            step = self._scratch(value_.shape, value_.dtype)
            np.add(np.multiply(velocity_, momentum, out=velocity_), grad_, out=velocity_)
            if nesterov:
                np.multiply(np.add(grad_, np.multiply(velocity_, momentum, out=step), out=step), rate, out=step)
            else:
                np.multiply(velocity_, rate, out=step)
            np.subtract(value_, step, out=value_)

    @quiet
    def rmsprop_step_(self, value, grad, square, clock, decay, eps):
        """square = decay square + (1 - decay) grad^2; value -= lr grad / (sqrt(square) + eps).

        As in Adam, (1 - decay) comes before the square: in float32 that overflows beyond gradients of 2e20, not 2e19.
        """
        clock[0] += 1
        rate = float(clock[1])
        for value_, grad_, square_ in self._blocks(value, grad, square):
            step = np.multiply(grad_, 1 - decay, out=self._scratch(value_.shape, value_.dtype))
            np.multiply(step, grad_, out=step)
            np.add(np.multiply(square_, decay, out=square_), step, out=square_)
            np.add(np.sqrt(square_, out=step), eps, out=step)
            np.multiply(np.divide(grad_, step, out=step), rate, out=step)
            np.subtract(value_, step, out=value_)

    @quiet
    def adam_step_(self, value, grad, m, v, clock, beta1, beta2, eps, weight_decay):
        """One step of Adam, with decoupled weight decay.

        v = beta2 v + (1 - beta2) g g is multiplied from the left, as PyTorch does it: in float32 a gradient of up to 5e20 then
        leaves v finite. A larger one makes v infinite, there as here, and its weight stands still from then on. m is kept
        without its factor, m = beta1 m + g, which saves a pass; m overflows at gradients of 1e37, long after v. The
        factor and the bias corrections 1 / (1 - beta^t) fold into two scalars: value -= rate m / (sqrt(v) + eps_t).
        """
        keep, rate, eps_t = adam_schedule(clock, beta1, beta2, eps, weight_decay)
        for value_, grad_, m_, v_ in self._blocks(value, grad, m, v):
            step = self._scratch(value_.shape, value_.dtype)
            if weight_decay:
                np.multiply(value_, keep, out=value_)
            np.add(np.multiply(m_, beta1, out=m_), grad_, out=m_)
            np.multiply(np.multiply(grad_, 1 - beta2, out=step), grad_, out=step)
            np.add(np.multiply(v_, beta2, out=v_), step, out=v_)
            np.add(np.sqrt(v_, out=step), eps_t, out=step)
            np.multiply(np.divide(m_, step, out=step), rate, out=step)
            np.subtract(value_, step, out=value_)


def adam_schedule(clock, beta1, beta2, eps, weight_decay):
    """Count the step; (what weight decay leaves of a value, rate, eps_t) of that step."""
    clock[0] += 1
    t, learning_rate = float(clock[0]), float(clock[1])
    root = (1 - beta2**t) ** 0.5  # sqrt(v_hat) = sqrt(v) / root
    return 1 - learning_rate * weight_decay, learning_rate * (1 - beta1) / (1 - beta1**t) * root, eps * root
