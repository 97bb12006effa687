"""Losses of logits, probabilities and slopes on a CUDA device, each with its gradient, by kernels of cuda_reductions.py."""

import numpy as np

from nn.ops.cuda.reductions import THREADS
from nn.ops.numpy.activations import least_slope


class CudaLosses:
    """What each computes stands in the docstrings of `NumpyLosses`; arrays are C-contiguous."""

    def bce_with_logits(self, z, target, weight, *, dz, value):
        self._loss("bce_with_logits", z, target, weight, dz, value)

    def bce(self, p, target, weight, *, dp, value):
        limits = np.finfo(p.dtype)
        self._loss("bce", p, target, weight, dp, value, float(limits.tiny), float(1 - limits.epsneg), least_slope(p.dtype))

    def squared_error(self, y, target, weight, *, dy, value):
        self._loss("squared_error", y, target, weight, dy, value)

    def hinge(self, y, target, weight, *, dy, value):
        self._loss("hinge", y, target, weight, dy, value)

    def mean(self, y, weight, *, dy, value):
        self._launch("mean", (1,), (THREADS,), (y, dy, value), y.size, float(weight))

    def norm_penalty(self, g, target, weight, *, dg, value):
        n, limits = len(g), np.finfo(g.dtype)
        each, unread = self._scratch(f"each {g.dtype}", n, g.dtype), self._scratch(f"unread {g.dtype}", n, g.dtype)
        numbers = float(limits.tiny), float(limits.eps)
        self._launch("norm_penalty", (n,), (THREADS,), (g, dg, each), g.size // n, float(target), weight / n, *numbers)
        self.mean(each, weight / 2, dy=unread, value=value)

    def softmax_cross_entropy(self, z, target, weight, *, dz, value):
        n, n_classes = z.shape
        classes = self._scratch("classes", n, "int64")
        self.copy_(classes, target)  # any integers
        self._launch("softmax_cross_entropy", (1,), (THREADS,), (z, dz, value), classes, n, n_classes, float(weight))

    def mean_sigmoid(self, z, *, out):
        self._launch("mean_sigmoid", (1,), (THREADS,), (z, out), z.size)

    def _loss(self, name, y, target, weight, dy, value, *limits):
        each = self.is_array(target)
        arrays = (y, target if each else y)  # a number comes apart from the arrays; y stands in their place, unread
        number = 0.0 if each else float(target)
        self._launch(name, (1,), (THREADS,), (*arrays, dy, value), int(each), number, y.size, float(weight), *limits)
