import numpy as np
import pytest

from gan.objectives import NonSaturating
from nn import Dense

LOGITS = np.array([[-2.0], [0.5], [3.0], [-0.1]])
P = 1 / (1 + np.exp(-LOGITS))


def cross_entropy(p, target):
    return np.mean(-target * np.log(p) - (1 - target) * np.log(1 - p))


def call(part, objective):
    cache = Dense(1, 1).build(seed=0, dtype="float64").cache()
    value, dy = getattr(objective, part)(LOGITS.copy(), cache)
    return value[0], dy


@pytest.mark.parametrize("part, target", [("real", 1.0), ("fake", 0.0), ("generator", 1.0)])
def test_each_part_is_a_cross_entropy(part, target):
    value, dy = call(part, NonSaturating())
    assert np.isclose(value, cross_entropy(P, target), rtol=1e-14)
    assert np.allclose(dy, (P - target) / 4, rtol=1e-14)


def test_smoothing_is_of_the_real_target_only():
    smooth = NonSaturating(real_target=0.9)
    value, dy = call("real", smooth)
    assert np.isclose(value, cross_entropy(P, 0.9), rtol=1e-14) and np.allclose(dy, (P - 0.9) / 4, rtol=1e-14)
    for part in ("fake", "generator"):
        assert call(part, smooth)[0] == call(part, NonSaturating())[0]


def test_the_weight_is_of_ds_losses_only():
    for part, factor in (("real", 0.5), ("fake", 0.5), ("generator", 1.0)):
        value, dy = call(part, NonSaturating(weight=0.5))
        plain_value, plain_dy = call(part, NonSaturating())
        assert np.isclose(value, factor * plain_value, rtol=1e-14)
        assert np.allclose(dy, factor * plain_dy, rtol=1e-14)


def test_results_go_where_they_are_asked_to():
    cache = Dense(1, 1).build(seed=0, dtype="float64").cache()
    dy, value = np.full((4, 1), np.nan), np.full(1, np.nan)
    got = NonSaturating().real(LOGITS, cache, dy=dy, value=value)
    assert got[0] is value and got[1] is dy
    assert np.isfinite(dy).all() and np.isfinite(value).all()


def test_a_confident_discriminator_leaves_the_generator_its_gradient():
    cache = Dense(1, 1).build(seed=0).cache()
    _, dy = NonSaturating().generator(np.full((4, 1), -25, np.float32), cache)
    assert np.allclose(dy, -1 / 4, rtol=1e-6)
