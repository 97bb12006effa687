"""What D and G are trained for: each objective gives losses and gradients on D's logits."""

from dataclasses import dataclass

from nn import BCEWithLogits, Hinge, Mean, MeanSquaredError


class Objective:
    """An objective whose D judges each image by itself: L_D = real(D(x)) + fake(D(G(z))), L_G = generator(D(G(z))).

    Each of the three is called like a loss, ``value, dy = objective.fake(logits, cache, dy=..., value=...)``, and is a mean
    over the logits, of shape (N, 1).
    """

    pairs = False  # whether G's loss needs what D says of training images, too

    def discriminator(self, real, fake, cache, *, d_real, d_fake, real_value, fake_value):
        """L_D's two parts into real_value and fake_value, its gradients for both logits into d_real and d_fake."""
        self.real(real, cache, dy=d_real, value=real_value)
        self.fake(fake, cache, dy=d_fake, value=fake_value)


@dataclass(frozen=True)
class NonSaturating(Objective):
    """D maximises log D(x) + log(1 - D(G(z))), G maximises log D(G(z)). Source: Goodfellow et al. 2014, section 3.

    As losses: L_D = weight (BCE(D(x), real_target) + BCE(D(G(z)), 0)) and L_G = BCE(D(G(z)), 1). real_target: below 1
    for one-sided label smoothing (Salimans et al. 2016). weight: 0.5 makes L_D the mean of its two parts.
    """

    real_target: float = 1.0
    weight: float = 1.0
    loss = BCEWithLogits()

    def real(self, logits, cache, **out):
        return self.loss(logits, self.real_target, cache, weight=self.weight, **out)

    def fake(self, logits, cache, **out):
        return self.loss(logits, 0.0, cache, weight=self.weight, **out)

    def generator(self, logits, cache, **out):
        return self.loss(logits, 1.0, cache, **out)


@dataclass(frozen=True)
class Minimax(NonSaturating):
    """The game as the theory has it: G minimises what D maximises, L_G = mean log(1 - D(G(z))) = -BCE(D(G(z)), 0).

    Its gradient is -D(G(z)) / N: it vanishes where D is sure, which is why `NonSaturating` is what people train with.
    Source: Goodfellow et al. 2014, eq. 1.
    """

    def generator(self, logits, cache, **out):
        return self.loss(logits, 0.0, cache, weight=-1.0, **out)


@dataclass(frozen=True)
class LeastSquares(Objective):
    """L_D = mean((D(x) - 1)^2) / 2 + mean(D(G(z))^2) / 2, L_G = mean((D(G(z)) - 1)^2) / 2. Source: Mao et al. 2017, eq. 9."""

    loss = MeanSquaredError()

    def real(self, logits, cache, **out):
        return self.loss(logits, 1.0, cache, weight=0.5, **out)

    def fake(self, logits, cache, **out):
        return self.loss(logits, 0.0, cache, weight=0.5, **out)

    def generator(self, logits, cache, **out):
        return self.loss(logits, 1.0, cache, weight=0.5, **out)


@dataclass(frozen=True)
class HingeLoss(Objective):
    """L_D = mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))), L_G = -mean D(G(z)). Source: Lim & Ye 2017, Miyato et al. 2018."""

    loss, mean = Hinge(), Mean()

    def real(self, logits, cache, **out):
        return self.loss(logits, 1.0, cache, **out)

    def fake(self, logits, cache, **out):
        return self.loss(logits, -1.0, cache, **out)

    def generator(self, logits, cache, **out):
        return self.mean(logits, cache, weight=-1.0, **out)


@dataclass(frozen=True)
class Wasserstein(Objective):
    """L_D = mean D(G(z)) - mean D(x), L_G = -mean D(G(z)): D, kept smooth by a penalty, measures a distance.

    Source: Arjovsky et al. 2017; with the penalty, Gulrajani et al. 2017.
    """

    mean = Mean()

    def real(self, logits, cache, **out):
        return self.mean(logits, cache, weight=-1.0, **out)

    def fake(self, logits, cache, **out):
        return self.mean(logits, cache, **out)

    def generator(self, logits, cache, **out):
        return self.mean(logits, cache, weight=-1.0, **out)


@dataclass(frozen=True)
class Relativistic(Objective):
    """D tells which of a pair is the training image: with f(t) = log(1 + exp(-t)) and pairs (x, G(z)),

    L_D = mean f(D(x) - D(G(z))), L_G = mean f(D(G(z)) - D(x)). A mode that G leaves out always has pairs that D tells apart.
    Source: Jolicoeur-Martineau 2018; with R1 and R2, Huang et al. 2024 (R3GAN).
    """

    loss = BCEWithLogits()  # BCE(t, 1) = f(t)
    pairs = True

    def discriminator(self, real, fake, cache, *, d_real, d_fake, real_value, fake_value):
        """The one value is put down by halves, as that of D on real and on generated images."""
        ahead = cache.ops.subtract(real, fake, out=cache.buffer("ahead", real.shape))
        self.loss(ahead, 1.0, cache, dy=d_real, value=real_value)
        cache.ops.multiply(d_real, -1.0, out=d_fake)  # dL/dD(G(z)) = -dL/dD(x)
        cache.ops.multiply(real_value, 0.5, out=real_value)
        cache.ops.copy_(fake_value, real_value)

    def generator(self, logits, cache, *, real, **out):
        """real: D's logits for the training images that the generated ones are paired with."""
        ahead = cache.ops.subtract(logits, real, out=cache.buffer("ahead", real.shape))
        return self.loss(ahead, 1.0, cache, **out)
