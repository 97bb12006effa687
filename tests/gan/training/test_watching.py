"""A watched training step: its parts, its arrays, and that it changes nothing."""

from dataclasses import replace

import numpy as np
import pytest

from gan.objectives.objectives import Relativistic
from gan.objectives.penalties import OneCentered, ZeroCentered
from gan.training.rehearsal import rehearse
from gan.training.step.watching import D_UPDATE, G_UPDATE, PENALTY, watch_step
from nn import Dense, LeakyReLU, Sequential
from nn.errors import DeviceMemoryError
from tests.support.small import TINY, TINY_BATCHNORM, trainer, weights

RECIPES = {
    "dropout": replace(TINY, ema_decay=0.9, clip_norm=1.0),
    "batchnorm": TINY_BATCHNORM,
    "penalty": replace(
        TINY,
        make_discriminator=lambda n: Sequential(Dense(784, 5), LeakyReLU(0.2), Dense(5, n)),
        penalty=ZeroCentered(1.0, every=2),
        fresh_noise=False,
    ),
    "own pass": replace(TINY, penalty=OneCentered()),
    "pairs and n_critic": replace(TINY, objective=Relativistic(), n_critic=2),
    "clusters": replace(TINY, clusters=3),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_watched_step_has_the_same_bytes(name):
    watched, plain = (trainer(RECIPES[name], device="numpy", capture=False) for _ in range(2))
    for number in range(3):
        step = watched.adversarial_step
        classes = step.conditioning.labels
        watched.batches.gather(number, out=step.real_rows, class_onehot=classes)
        log = {key: np.zeros(1, np.float32) for key in watched.log.epoch.columns}
        assert watch_step(step, log, number)
        plain.step()
        row = plain.log.ring[number]
        assert np.array_equal(np.concatenate(list(log.values())), row)
    assert weights(watched) == weights(plain)


def test_a_step_that_is_recorded_as_a_program_is_watched_too():
    one, other = trainer(), trainer()
    one.fit(steps=23)
    other.fit(steps=23)
    rehearse(one)
    one.fit(steps=2)
    other.fit(steps=2)
    assert weights(one) == weights(other)
    assert one.train_step.programs.keys() == other.train_step.programs.keys()
    assert one.train_step.warm_up == other.train_step.warm_up


@pytest.mark.parametrize("name", RECIPES)
def test_a_rehearsed_step_is_the_next_one_and_leaves_the_trainer_as_it_was(name):
    rehearsed, plain = (trainer(RECIPES[name], device="numpy") for _ in range(2))
    for _ in range(3):
        found = rehearse(rehearsed)
        assert weights(rehearsed) == weights(plain)
        rehearsed.step()
        plain.step()
        assert found.step_number == plain.step_count - 1
        updates = [event for event in found.events if event.what == "step"]
        for event in updates:
            assert np.array_equal(event.arrays["W_after"], event.of.W)
    assert weights(rehearsed) == weights(plain)
    assert list(found.log.values()) == rehearsed.log.ring[0].tolist()


def test_the_parts_of_a_step_come_in_order():
    events = rehearse(trainer(RECIPES["penalty"], device="numpy")).events
    parts = list(dict.fromkeys(event.within[:1] for event in events))
    assert parts == [(), (D_UPDATE,), (G_UPDATE,)]
    found = {event.what: event for event in events if event.what not in ("forward", "backward")}
    assert list(found) == [
        *("batch", "noise", "discriminator_loss", "double_backward", "penalty", "step"),
        "generator_loss",
    ]
    losses = found["discriminator_loss"].arrays
    p = 1 / (1 + np.exp(-losses["real"]))
    assert np.allclose(losses["dreal"], (p - 1) / 8, atol=1e-6)
    assert losses["d_loss_real"][0] == pytest.approx(-np.log(p).mean(), rel=1e-5)
    slopes = [e for e in events if PENALTY in e.within and e.what == "backward"]
    assert [event.of.path for event in slopes] == ["D.2", "D.1", "D.0"]
    g = slopes[-1].arrays["dx"]
    value = 2 * 0.5 * 2 * (g.reshape(16, -1) ** 2).sum(axis=1).mean()  # every=2, R1 and R2
    assert found["penalty"].arrays["penalty"][0] == pytest.approx(value, rel=1e-5)
    frozen = [e for e in events if e.within[:1] == (G_UPDATE,) and "D.backward" in e.within]
    assert len(frozen) == 3 and all(set(event.arrays) == {"dy", "dx"} for event in frozen)


def test_a_rehearsal_with_too_much_to_copy_leaves_the_trainer_as_it_was():
    one, other = trainer(device="numpy"), trainer(device="numpy")
    with pytest.raises(DeviceMemoryError, match="take a smaller batch"):
        rehearse(one, max_bytes=100_000)
    one.step()
    other.step()
    assert weights(one) == weights(other)
