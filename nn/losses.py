"""Losses: each call gives the value of the loss, and its gradient with respect to the output y.

    value, dy = loss(y, target, cache)

A loss is a mean over the elements of y, or over its rows, so it carries the 1/N; layers sum.
"""

import math
from numbers import Real
from typing import Any

from nn.cache import Cache
from nn.errors import DtypeError, ShapeError
from nn.ops.base import Array
from nn.settings import real
from nn.underflow import quiet

Target = Array | float


class Loss:
    """The base of the losses that have a target: a subclass defines `compute`."""

    allowed_targets = "in [0, 1]"  # in errors

    @staticmethod
    def allows(target: float) -> bool:
        """Whether this number may be a target."""
        return 0 <= target <= 1

    @quiet
    def __call__(
        self,
        y: Array,
        target: Target,
        cache: Cache,
        *,
        weight: float = 1.0,
        dy: Array | None = None,
        value: Array | None = None,
    ) -> tuple[Array, Array]:
        """The value of the loss, and its gradient with respect to y.

        Parameters
        ----------
        y : Array
            The output of a network: logits, probabilities or scores.
        target : float or Array
            An array has y's shape and dtype; class numbers are (N,) integers.
        cache : Cache
            Of the pass that made y.
        weight : float
            Multiplies value and gradient.
        dy, value : Array, optional
            Where to write the results. By default each call returns new arrays, so that several
            losses of one pass can be kept and added; a training step that must not allocate passes
            its own.

        Returns
        -------
        value : Array, shape (1,)
            On the network's device, so that nothing waits for it; ``float(value[0])`` reads it.
        dy : Array, of y's shape
            dL/dy.

        Raises
        ------
        ShapeError
            If y has no elements, or the target has another shape or is out of range.
        DtypeError
            If the target has another dtype.
        """
        target = self.check_target(y, target)
        dy, value = _results(self, y, cache, dy, value)
        self.compute(y, target, cache, float(weight), dy, value)
        return value, dy

    def compute(
        self, y: Array, target: Target, cache: Cache, weight: float, dy: Array, value: Array
    ) -> None:
        """Write the gradient into dy and the loss into value."""
        raise TypeError(f"{type(self).__name__} does not define compute(...)")

    def check_target(self, y: Array, target: Any) -> Target:
        """The target, a number as a float, or an error."""
        name = type(self).__name__
        if isinstance(target, Real):
            target = float(target)  # a NumPy float64 would turn float32 results into float64
            if not self.allows(target):
                raise ShapeError(f"{name}: expected a target {self.allowed_targets}, got {target}")
        elif getattr(target, "shape", None) != y.shape:
            raise ShapeError(
                f"{name}: expected a number or an array of shape {y.shape} as target, "
                f"got {_shape(target)}"
            )
        elif target.dtype != y.dtype:
            raise DtypeError(f"{name}: expected a target of {y.dtype}, got {target.dtype}")
        return target


class BCEWithLogits(Loss):
    """Binary cross-entropy of p = sigmoid(z) and targets t in [0, 1], from the logits z.

    L = mean(-t log p - (1 - t) log(1 - p)) = mean(max(z, 0) - z t + log(1 + exp(-|z|)));
    dL/dz = (p - t) / N.

    Exact for every finite z: neither exp nor log leaves the range of float32.
    """

    def compute(
        self, y: Array, target: Target, cache: Cache, weight: float, dy: Array, value: Array
    ) -> None:
        cache.ops.bce_with_logits(y, target, weight, dz=dy, value=value)


class BCE(Loss):
    """Binary cross-entropy of probabilities p and targets t in [0, 1].

    L = mean(-t log p - (1 - t) log(1 - p)); dL/dp = (p - t) / (p (1 - p)) / N.

    If p is the output of a `Sigmoid` as the network's last layer, the loss is computed from its
    logits z, which the cache holds: from z = 17 on, p rounds to 1 and no longer tells how large z
    is. Then dL/dz = (p - t) / N and dL/dp = dL/dz / (dp/dz), with the same dp/dz, never 0, by which
    `Sigmoid` multiplies in its backward pass. So the gradient of a confident mistake does not
    vanish. Any other p is first clipped to the open interval (0, 1), as far as its dtype can
    represent it.

    dL/dp is finite for weights of up to 4e9 N.
    """

    def compute(
        self, y: Array, target: Target, cache: Cache, weight: float, dy: Array, value: Array
    ) -> None:
        sigmoid = cache.last
        if sigmoid.logits is not None and getattr(sigmoid, "y", None) is y:
            cache.ops.bce_with_logits(sigmoid.logits, target, weight, dz=dy, value=value)
            cache.ops.divide_by_sigmoid_slope_(dy, sigmoid.logits)  # dL/dp = dL/dz / (dp/dz)
        else:
            cache.ops.bce(y, target, weight, dp=dy, value=value)


class MeanSquaredError(Loss):
    """L = mean((y - t)^2); dL/dy = 2 (y - t) / N. t is any finite number, or an array."""

    allowed_targets = "that is finite"

    @staticmethod
    def allows(target: float) -> bool:
        return math.isfinite(target)

    def compute(
        self, y: Array, target: Target, cache: Cache, weight: float, dy: Array, value: Array
    ) -> None:
        cache.ops.squared_error(y, target, weight, dy=dy, value=value)


class L1(Loss):
    """L = mean(|y - t|); dL/dy = sign(y - t) / N. t is any finite number, or an array.

    Where y = t, dL/dy = 0.
    """

    allowed_targets = "that is finite"

    @staticmethod
    def allows(target: float) -> bool:
        return math.isfinite(target)

    def compute(
        self, y: Array, target: Target, cache: Cache, weight: float, dy: Array, value: Array
    ) -> None:
        cache.ops.absolute_error(y, target, weight, dy=dy, value=value)


class Hinge(Loss):
    """L = mean(max(0, 1 - t y)) with t = 1 or -1; dL/dy = -t / N where t y < 1, else 0.

    A y beyond its margin, t y >= 1, has zero gradient.

    References
    ----------
    Source: Lim & Ye 2017, for GANs.
    """

    allowed_targets = "of 1 or -1"

    @staticmethod
    def allows(target: float) -> bool:
        return target in (1, -1)

    def compute(
        self, y: Array, target: Target, cache: Cache, weight: float, dy: Array, value: Array
    ) -> None:
        cache.ops.hinge(y, target, weight, dy=dy, value=value)


class SoftmaxCrossEntropy(Loss):
    """Cross-entropy of p = softmax(z) and classes t, from the logits z.

    p_k = exp(z_k) / sum_j exp(z_j);
    L = mean(-log p_t) = mean(log sum_j exp(z_j - m) - (z_t - m)) with m = max(z), which prevents
    overflow; dL/dz_k = (p_k - [k = t]) / N, because the p of each class depends on every logit.

    With label smoothing s, the target is the distribution q_k = (1 - s) [k = t] + s / K:
    L = mean(-sum_k q_k log p_k); dL/dz_k = (p_k - q_k) / N.

    z: (N, K); target: (N,), integers in 0..K-1, on the device of z.

    Parameters
    ----------
    label_smoothing : float in [0, 1)

    Raises
    ------
    ShapeError
        If `label_smoothing` is outside [0, 1), or y or the target has another shape; on the CPU,
        also for a class outside 0..K-1. On a GPU such a class makes value and gradient NaN, because
        a check would have to wait for the device.
    DtypeError
        If the classes are not integers.

    References
    ----------
    Source: Szegedy et al. 2016, "Rethinking the inception architecture", section 7, for s.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = real(
            "SoftmaxCrossEntropy",
            "label_smoothing",
            label_smoothing,
            "in [0, 1)",
            lambda s: 0 <= s < 1,
        )

    def check_target(self, y: Array, target: Any) -> Target:
        if len(y.shape) != 2:
            raise ShapeError(f"SoftmaxCrossEntropy: expected logits of shape (N, K), got {y.shape}")
        if getattr(target, "shape", None) != y.shape[:1]:
            raise ShapeError(
                f"SoftmaxCrossEntropy: expected an array of shape {y.shape[:1]} as target, "
                f"got {_shape(target)}"
            )
        if target.dtype.kind not in "iu":
            raise DtypeError(
                "SoftmaxCrossEntropy: expected class numbers, integers, as target, "
                f"got {target.dtype}"
            )
        return target

    def compute(
        self, y: Array, target: Target, cache: Cache, weight: float, dy: Array, value: Array
    ) -> None:
        smoothing = self.label_smoothing
        cache.ops.softmax_cross_entropy(y, target, weight, dz=dy, value=value, smoothing=smoothing)


class Mean:
    """L = mean(y); dL/dy = 1 / N. There is no target. With a weight of -1, training raises y."""

    @quiet
    def __call__(
        self,
        y: Array,
        cache: Cache,
        *,
        weight: float = 1.0,
        dy: Array | None = None,
        value: Array | None = None,
    ) -> tuple[Array, Array]:
        """The value and the gradient; parameters and results are those of the other losses."""
        dy, value = _results(self, y, cache, dy, value)
        cache.ops.mean(y, float(weight), dy=dy, value=value)
        return value, dy


def _results(
    loss: object, y: Array, cache: Cache, dy: Array | None, value: Array | None
) -> tuple[Array, Array]:
    """The arrays for gradient and value: those given, or new ones."""
    if y.size == 0:
        raise ShapeError(
            f"{type(loss).__name__}: expected at least one element to take the mean of, "
            f"got shape {y.shape}"
        )
    dy = cache.ops.empty(y.shape, y.dtype) if dy is None else dy
    value = cache.ops.empty((1,), y.dtype) if value is None else value
    return dy, value


def _shape(target: object) -> str:
    """The shape of an array; anything else as text."""
    return str(getattr(target, "shape", repr(target)))
