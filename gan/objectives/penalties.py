"""Penalties on the slope g = dD/dx of the discriminator.

Where D is steep between real and generated images, G's gradients overshoot. A penalty keeps D
smooth. Its gradient is the backward pass of a backward pass.
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

    A slope g_n of 0 has no direction and gets no gradient.

    Parameters
    ----------
    D : the discriminator
    cache : of D's last forward pass, made by `cache(double_backward=True)`; g is the slope at its x
    target, weight : of the penalty
    toward : (N, outputs of D), the weights of D's outputs: g_n = sum_k toward[n, k] dD_k/dx_n.
        A row of zeros leaves its image out.
    value : P is written here, (1,)

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


class Penalty:
    """A penalty on D's slope; a setting of a recipe.

    Attributes
    ----------
    every : lazy regularization: added every `every` steps, `every` times as large
    own_pass : whether `add` sends images of its own through D, which takes a cache of its own
    """

    every: int
    own_pass = False

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
        cache : made by `cache(double_backward=True)`. It holds D's pass over `real` and `fake`
            together, or no live pass if `own_pass`.
        real, fake : n images each
        class_onehot : (2 n, outputs of D), 1 at the output that scores each image
        value : the penalty is written here, (1,); `every` does not change its mean over all steps
        stream : random stream, for penalties that draw random numbers
        """
        raise NotImplementedError


@dataclass(frozen=True)
class ZeroCentered(Penalty):
    """R1, (gamma / 2) mean |g|^2 at training images, and R2, the same at generated ones.

    D must score all images in one pass, which batch norm rules out.

    Parameters
    ----------
    gamma : weight
    real, fake : whether R1 and whether R2 is part of it
    every : lazy regularization: added every `every` steps, `every` times as large

    References
    ----------
    Roth et al. 2017; Mescheder et al. 2018, eq. 9; lazily, Karras et al. 2020.
    """

    gamma: float
    real: bool = True
    fake: bool = True
    every: int = 1

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
        n, toward = len(real), cache.buffer("penalty.toward", class_onehot.shape)
        D.ops.copy_(toward, class_onehot)
        if not self.real:
            D.ops.fill_(toward[:n], 0)
        if not self.fake:
            D.ops.fill_(toward[n:], 0)
        # P is a mean over 2 n images; R1 and R2 are means over n.
        add_slope_penalty(D, cache, 0.0, 2 * self.gamma * self.every, toward=toward, value=value)


@dataclass(frozen=True)
class OneCentered(Penalty):
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
        stream: Any = None,
    ) -> None:
        ops, n = D.ops, len(real)
        x = cache.buffer("penalty.x", real.shape)
        e = stream.uniform_(cache.buffer("penalty.e", (n, 1)), 0.0, 1.0)
        rows = x.reshape(n, -1)
        ops.subtract(real, fake, out=x)
        ops.add_(ops.multiply(rows, e, out=rows), fake.reshape(n, -1))
        D.forward(x, cache, train=True)
        weight = 2 * self.weight * self.every
        add_slope_penalty(D, cache, 1.0, weight, toward=class_onehot[:n], value=value)
