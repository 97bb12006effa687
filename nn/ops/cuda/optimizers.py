"""Optimizers on a CUDA device: step count, bias corrections and learning rate are read where they lie, on the device."""


class CudaOptimizers:
    """What each computes stands in the docstrings of `NumpyOptimizers`."""

    def sgd_step_(self, value, grad, velocity, clock, momentum, nesterov):
        self._kernel("tick")(clock, size=1)
        self._kernel("sgd")(grad, clock, momentum, nesterov, value, velocity)

    def rmsprop_step_(self, value, grad, square, clock, decay, eps):
        self._kernel("tick")(clock, size=1)
        self._kernel("rmsprop")(grad, clock, decay, 1 - decay, eps, value, square)

    def adam_step_(self, value, grad, m, v, clock, beta1, beta2, eps, weight_decay):
        schedule = self._scratch("schedule", 3, "float64")
        self._kernel("adam_schedule")(beta1, beta2, eps, weight_decay, clock, schedule, size=1)
        self._kernel("adam")(grad, schedule, beta1, beta2, 1 - beta2, value, m, v)
