"""The contract of losses."""

from __future__ import annotations

from typing import Protocol, TypeVar

Taken = TypeVar("Taken", contravariant=True)  # arrays that are passed in and never returned


class LossOps(Protocol[Taken]):
    """Losses, each with its gradient in the same call.

    Unless stated otherwise, the input (z, p or y) has n elements in any shape, its gradient has the
    input's shape, `value` is (1,), and `target` (t in the formulas) is a number or an array of the
    input's shape. The gradient and `value` are written.
    """

    def bce_with_logits(
        self, z: Taken, target: Taken | float, weight: float, *, dz: Taken, value: Taken
    ) -> None:
        """value = (weight / n) sum(max(z, 0) - z t + log(1 + exp(-|z|))).

        dz = (weight / n) (sigmoid(z) - t).
        """

    def bce(
        self, p: Taken, target: Taken | float, weight: float, *, dp: Taken, value: Taken
    ) -> None:
        """value = -(weight / n) sum(t log p + (1 - t) log(1 - p)).

        dp = (weight / n) (p - t) / (p (1 - p)).

        p is first clipped to [tiny, 1 - eps / 2], the open interval (0, 1) as far as its dtype
        represents it. p (1 - p) is at least `least_slope`, so dp is finite for weights of up to
        4e9.
        """

    def squared_error(
        self, y: Taken, target: Taken | float, weight: float, *, dy: Taken, value: Taken
    ) -> None:
        """value = (weight / n) sum((y - t)^2).

        dy = (weight / n) 2 (y - t).
        """

    def absolute_error(
        self, y: Taken, target: Taken | float, weight: float, *, dy: Taken, value: Taken
    ) -> None:
        """value = (weight / n) sum(|y - t|).

        dy = (weight / n) sign(y - t), which is 0 where y = t.
        """

    def hinge(
        self, y: Taken, target: Taken | float, weight: float, *, dy: Taken, value: Taken
    ) -> None:
        """value = (weight / n) sum(max(1 - t y, 0)), for t = 1 or -1.

        dy = -(weight / n) t where t y < 1, else 0.
        """

    def mean(self, y: Taken, weight: float, *, dy: Taken, value: Taken) -> None:
        """value = (weight / n) sum(y).

        dy = weight / n.
        """

    def norm_penalty(
        self, g: Taken, target: float, weight: float, *, dg: Taken, value: Taken
    ) -> None:
        """value = (weight / 2) mean_i (|g_i| - target)^2, over the n rows g_i of g.

        dg_i = (weight / n) (g_i - target g_i / |g_i|), or 0 for a row of zeros, which has no
        direction. g and dg (n, columns).
        """

    def softmax_cross_entropy(
        self,
        z: Taken,
        target: Taken,
        weight: float,
        *,
        dz: Taken,
        value: Taken,
        smoothing: float = 0.0,
    ) -> None:
        """value = (weight / n) sum_i (log sum_k exp(d[i, k]) - sum_k q[i, k] d[i, k]).

        dz[i, k] = (weight / n) (softmax(z_i)[k] - q[i, k]), with d[i, k] = z[i, k] - max_j z[i, j]
        and q[i, k] = (1 - smoothing) [k = t_i] + smoothing / classes.

        Parameters
        ----------
        z, dz : Taken
            (n, classes).
        target : Taken
            (n,), integers in 0..classes-1. For any other class, the CPU raises `ShapeError`. A GPU
            would need a host read for the check: there, `value` and the row of `dz` become NaN.
        weight : float
            Scales the loss.
        value : Taken
            (1,).
        smoothing : float
            In [0, 1).
        """

    def mean_sigmoid(self, z: Taken, *, out: Taken) -> None:
        """out[0] = (1 / n) sum(sigmoid(z)). out (1,)."""
