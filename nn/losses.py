"""Losses: each call gives the value and the gradient of a network's output.

    value, dy = loss(y, target, cache)

value: shape (1,), on the network's device, so that nothing waits for it; ``float(value[0])`` reads it. dy = dL/dy, of y's
shape. Every loss is a mean, over the elements of y or its rows: it carries the 1/N, layers sum. `weight` multiplies value
and gradient. target: a number, or an array of y's shape and dtype; for classes, their numbers. cache: that of the pass that
made y. The results are new arrays, so several losses of one pass can be kept and added; a training step that must not
allocate passes the arrays that they go into, `dy=` and `value=`. Errors: `ShapeError` for a y without elements, whose mean
does not exist, and for a target of another shape or out of range; `DtypeError` for a target of another dtype.
"""

import math
from numbers import Real

from nn.errors import DtypeError, ShapeError
from nn.underflow import quiet


class Loss:
    """What the losses share: the check of the target, and the arrays of the results."""

    targets = "in [0, 1]"

    @staticmethod
    def allows(target):
        """Whether this number may be a target."""
        return 0 <= target <= 1

    def prepare(self, y, target, cache, dy, value):
        """Check the target; return it, a number as a float, and the arrays for gradient and value."""
        name = type(self).__name__
        if isinstance(target, Real):
            target = float(target)  # a NumPy float64 would widen what it meets
            if not self.allows(target):
                raise ShapeError(f"{name}: expected a target {self.targets}, got {target}")
        elif getattr(target, "shape", None) != y.shape:
            raise ShapeError(f"{name}: expected a number or an array of shape {y.shape} as target, got {_shape(target)}")
        elif target.dtype != y.dtype:
            raise DtypeError(f"{name}: expected a target of {y.dtype}, got {target.dtype}")
        return target, *self.results(y, cache, dy, value)

    def results(self, y, cache, dy, value):
        """The arrays for gradient and value: those given, or new ones."""
        if y.size == 0:
            raise ShapeError(f"{type(self).__name__}: expected at least one element to take the mean of, got shape {y.shape}")
        dy = cache.ops.empty(y.shape, y.dtype) if dy is None else dy
        value = cache.ops.empty((1,), y.dtype) if value is None else value
        return dy, value


class BCEWithLogits(Loss):
    """Binary cross-entropy of p = sigmoid(z) against targets t, on the logits z.

    L = mean(-t log p - (1 - t) log(1 - p)) = mean(max(z, 0) - z t + log(1 + exp(-|z|))); dL/dz = (p - t) / N.
    Exact for every finite z: neither exp nor log leaves the range of float32.
    """

    @quiet
    def __call__(self, z, target, cache, *, weight=1.0, dy=None, value=None):
        target, dz, value = self.prepare(z, target, cache, dy, value)
        cache.ops.bce_with_logits(z, target, float(weight), dz=dz, value=value)
        return value, dz


class BCE(Loss):
    """Binary cross-entropy on probabilities p: L = mean(-t log p - (1 - t) log(1 - p)).

    dL/dp = (p - t) / (p (1 - p)) / N. A p that a `Sigmoid` made as the last layer has lost what it knew: it is 1 from a
    logit of 17 on. There the loss is taken on the logits z, which are in the cache: dL/dz = (p - t) / N, and
    dL/dp = dL/dz / (dp/dz) with the very dp/dz, never 0, that the `Sigmoid` multiplies by on the way back. So a confident
    mistake is never a vanished gradient. Any other p is first moved into the open interval (0, 1) as its dtype can hold it.
    A weight of up to 4e9 N keeps dL/dp finite.
    """

    @quiet
    def __call__(self, p, target, cache, *, weight=1.0, dy=None, value=None):
        target, dp, value = self.prepare(p, target, cache, dy, value)
        sigmoid = cache.last
        if sigmoid.logits is not None and getattr(sigmoid, "y", None) is p:
            cache.ops.bce_with_logits(sigmoid.logits, target, float(weight), dz=dp, value=value)
            cache.ops.divide_by_sigmoid_slope_(dp, sigmoid.logits)
        else:
            cache.ops.bce(p, target, float(weight), dp=dp, value=value)
        return value, dp


class MeanSquaredError(Loss):
    """L = mean((y - t)^2); dL/dy = 2 (y - t) / N. t is any finite number, or an array."""

    targets = "that is finite"
    allows = staticmethod(math.isfinite)

    @quiet
    def __call__(self, y, target, cache, *, weight=1.0, dy=None, value=None):
        target, dy, value = self.prepare(y, target, cache, dy, value)
        cache.ops.squared_error(y, target, float(weight), dy=dy, value=value)
        return value, dy


class Hinge(Loss):
    """L = mean(max(0, 1 - t y)) with t = 1 or -1; dL/dy = -t / N where t y < 1, else 0.

    What is on its side of the margin by 1 or more asks for nothing. Source: Lim & Ye 2017, for GANs.
    """

    targets = "of 1 or -1"

    @staticmethod
    def allows(target):
        return target in (1, -1)

    @quiet
    def __call__(self, y, target, cache, *, weight=1.0, dy=None, value=None):
        target, dy, value = self.prepare(y, target, cache, dy, value)
        cache.ops.hinge(y, target, float(weight), dy=dy, value=value)
        return value, dy


class Mean(Loss):
    """L = mean(y); dL/dy = 1 / N. With a weight of -1, y is raised. There is no target."""

    @quiet
    def __call__(self, y, cache, *, weight=1.0, dy=None, value=None):
        _, dy, value = self.prepare(y, 0, cache, dy, value)
        cache.ops.mean(y, float(weight), dy=dy, value=value)
        return value, dy


class SoftmaxCrossEntropy(Loss):
    """Cross-entropy of p = softmax(z), p_k = exp(z_k) / sum_j exp(z_j), against classes t, on the logits z.

    z: (N, K); target: (N,) integers in 0..K-1, on the device of z. L = mean(-log p_t) = mean(log sum_j exp(z_j - m) - (z_t - m))
    with m = max(z), so that nothing overflows; dL/dz_k = (p_k - [k = t]) / N: each class's p depends on every logit.
    Errors: `ShapeError` for other shapes, `DtypeError` for classes that are no integers; for a class outside 0..K-1,
    `ShapeError` on the CPU, and NaN where the device would have to be waited for.
    """

    @quiet
    def __call__(self, z, target, cache, *, weight=1.0, dy=None, value=None):
        if len(z.shape) != 2:
            raise ShapeError(f"SoftmaxCrossEntropy: expected logits of shape (N, K), got {z.shape}")
        if getattr(target, "shape", None) != z.shape[:1]:
            raise ShapeError(f"SoftmaxCrossEntropy: expected an array of shape {z.shape[:1]} as target, got {_shape(target)}")
        if target.dtype.kind not in "iu":
            raise DtypeError(f"SoftmaxCrossEntropy: expected the numbers of classes, integers, as target, got {target.dtype}")
        dz, value = self.results(z, cache, dy, value)
        cache.ops.softmax_cross_entropy(z, target, weight, dz=dz, value=value)
        return value, dz


def _shape(target):
    return getattr(target, "shape", f"{target!r}")
