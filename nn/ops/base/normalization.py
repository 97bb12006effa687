"""The contract of sums over rows and of normalization."""

from __future__ import annotations

from typing import Protocol

from nn.ops.base.arrays import A


class NormalizationOps(Protocol[A]):
    """Column sums, batch normalization, moving averages, norms.

    Matrices x, y, dy, xhat are (n, c). Arrays with one value for each column are (c,).
    """

    def sum_rows(self, x: A, *, out: A, add: bool = False) -> A:
        """out[j] = sum_i x[i, j], or out[j] += ... with `add`. x (n, c), out (c,)."""

    def sum_product_rows(self, x: A, y: A, *, out: A) -> A:
        """out[j] = sum_i x[i, j] y[i, j]. x and y (n, c), out (c,)."""

    def normalize(self, x: A, eps: float, *, out: A, mean: A, var: A, inv_std: A) -> A:
        """out = (x - mean) inv_std, with the statistics of each column.

        A column of equal numbers has exactly that number as its mean, and var = out = 0.

        Parameters
        ----------
        x : A
            (n, c).
        eps : float
            Added to the variance.
        out : A
            (n, c). May be x.
        mean, var : A
            (c,), written: the mean and the biased variance.
        inv_std : A
            (c,), written: 1 / sqrt(var + eps).
        """

    def normalize_backward(self, dy: A, xhat: A, W: A, inv_std: A, dW: A, db: A, *, out: A) -> A:
        """out = dL/dx of y = W xhat + b, with xhat = normalize(x).

        dL/dx = W inv_std (dy - db / n - xhat dW / n).

        Parameters
        ----------
        dy, xhat : A
            (n, c).
        W, inv_std : A
            (c,).
        dW, db : A
            (c,): sum_i dy xhat and sum_i dy.
        out : A
            (n, c). May be dy or xhat.
        """

    def scale_shift(self, x: A, scale: A, shift: A, *, out: A) -> A:
        """out = x scale + shift. x and out (n, c), scale and shift (c,). out may be x."""

    def shift_scale(self, x: A, shift: A, scale: A, *, out: A) -> A:
        """out = (x - shift) scale. x and out (n, c), scale and shift (c,). out may be x."""

    def inverse_std(self, var: A, eps: float, *, out: A) -> A:
        """out = 1 / sqrt(var + eps). var and out (c,). out may be var."""

    def moving_average_(self, average: A, value: A, weight: float, *, scale: float = 1.0) -> A:
        """average += weight (scale value - average). average and value have one shape."""

    def normalize_vector_(self, x: A, tiny: float) -> A:
        """x /= max(|x|, tiny), for a vector x."""
