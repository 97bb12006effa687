"""Losses of D and G on logits, and the penalty on D's slope, in JAX."""

from __future__ import annotations

from jax import Array
from jax import numpy as jnp
from jax.nn import softplus

from gan.errors import RunError
from gan.objectives.objectives import NonSaturating, Objective, Relativistic
from gan.objectives.penalties import ZeroCentered
from gan.recipes import Recipe


def cross_entropy(logits: Array, target: float) -> Array:
    """The mean of -target log s - (1 - target) log(1 - s), s = sigmoid(logits)."""
    return (softplus(logits) - target * logits).mean()


def d_losses(objective: Objective, real: Array, fake: Array) -> tuple[Array, Array]:
    """Both parts of D's loss."""
    if isinstance(objective, NonSaturating):
        parts = cross_entropy(real, objective.real_target), cross_entropy(fake, 0.0)
        return parts[0] * objective.weight, parts[1] * objective.weight
    half = cross_entropy(real - fake, 1.0) / 2
    return half, half


def g_loss(objective: Objective, real: Array | None, fake: Array) -> Array:
    """G's loss; `real` is used by objectives of pairs."""
    return cross_entropy(fake if real is None else fake - real, 1.0)


def slope_penalty(penalty: ZeroCentered, slope: Array, n: int) -> Array:
    """R1, R2 or both, given D's slope at n training images, or packs of them, and n generated."""
    squares = jnp.square(slope).reshape(2, -1).sum(1) / n
    kinds = jnp.array([penalty.real, penalty.fake])
    return penalty.gamma * penalty.every / 2 * (squares * kinds).sum()


def check_supported(recipe: Recipe) -> None:
    """Raise `RunError` for settings that no recipe has and this step lacks."""
    fits = (
        type(recipe.objective) in (NonSaturating, Relativistic)
        and isinstance(recipe.penalty, ZeroCentered | None)
        and (recipe.schedule, recipe.clip_norm, recipe.n_critic) == (None, None, 1)
    )
    if not fits:
        raise RunError(
            f"{recipe.name}: expected a non-saturating or relativistic objective, a zero-centered "
            "penalty or none, and no schedule, clipping or n_critic; benchmarks/harness/jax has "
            "no other"
        )
