"""Penalties on the slope g = dD/dx of the discriminator. Their gradients are the backward pass of a backward pass.

D that is steep between real and generated images sends G gradients that overshoot; a penalty keeps it gentle. Each class is
a setting of a recipe; `add` adds the penalty's gradients to D's, on top of those of the losses.
"""

from dataclasses import dataclass

from nn import ShapeError
from nn.underflow import quiet


@quiet
def add_slope_penalty(D, cache, target, weight, *, toward, value):
    """Add the gradients of P = (weight / 2) mean_n (|g_n| - target)^2 at the x that went through the cache; P into value.

    toward: (N, number of D's outputs), whose slope counts: g_n = sum_k toward[n, k] dD_k/dx_n. Where a row is 0, g_n is.
    A g_n of 0 has no direction, and no gradient. Errors: `ShapeError` for an N of 0.
    """
    if not len(toward):
        raise ShapeError("penalty: expected at least one row to take the mean of, got none")
    seed = cache.buffer("penalty.seed", toward.shape)
    D.ops.copy_(seed, toward)  # backward may overwrite what it is given
    g = D.backward(seed, cache, grads="skip")
    rows = cache.contiguous("penalty.g", g).reshape(len(g), -1)
    v = cache.buffer("penalty.v", rows.shape)
    D.ops.norm_penalty(rows, target, weight, dg=v, value=value)  # v = dP/dg
    D.double_backward(v.reshape(g.shape), cache)


@dataclass(frozen=True)
class ZeroCentered:
    """R1, (gamma / 2) mean |g|^2 at training images, and R2, the same at generated ones.

    every: the penalty is added each `every` steps only, as many times larger. D must judge all images in one pass: no batch norm.
    Source: Roth et al. 2017; Mescheder et al. 2018, eq. 9; lazily, Karras et al. 2020.
    """

    gamma: float
    real: bool = True
    fake: bool = True
    every: int = 1

    def add(self, step, value):
        """value: the penalty, as it counts over the steps on average."""
        n, toward = step.judged, step.d_cache.buffer("penalty.toward", step.asked.shape)
        step.ops.copy_(toward, step.asked)
        if not self.real:
            step.ops.fill_(toward[:n], 0)
        if not self.fake:
            step.ops.fill_(toward[n:], 0)
        # the mean is over all 2 n images there, where R1 and R2 are each one over n
        add_slope_penalty(step.D, step.d_cache, 0.0, 2 * self.gamma * self.every, toward=toward, value=value)


@dataclass(frozen=True)
class OneCentered:
    """WGAN-GP: weight mean (|g| - 1)^2 at points between a training image and a generated one, each pair with an e of its own:
    x = fake + e (real - fake), e uniform in [0, 1). Source: Gulrajani et al. 2017, algorithm 1.
    """

    weight: float = 10.0
    every: int = 1

    def add(self, step, value):
        ops, cache, n = step.ops, step.between_cache, step.judged
        x = cache.buffer("penalty.x", step.d_real.shape)
        e = step.noise_stream.uniform_(cache.buffer("penalty.e", (n, 1)), 0.0, 1.0)
        rows = x.reshape(n, -1)
        ops.subtract(step.d_real, step.d_fake, out=x)
        ops.add_(ops.multiply(rows, e, out=rows), step.d_fake.reshape(n, -1))
        step.D.forward(x, cache, train=True)
        add_slope_penalty(step.D, cache, 1.0, 2 * self.weight * self.every, toward=step.asked[:n], value=value)
