"""GAN objectives: losses of D and G, and their gradients, on D's logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nn import BCEWithLogits, Hinge, Mean, MeanSquaredError
from nn.cache import Cache
from nn.ops.base import Array


class Objective:
    """The losses of D and G, means over D's logits, (N, 1).

    L_D = real(D(x)) + fake(D(G(z))), L_G = generator(D(G(z))). Each of the three is called like a
    loss: ``value, dy = objective.fake(logits, cache, dy=..., value=...)``.

    Attributes
    ----------
    pairs : whether G's loss also needs D's logits of training images
    """

    pairs = False

    def real(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        raise NotImplementedError

    def fake(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        raise NotImplementedError

    def generator(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        raise NotImplementedError

    def discriminator(
        self,
        real: Array,
        fake: Array,
        cache: Cache,
        *,
        d_real: Array,
        d_fake: Array,
        real_value: Array,
        fake_value: Array,
    ) -> None:
        """Write both parts of L_D and their gradients into the given arrays.

        Parameters
        ----------
        real, fake : D's logits of training and generated images, (N, 1)
        cache : for temporary arrays
        d_real, d_fake : the gradients, (N, 1)
        real_value, fake_value : the losses, (1,)
        """
        self.real(real, cache, dy=d_real, value=real_value)
        self.fake(fake, cache, dy=d_fake, value=fake_value)


@dataclass(frozen=True)
class NonSaturating(Objective):
    """D maximizes log D(x) + log(1 - D(G(z))), G maximizes log D(G(z)).

    L_D = weight (BCE(D(x), real_target) + BCE(D(G(z)), 0)), L_G = BCE(D(G(z)), 1).

    Parameters
    ----------
    real_target : below 1 for one-sided label smoothing (Salimans et al. 2016)
    weight : 0.5 makes L_D the mean of its two parts

    References
    ----------
    Goodfellow et al. 2014, section 3.
    """

    real_target: float = 1.0
    weight: float = 1.0
    loss = BCEWithLogits()

    def real(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        return self.loss(logits, self.real_target, cache, weight=self.weight, **out)

    def fake(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        return self.loss(logits, 0.0, cache, weight=self.weight, **out)

    def generator(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        return self.loss(logits, 1.0, cache, **out)


@dataclass(frozen=True)
class Minimax(NonSaturating):
    """The original two-player game: G minimizes what D maximizes.

    L_G = mean log(1 - D(G(z))) = -BCE(D(G(z)), 0). Its gradient, -D(G(z)) / N, vanishes where D is
    certain, so `NonSaturating` is used in practice.

    References
    ----------
    Goodfellow et al. 2014, eq. 1.
    """

    def generator(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        return self.loss(logits, 0.0, cache, weight=-1.0, **out)


@dataclass(frozen=True)
class LeastSquares(Objective):
    """L_D = mean((D(x) - 1)^2) / 2 + mean(D(G(z))^2) / 2, L_G = mean((D(G(z)) - 1)^2) / 2.

    References
    ----------
    Mao et al. 2017, eq. 9.
    """

    loss = MeanSquaredError()

    def real(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        return self.loss(logits, 1.0, cache, weight=0.5, **out)

    def fake(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        return self.loss(logits, 0.0, cache, weight=0.5, **out)

    def generator(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        return self.loss(logits, 1.0, cache, weight=0.5, **out)


@dataclass(frozen=True)
class HingeLoss(Objective):
    """L_D = mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))), L_G = -mean D(G(z)).

    References
    ----------
    Lim & Ye 2017; Miyato et al. 2018.
    """

    loss, mean = Hinge(), Mean()

    def real(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        return self.loss(logits, 1.0, cache, **out)

    def fake(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        return self.loss(logits, -1.0, cache, **out)

    def generator(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        return self.mean(logits, cache, weight=-1.0, **out)


@dataclass(frozen=True)
class Wasserstein(Objective):
    """L_D = mean D(G(z)) - mean D(x), L_G = -mean D(G(z)).

    With a penalty that keeps D smooth, -L_D estimates the distance between the two distributions.

    References
    ----------
    Arjovsky et al. 2017; with the penalty, Gulrajani et al. 2017.
    """

    mean = Mean()

    def real(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        return self.mean(logits, cache, weight=-1.0, **out)

    def fake(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        return self.mean(logits, cache, **out)

    def generator(self, logits: Array, cache: Cache, **out: Any) -> tuple[Array, Array]:
        return self.mean(logits, cache, weight=-1.0, **out)


@dataclass(frozen=True)
class Relativistic(Objective):
    """D learns which image of a pair (x, G(z)) is the real one.

    L_D = mean f(D(x) - D(G(z))), L_G = mean f(D(G(z)) - D(x)), f(t) = log(1 + exp(-t)). As long as
    G drops a mode, some pairs are easy for D, and G has a gradient.

    References
    ----------
    Jolicoeur-Martineau 2018; with R1 and R2, Huang et al. 2024 (R3GAN).
    """

    loss = BCEWithLogits()  # BCE(t, 1) = f(t)
    pairs = True

    def discriminator(
        self,
        real: Array,
        fake: Array,
        cache: Cache,
        *,
        d_real: Array,
        d_fake: Array,
        real_value: Array,
        fake_value: Array,
    ) -> None:
        """As in `Objective`, with half of the loss recorded for each kind of image."""
        ahead = cache.ops.subtract(real, fake, out=cache.buffer("ahead", real.shape))
        self.loss(ahead, 1.0, cache, dy=d_real, value=real_value)
        cache.ops.multiply(d_real, -1.0, out=d_fake)  # dL/dD(G(z)) = -dL/dD(x)
        cache.ops.multiply(real_value, 0.5, out=real_value)
        cache.ops.copy_(fake_value, real_value)

    def generator(  # type: ignore[override]  # `pairs`: called with `real`
        self, logits: Array, cache: Cache, *, real: Array, **out: Any
    ) -> tuple[Array, Array]:
        """As in `Objective`; `real` holds D's logits of the training images of the pairs."""
        ahead = cache.ops.subtract(logits, real, out=cache.buffer("ahead", real.shape))
        return self.loss(ahead, 1.0, cache, **out)
