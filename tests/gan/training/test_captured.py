"""Captured training: the bytes of uncaptured training, or none of it and a warning."""

import hashlib
import os
import threading
import warnings
from dataclasses import replace

import numpy as np
import pytest

from gan import recipes
from gan.data import stacked
from gan.data.clusters import ClusterIds
from gan.data.image_shapes import POINTS
from gan.errors import CaptureWarning
from gan.objectives.penalties import ZeroCentered
from gan.training.step import captured
from gan.training.trainer import Trainer
from nn import Dense, LeakyReLU, Sequential, Tanh
from tests.support.small import TINY, digits, trainer, weights

pytest.importorskip("numba")

BATCH, N = 4, 14  # an epoch of three steps leaves out two images


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Record the second step of each kind."""
    monkeypatch.setattr(captured, "WARM_UP", 2)


def small(name, capture):
    """A trainer of the recipe with small batches, and a penalty that is due in every third step."""
    recipe = replace(recipes.RECIPES[name], batch_size=BATCH)
    if isinstance(recipe.penalty, ZeroCentered):
        recipe = replace(recipe, penalty=replace(recipe.penalty, every=3))
    images = np.random.default_rng(0).integers(0, 256, (N, 28, 28), np.uint8)
    targets = np.arange(N) % max(recipe.num_classes, 1)
    if recipe.image_shape == POINTS:
        images = images[:, :1, :2]
    if recipe.image_shape == recipes.STACKED_DIGITS:
        images = stacked.StackedDigits(images, stacked.random_triples(N, N, seed=0))
    targets = ClusterIds(targets) if recipe.clusters else targets
    return Trainer(recipe, images, targets, seed=0, capture=capture)


def state(trained):
    arrays, rest = trained.state_dict()
    rest = {key: value for key, value in rest.items() if key != "seconds"}
    return {name: array.tobytes() for name, array in arrays.items()}, rest


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_captured_training_gives_the_same_bytes(name):
    """Across epochs, penalties, a changed learning rate, and a checkpoint."""
    plain, programmed = small(name, False), small(name, True)
    for t in (plain, programmed):
        t.fit(steps=10)
        t.learning_rate *= 0.5
        t.fit(steps=3)
    assert programmed.train_step.programs, "nothing was captured"
    assert state(programmed) == state(plain)
    kept = programmed.state_dict()
    plain.fit(steps=5)
    programmed.fit(steps=2)
    programmed.load_state_dict(kept)
    programmed.fit(steps=5)
    assert state(programmed) == state(plain)


def test_some_steps_without_an_update_of_the_generator():
    recipe = replace(TINY, n_critic=3)
    plain, programmed = (trainer(recipe, capture=capture) for capture in (False, True))
    for t in (plain, programmed):
        t.fit(steps=14)
    assert weights(plain) == weights(programmed)
    assert programmed.train_step.programs.keys() == {(False, False), (False, True)}


class Own(LeakyReLU):
    """A layer that the library does not know."""


class Capturable(Own):
    capturable = True


def with_layer(layer):
    make = lambda n_in: Sequential(Dense(n_in, 6), layer(0.2), Dense(6, 784), Tanh())  # noqa: E731
    return replace(TINY, make_generator=make)


def test_a_layer_of_the_users_own_is_not_captured():
    plain, programmed = (trainer(with_layer(Own), capture=capture) for capture in (False, True))
    plain.fit(steps=8)
    with pytest.warns(CaptureWarning, match=r"test_captured.Own .*`capturable = True`") as seen:
        programmed.fit(steps=8)
    assert len(seen) == 1
    assert weights(plain) == weights(programmed)
    assert not programmed.train_step.programs


def test_a_layer_may_declare_that_it_can_be_captured():
    plain, programmed = (
        trainer(with_layer(Capturable), capture=capture) for capture in (False, True)
    )
    for t in (plain, programmed):
        t.fit(steps=8)
    assert weights(plain) == weights(programmed)
    assert programmed.train_step.programs


class Frozen(Capturable):
    """Computes with NumPy, which no recorder sees."""

    capturable = True

    def forward(self, x, cache, *, train=False):
        y = super().forward(x, cache, train=train)
        y *= 1.5
        return y


def test_a_program_that_gives_other_results_is_not_used():
    plain, programmed = (trainer(with_layer(Frozen), capture=capture) for capture in (False, True))
    plain.fit(steps=8)
    with pytest.warns(CaptureWarning, match="gave other results"):
        programmed.fit(steps=8)
    assert weights(plain) == weights(programmed)


def test_what_is_replaced_is_recorded_again():
    plain, programmed = (trainer(capture=capture) for capture in (False, True))
    for t in (plain, programmed):
        t.fit(steps=6)
        t.adversarial_step.noise_stream = t.ops.stream(7)
        t.fit(steps=6)
    assert weights(plain) == weights(programmed)


CHANGES = {
    "beta1": lambda t: setattr(t.optimizers["G"], "beta1", 0.0),
    "eps": lambda t: setattr(t.optimizers["D"], "eps", 0.1),
    "weight_decay": lambda t: setattr(t.optimizers["G"], "weight_decay", 0.5),
    "clip_norm": lambda t: setattr(t.optimizers["D"], "clip_norm", 1e-5),
    "clip_value": lambda t: setattr(t.optimizers["D"], "clip_value", 1e-5),
    "dropout": lambda t: setattr(t.generator.layers[2], "p", 0.8),
    "slope": lambda t: setattr(t.generator.layers[1], "slope", 0.9),
    "a moment": lambda t: t.optimizers["G"].state.update(m=t.optimizers["G"].state["m"].copy()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_changed_by_hand_takes_effect(name):
    """And is recorded again, after a warm-up that is twice as long."""
    plain, programmed = (trainer(replace(TINY, clip_norm=1.0), capture=c) for c in (False, True))
    for t in (plain, programmed):
        t.fit(steps=6)
        CHANGES[name](t)
        t.fit(steps=4)
    assert weights(plain) == weights(programmed)
    assert not programmed.train_step.programs
    for t in (plain, programmed):
        t.fit(steps=3)
    assert weights(plain) == weights(programmed)
    assert programmed.train_step.programs


def test_a_schedule_is_no_reason_to_record_again():
    recipe = replace(TINY, schedule=lambda step: 1 / (1 + step))
    plain, programmed = (trainer(recipe, capture=capture) for capture in (False, True))
    for t in (plain, programmed):
        t.fit(steps=6)
    first = dict(programmed.train_step.programs)
    for t in (plain, programmed):
        t.fit(steps=6)
    assert first and programmed.train_step.programs == first
    assert weights(plain) == weights(programmed)


def test_a_setting_that_changes_in_each_step_costs_few_recordings(monkeypatch):
    t, recorded = trainer(), []
    ops = t.adversarial_step.ops
    record = ops.capture
    monkeypatch.setattr(ops, "capture", lambda step: recorded.append(step) or record(step))
    for i in range(60):
        t.generator.layers[2].p = 0.3 + 0.01 * (i % 2)
        t.step()
    assert 2 <= len(recorded) <= 5


def test_captured_trainings_in_two_threads():
    alone, together = ([trainer(seed=s, capture=c) for s in (0, 1)] for c in (False, True))
    for t in alone:
        t.fit(steps=30)
    threads = [threading.Thread(target=t.fit, kwargs={"steps": 30}) for t in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(t.train_step.programs for t in together)
    assert list(map(weights, together)) == list(map(weights, alone))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_goes_on_with_the_programs():
    t = trainer()
    t.fit(steps=8)
    out, into = os.pipe()
    if not (child := os.fork()):
        try:
            t.fit(steps=4)
            os.write(into, hashlib.sha256(weights(t)).digest())
        finally:
            os._exit(0)
    os.close(into)
    t.fit(steps=4)
    with os.fdopen(out, "rb") as pipe:
        assert pipe.read() == hashlib.sha256(weights(t)).digest()
    os.waitpid(child, 0)


def test_training_without_capture():
    t = trainer(capture=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        t.fit(steps=8)
    assert t.train_step is t.adversarial_step


def test_a_nan_ends_captured_training_at_the_last_good_step():
    t = trainer(images=digits(), learning_rate=0.01)
    t.fit(steps=8)
    kept = weights(t)
    t.learning_rate = 1e30
    with pytest.raises(Exception, match="no longer finite"):
        t.fit(steps=60)
    assert weights(t) == kept
    t.learning_rate = 0.01
    t.fit(steps=2)
