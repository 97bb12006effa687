"""Penalties on the slope g = dD/dx of the discriminator.

Where D is steep between real and generated images, G's gradients overshoot; a penalty keeps D
smooth. Its gradient is the backward pass of a backward pass. Each class is a setting of a recipe;
`add` adds the penalty's gradients to those of D's losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nn import Sequential, ShapeError
from nn.cache import Cache
from nn.ops.base import Array
from nn.underflow import quiet


@quiet
def add_slope_penalty(
    D: Sequential, cache: Cache, target: float, weight: float, *, toward: Array, value: Array
) -> None:
    """Add the gradients of P = (weight / 2) mean_n (|g_n| - target)^2 to those of D.

    Parameters
    ----------
    D : the discriminator
    cache : of D's last forward pass, made by `cache(double_backward=True)`; g is the slope at its x
    target, weight : of the penalty
    toward : (N, outputs of D), the direction in them: g_n = sum_k toward[n, k] dD_k/dx_n, so a
        row of zeros leaves its image out
    value : P is written here, (1,)

    Where g_n is 0 it has no direction, and no gradient.

    Raises
    ------
    ShapeError : there are no rows
    """
    if not len(toward):
        raise ShapeError("penalty: expected at least one row to take the mean of, got none")
    seed = cache.buffer("penalty.seed", toward.shape)
    D.ops.copy_(seed, toward)  # backward may overwrite its dy
    g = D.backward(seed, cache, grads="skip")
    rows = cache.contiguous("penalty.g", g).reshape(len(g), -1)
    v = cache.buffer("penalty.v", rows.shape)
    D.ops.norm_penalty(rows, target, weight, dg=v, value=value)  # v = dP/dg
    D.double_backward(v.reshape(g.shape), cache)


@dataclass(frozen=True)
class ZeroCentered:
    """R1, (gamma / 2) mean |g|^2 at training images, and R2, the same at generated ones.

    D must score all images in one pass, which batch norm rules out.

    Parameters
    ----------
    gamma : weight
    real, fake : whether it applies to training and to generated images
    every : lazy regularization: added every `every` steps, `every` times as large

    References
    ----------
    Roth et al. 2017; Mescheder et al. 2018, eq. 9; lazily, Karras et al. 2020.
    """

    gamma: float
    real: bool = True
    fake: bool = True
    every: int = 1
    own_pass = False  # whether `add` sends other images through D, and wants a cache for that

    def add(
        self,
        D: Sequential,
        cache: Cache,
        *,
        real: Array,
        fake: Array,
        class_onehot: Array,
        value: Array,
        stream: Any = None,
    ) -> None:
        """Add the penalty's gradients to those of D.

        Parameters
        ----------
        D : the discriminator
        cache : of D's pass over `real` and `fake` together, made by `cache(double_backward=True)`
        real, fake : n images each
        class_onehot : (2 n, outputs of D), 1 at the output that scores each image
        value : the penalty is written here, (1,); `every` does not change its mean over all steps
        stream : not needed
        """
        n, toward = len(real), cache.buffer("penalty.toward", class_onehot.shape)
        D.ops.copy_(toward, class_onehot)
        if not self.real:
            D.ops.fill_(toward[:n], 0)
        if not self.fake:
            D.ops.fill_(toward[n:], 0)
        # the mean is over all 2 n images there; R1 and R2 are means over n
        add_slope_penalty(D, cache, 0.0, 2 * self.gamma * self.every, toward=toward, value=value)


@dataclass(frozen=True)
class OneCentered:
    """WGAN-GP: weight mean (|g| - 1)^2 at random points between training and generated images.

    x = fake + e (real - fake), e uniform in [0, 1), one for each pair.

    Parameters
    ----------
    weight : of the penalty
    every : lazy regularization: added every `every` steps, `every` times as large

    References
    ----------
    Gulrajani et al. 2017, algorithm 1.
    """

    weight: float = 10.0
    every: int = 1
    own_pass = True

    def add(
        self,
        D: Sequential,
        cache: Cache,
        *,
        real: Array,
        fake: Array,
        class_onehot: Array,
        value: Array,
        stream: Any,
    ) -> None:
        """As `ZeroCentered.add`, but for the cache, which must be unused, and the stream, for e."""
        ops, n = D.ops, len(real)
        x = cache.buffer("penalty.x", real.shape)
        e = stream.uniform_(cache.buffer("penalty.e", (n, 1)), 0.0, 1.0)
        rows = x.reshape(n, -1)
        ops.subtract(real, fake, out=x)
        ops.add_(ops.multiply(rows, e, out=rows), fake.reshape(n, -1))
        D.forward(x, cache, train=True)
        weight = 2 * self.weight * self.every
        add_slope_penalty(D, cache, 1.0, weight, toward=class_onehot[:n], value=value)
