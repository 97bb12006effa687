"""Settings of a recipe that shape the updates: rates, schedule, clipping, updates of D per G."""

from dataclasses import replace

import numpy as np
import pytest

from gan.errors import RunError
from gan.objectives.objectives import Relativistic
from nn import CosineSchedule, LinearSchedule, ShapeError
from tests.support.small import TINY, TINY_BATCHNORM, trainer, weights

RATE = TINY.learning_rate


def rates(t):
    """The rates of G and D on the device."""
    return [float(optimizer.step_state[1]) for optimizer in t.optimizers.values()]


def steps_taken(t):
    return [optimizer.step_count for optimizer in t.optimizers.values()]


def test_networks_have_rates_of_their_own():
    assert rates(trainer(replace(TINY, g_learning_rate=0.25))) == [0.25, RATE]
    assert rates(trainer(replace(TINY, d_learning_rate=0.5))) == [RATE, 0.5]
    same = trainer(replace(TINY, g_learning_rate=RATE, d_learning_rate=RATE))
    plain = trainer()
    for t in (same, plain):
        t.fit(steps=3)
    assert weights(same) == weights(plain)


def test_setting_the_learning_rate_scales_both_alike():
    t = trainer(replace(TINY, g_learning_rate=0.25))
    t.learning_rate /= 2
    assert t.learning_rate == RATE / 2 and rates(t) == [0.125, RATE / 2]
    for rate in 0.1 / np.arange(1, 50):
        t.learning_rate = rate
        assert rates(t) == [pytest.approx(0.25 * rate / RATE), rate]


def test_schedule_multiplies_both_rates_in_each_step():
    t = trainer(replace(TINY, d_learning_rate=0.5, schedule=LinearSchedule(4)))
    seen = []
    for _ in range(6):
        t.step()
        seen.append(rates(t))
    factors = np.array([1, 0.75, 0.5, 0.25, 0, 0])
    np.testing.assert_allclose(seen, np.outer(factors, [RATE, 0.5]), rtol=1e-12)
    assert t.learning_rate == RATE


def test_at_a_factor_of_0_training_stands_still():
    t = trainer(replace(TINY, schedule=LinearSchedule(2)))
    t.fit(steps=2)
    before = weights(t)
    t.fit(steps=3)
    assert weights(t) == before


@pytest.mark.parametrize(
    "recipe",
    [
        replace(TINY, schedule=CosineSchedule(9), g_learning_rate=0.02, clip_norm=0.5),
        replace(TINY, n_critic=3, ema_decay=0.9),
        replace(TINY_BATCHNORM, n_critic=2, fresh_noise=False),
        replace(TINY, n_critic=3, clip_norm=0.5, clip_value=1e-3, weight_decay=0.1),
        replace(TINY, schedule=lambda step: 0.9**step),
    ],
    ids=["schedule", "n_critic", "one noise", "clipping", "any function"],
)
def test_a_resumed_run_continues_to_the_same_bytes(recipe):
    whole, first, second = trainer(recipe), trainer(recipe), trainer(recipe)
    whole.fit(steps=7)
    first.fit(steps=4)
    second.load_state_dict(first.state_dict())
    second.fit(steps=3)
    assert weights(second) == weights(whole)
    assert second.log.record.means() == pytest.approx(whole.log.record.means())
    assert rates(second) == rates(whole)


def test_g_and_its_average_are_updated_in_the_last_of_n_critic_steps():
    t = trainer(replace(TINY, n_critic=3, ema_decay=0.9))
    networks = t.generator, t.generator_ema
    start = [net.parameters.value.flat.copy() for net in networks]
    for _ in range(2):
        t.step()
    assert all((net.parameters.value.flat == w).all() for net, w in zip(networks, start))
    t.step()
    assert all((net.parameters.value.flat != w).any() for net, w in zip(networks, start))
    for _ in range(4):
        t.step()
    assert steps_taken(t) == [2, 7]


@pytest.mark.parametrize("objective", [TINY.objective, Relativistic()])
@pytest.mark.parametrize("base", [TINY, TINY_BATCHNORM], ids=["one pass", "two passes"])
def test_g_loss_is_logged_in_every_step_and_changes_no_update(base, objective):
    t = trainer(replace(base, n_critic=2, objective=objective))
    losses = []
    for _ in range(4):
        t.step()
        losses.append(float(t.log.ring[t.step_count - 1, 2]))
    assert np.isfinite(losses).all() and (np.array(losses) != 0).all()
    lone = trainer(replace(base, objective=objective))
    lone.step()
    t = trainer(replace(base, n_critic=2, objective=objective))
    t.step()
    D, other = lone.discriminator, t.discriminator
    assert D.parameters.value.flat.tobytes() == other.parameters.value.flat.tobytes()


def test_clip_norm_limits_the_gradients_of_both_networks():
    t = trainer(replace(TINY, clip_norm=1e-3))
    t.step()
    for name, network in (("G", t.generator), ("D", t.discriminator)):
        norm = float(t.optimizers[name].grad_norm[0])
        clipped = float(np.linalg.norm(network.parameters.grad.flat))
        assert clipped < 1e-3 < norm
        np.testing.assert_allclose(clipped, 1e-3 * norm / (norm + 1e-6), rtol=1e-4)


def test_clip_value_and_weight_decay_reach_both_networks():
    t = trainer(replace(TINY, clip_value=1e-4, weight_decay=0.5))
    t.step()
    for network, optimizer in zip((t.generator, t.discriminator), t.optimizers.values()):
        assert np.abs(network.parameters.grad.flat).max() <= 1e-4 and optimizer.weight_decay == 0.5
    plain = trainer(replace(TINY, clip_value=1e-4))
    plain.step()
    before = trainer().discriminator.parameters.value.flat  # D's gradient is that of these weights
    shrunk, kept = (run.discriminator.parameters.value.flat for run in (t, plain))
    np.testing.assert_allclose(kept - shrunk, RATE * 0.5 * before, atol=1e-7)


@pytest.mark.parametrize("limit", ["clip_norm", "clip_value"])
def test_norms_are_logged_where_gradients_are_clipped(limit):
    t = trainer(replace(TINY, **{limit: 0.5}, n_critic=2))
    norms = {"D": [], "G": []}
    for _ in range(4):
        t.step()
        for name, optimizer in t.optimizers.items():
            norms[name].append(float(optimizer.grad_norm[0]))
    assert norms["G"][0] == 0 and norms["G"][1] == norms["G"][2] > 0  # D alone in steps 1 and 3
    t.state_dict()  # reads the log
    means = t.log.record.means()
    assert list(means)[-2:] == ["d_grad_norm", "g_grad_norm"]
    for name in norms:
        assert means[f"{name.lower()}_grad_norm"] == pytest.approx(np.mean(norms[name]))
    (record,) = trainer().fit(steps=1)
    assert not any("norm" in name for name in record)


def test_last_good_step_is_restored_with_the_rates_of_the_schedule():
    t = trainer(replace(TINY, schedule=LinearSchedule(10), g_learning_rate=0.02))
    t.fit(steps=2)
    t.generator.parameters.value.flat[...] = np.nan
    with pytest.raises(RunError, match="no longer finite"):
        t.fit(steps=1)
    t.step()
    assert rates(t) == pytest.approx([0.8 * 0.02, 0.8 * RATE])


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"g_learning_rate": 0.0}, "learning rate: expected a finite number above 0, got 0.0"),
        ({"d_learning_rate": "1"}, "learning rate: expected a finite number above 0, got '1'"),
        ({"n_critic": 0}, "n_critic: expected an integer of at least 1, got 0"),
        ({"n_critic": 1.5}, "n_critic: expected an integer of at least 1, got 1.5"),
        ({"schedule": 0.5}, "schedule: expected a function of the step, got 0.5"),
        ({"clip_norm": -1.0}, "Adam: expected clip_norm above 0, got -1.0"),
        ({"clip_value": 0.0}, "Adam: expected clip_value above 0, got 0.0"),
        ({"weight_decay": -0.1}, "Adam: expected weight_decay of at least 0, got -0.1"),
    ],
)
def test_invalid_settings_are_refused(setting, message):
    with pytest.raises((RunError, ShapeError), match=message):
        trainer(replace(TINY, **setting))


@pytest.mark.parametrize("factor", [-1, float("nan"), float("inf"), None])
def test_invalid_factors_are_refused(factor):
    t = trainer(replace(TINY, schedule=lambda step: factor))
    with pytest.raises(RunError, match="schedule: expected a finite factor .* for step 0, got"):
        t.fit(steps=1)
