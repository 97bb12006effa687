"""Each objective: its values against the formula, its gradients against finite differences."""

import numpy as np
import pytest

from gan.errors import RunError
from gan.objectives.named import OBJECTIVES, named_objective
from gan.objectives.objectives import (
    HingeLoss,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    Wasserstein,
)
from nn import Dense

LOGITS = np.array([[-2.0], [0.5], [3.0], [-0.1]])
OTHERS = np.array([[1.2], [-0.4], [2.0], [0.7]])
P = 1 / (1 + np.exp(-LOGITS))


def softplus(t):
    return np.log1p(np.exp(-np.abs(t))) + np.maximum(t, 0)


# L_D on real logits r and fake logits f, and L_G, straight from the papers
FORMULAS = {
    Minimax(): (
        lambda r, f: np.mean(softplus(-r)) + np.mean(softplus(f)),
        lambda f, r: -np.mean(softplus(f)),
    ),
    NonSaturating(): (
        lambda r, f: np.mean(softplus(-r)) + np.mean(softplus(f)),
        lambda f, r: np.mean(softplus(-f)),
    ),
    LeastSquares(): (
        lambda r, f: np.mean((r - 1) ** 2) / 2 + np.mean(f**2) / 2,
        lambda f, r: np.mean((f - 1) ** 2) / 2,
    ),
    HingeLoss(): (
        lambda r, f: np.mean(np.maximum(0, 1 - r)) + np.mean(np.maximum(0, 1 + f)),
        lambda f, r: -np.mean(f),
    ),
    Wasserstein(): (lambda r, f: np.mean(f) - np.mean(r), lambda f, r: -np.mean(f)),
    Relativistic(): (
        lambda r, f: np.mean(softplus(-(r - f))),
        lambda f, r: np.mean(softplus(-(f - r))),
    ),
}


def a_cache():
    return Dense(1, 1).build(seed=0, dtype="float64").cache()


def discriminator(objective, real, fake):
    """L_D and its gradients for both."""
    d_real, d_fake, value = (
        np.full_like(real, np.nan),
        np.full_like(fake, np.nan),
        np.full(2, np.nan),
    )
    objective.discriminator(
        real.copy(),
        fake.copy(),
        a_cache(),
        d_real=d_real,
        d_fake=d_fake,
        real_value=value[:1],
        fake_value=value[1:],
    )
    return value.sum(), d_real, d_fake


def generator(objective, fake, real):
    """L_G and its gradient."""
    more = {"real": real.copy()} if objective.pairs else {}
    value, dy = objective.generator(fake.copy(), a_cache(), **more)
    return value[0], dy.copy()


def differences(function, y):
    """dL/dy by central differences."""
    h, slopes = 1e-6, np.zeros_like(y)
    for i in range(len(y)):
        step = np.zeros_like(y)
        step[i] = h
        slopes[i] = (function(y + step) - function(y - step)) / (2 * h)
    return slopes


@pytest.mark.parametrize("objective", FORMULAS, ids=lambda o: type(o).__name__)
@pytest.mark.gradcheck
def test_losses_and_gradients_match_the_papers(objective):
    L_D, L_G = FORMULAS[objective]
    value, d_real, d_fake = discriminator(objective, LOGITS, OTHERS)
    assert np.isclose(value, L_D(LOGITS, OTHERS), rtol=1e-14)
    assert np.allclose(d_real, differences(lambda r: L_D(r, OTHERS), LOGITS), atol=1e-9)
    assert np.allclose(d_fake, differences(lambda f: L_D(LOGITS, f), OTHERS), atol=1e-9)
    value, dy = generator(objective, LOGITS, OTHERS)
    assert np.isclose(value, L_G(LOGITS, OTHERS), rtol=1e-14)
    assert np.allclose(dy, differences(lambda f: L_G(f, OTHERS), LOGITS), atol=1e-9)


@pytest.mark.parametrize("objective", FORMULAS, ids=lambda o: type(o).__name__)
def test_inputs_are_unchanged_and_results_go_into_the_given_arrays(objective):
    cache, fake, real, dy, value = (
        a_cache(),
        LOGITS.copy(),
        OTHERS.copy(),
        np.full((4, 1), np.nan),
        np.full(1, np.nan),
    )
    got = objective.generator(
        fake, cache, dy=dy, value=value, **({"real": real} if objective.pairs else {})
    )
    assert got[0] is value and got[1] is dy and np.isfinite(dy).all() and np.isfinite(value).all()
    discriminator(objective, real, fake)
    assert np.array_equal(fake, LOGITS) and np.array_equal(real, OTHERS)


def test_relativistic_loss_is_recorded_in_halves():
    value = np.full(2, np.nan)
    Relativistic().discriminator(
        LOGITS,
        OTHERS,
        a_cache(),
        d_real=np.empty((4, 1)),
        d_fake=np.empty((4, 1)),
        real_value=value[:1],
        fake_value=value[1:],
    )
    assert value[0] == value[1] > 0


def test_smoothing_applies_to_the_real_target_only():
    smooth = NonSaturating(real_target=0.9)
    value, dy = smooth.real(LOGITS, a_cache())
    assert np.isclose(value[0], np.mean(-0.9 * np.log(P) - 0.1 * np.log(1 - P)), rtol=1e-14)
    assert np.allclose(dy, (P - 0.9) / 4, rtol=1e-14)
    for part in ("fake", "generator"):
        assert (
            getattr(smooth, part)(LOGITS, a_cache())[0]
            == getattr(NonSaturating(), part)(LOGITS, a_cache())[0]
        )


def test_weight_applies_to_the_losses_of_d_only():
    for part, factor in (("real", 0.5), ("fake", 0.5), ("generator", 1.0)):
        value, dy = getattr(NonSaturating(weight=0.5), part)(LOGITS, a_cache())
        plain_value, plain_dy = getattr(NonSaturating(), part)(LOGITS, a_cache())
        assert np.isclose(value[0], factor * plain_value[0], rtol=1e-14)
        assert np.allclose(dy, factor * plain_dy, rtol=1e-14)


def test_a_confident_discriminator_leaves_the_generator_its_gradient_unless_minimax():
    far = np.full((4, 1), -25, np.float32)
    cache = Dense(1, 1).build(seed=0).cache()
    assert np.allclose(NonSaturating().generator(far, cache)[1], -1 / 4, rtol=1e-6)
    assert np.allclose(
        Relativistic().generator(far, cache, real=np.zeros_like(far))[1], -1 / 4, rtol=1e-6
    )
    assert np.abs(Minimax().generator(far, cache)[1]).max() < 1e-10


def test_every_objective_has_a_name():
    assert {type(each) for each in OBJECTIVES.values()} == {type(each) for each in FORMULAS}
    assert named_objective("minimax") == Minimax()
    with pytest.raises(RunError, match="expected one of non-saturating, .*, got 'w'"):
        named_objective("w")
