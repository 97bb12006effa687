"""The trainer: seeds, length, callbacks, copies, divergence and memory."""

import copy
import pickle
import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gan.data.image_shapes import POINTS
from gan.data.points.point_set import PointSet
from gan.data.stacked import StackedDigits, random_triples
from gan.errors import RunError
from gan.recipe import Recipe
from gan.recipes import RECIPES, STACKED_DIGITS
from gan.training.callback import Callback
from gan.training.recording import schedule, stopwatch
from gan.training.setup import N_FIXED
from gan.training.snapshot import Snapshot
from gan.training.step.adversarial_step import AdversarialStep
from gan.training.trainer import LOG_EVERY, Trainer
from nn import Dense, DeviceMemoryError, Dropout, Layer, LeakyReLU, Sequential, ShapeError, Tanh
from nn.ops import get_ops
from tests.support.small import (
    BATCH,
    STEPS_PER_EPOCH,
    TINY,
    TINY_BATCHNORM,
    digits,
    held,
    trainer,
    weights,
)


class Watcher(Callback):
    """Records what the callbacks receive."""

    def __init__(self):
        self.logs, self.records, self.epochs = [], [], []

    def on_log(self, trainer, record):
        self.logs.append(record)

    def on_record(self, trainer, record):
        self.records.append(record)

    def on_epoch(self, trainer, record):
        self.epochs.append(record)


@pytest.fixture
def two_records(monkeypatch):
    """Two even records a run, instead of 60; a short run would have one per step."""
    monkeypatch.setattr(schedule, "RECORDS", 2)


# ---- seeds


@pytest.mark.parametrize("recipe", [TINY, TINY_BATCHNORM])
def test_equal_seeds_give_equal_bytes(recipe):
    a, b, c = (trainer(recipe, seed=seed) for seed in (1, 1, 2))
    assert weights(a) == weights(b) != weights(c)
    histories = [t.fit(steps=7) for t in (a, b, c)]
    assert weights(a) == weights(b) != weights(c)
    assert histories[0][0]["g_loss"] == histories[1][0]["g_loss"] != histories[2][0]["g_loss"]


def real_batches(t, n=3):
    batches = []
    for _ in range(n):
        t.step()
        batches.append(t.adversarial_step.real_rows.copy())
    return np.stack(batches)


def test_streams_are_independent_of_each_others_draws():
    """More dropout or a larger batch changes no other stream."""
    plain, dropping = (
        trainer(),
        trainer(replace(TINY, make_discriminator=lambda n_out: more_dropout(TINY.discriminator()))),
    )
    assert np.array_equal(plain.fixed_inputs, dropping.fixed_inputs)
    assert np.array_equal(real_batches(plain), real_batches(dropping))
    assert np.array_equal(
        plain.adversarial_step.conditioning.noise, dropping.adversarial_step.conditioning.noise
    )

    plain, longer = trainer(), trainer(batch_size=16)
    assert weights(plain) == weights(longer)
    assert np.array_equal(plain.fixed_inputs, longer.fixed_inputs)


def more_dropout(network):
    return Sequential(*network.layers[:2], Dropout(0.1), *network.layers[2:])


def test_the_streams_differ_from_each_other(monkeypatch):
    backend = type(get_ops())
    seeds, stream = [], backend.stream
    monkeypatch.setattr(
        backend,
        "stream",
        lambda self, seed: seeds.append(tuple(seed.generate_state(4))) or stream(self, seed),
    )
    t = trainer(
        generator=Sequential(Dense(4, 784)), discriminator=Sequential(Dense(784, 4), Dense(4, 1))
    )
    # of the data order, noise, fixed noise, dropout in G and dropout in D
    assert len(seeds) == len(set(seeds)) == 5
    assert abs(np.corrcoef(t.generator[0].W.ravel(), t.discriminator[0].W.ravel())[0, 1]) < 0.1


def test_fixed_noise_is_fixed_and_training_noise_is_not():
    t = trainer()
    fixed, first = t.fixed_inputs.copy(), t.fixed_samples()
    assert fixed.shape == (N_FIXED, 4)
    drawn = []
    for _ in range(3):
        t.step()
        drawn.append(t.adversarial_step.conditioning.noise.copy())
    assert len(np.unique(drawn)) == 3 * BATCH * 4
    assert np.array_equal(t.fixed_inputs, fixed)
    assert not np.array_equal(t.fixed_samples(), first)


def test_fixed_samples_use_the_fixed_inputs_in_evaluation_mode():
    t = trainer()
    t.fit(steps=2)
    images = t.fixed_samples()
    assert images.dtype == np.float32 and 0 <= images.min() < images.max() <= 1
    assert np.array_equal(images, t.fixed_samples())  # no dropout
    assert np.allclose(images, (t.generator(t.fixed_inputs) + 1) / 2, atol=1e-6)


def test_sampling_does_not_change_training():
    plain, looking = trainer(TINY_BATCHNORM), trainer(TINY_BATCHNORM)
    for _ in range(3):
        plain.step()
        looking.step()
        looking.fixed_samples()
    assert weights(plain) == weights(looking)


# ---- length


def test_epochs_and_their_records():
    t, watcher = trainer(), Watcher()
    history = t.fit(epochs=2, callbacks=[watcher])
    assert t.steps_per_epoch == STEPS_PER_EPOCH
    assert [record["step"] for record in history] == list(range(1, 11)) and t.step_count == 10
    assert [record["epoch"] for record in history] == [1] * 5 + [2] * 5
    assert watcher.records == history
    assert [(r["epoch"], r["step"]) for r in watcher.epochs] == [(1, 5), (2, 10)]
    names = {
        "epoch",
        "step",
        "seconds",
        "images_per_second",
        "d_loss",
        "d_loss_real",
        "d_loss_fake",
        "g_loss",
        "d_real",
        "d_fake",
        "penalty",
    }
    for record, n_steps in [(r, 1) for r in history] + [(r, 5) for r in watcher.epochs]:
        assert set(record) == names
        assert record["seconds"] > 0
        assert np.isclose(record["images_per_second"], n_steps * BATCH / record["seconds"])
        assert 0 < record["d_real"] < 1 and 0 < record["d_fake"] < 1
    for name in names - {"epoch", "step", "seconds", "images_per_second"}:
        assert np.isclose(watcher.epochs[1][name], np.mean([r[name] for r in history[5:]]))


def test_a_record_has_the_means_since_the_last_record_in_any_epoch(two_records):
    t, each_step, watcher = trainer(), trainer(), Watcher()
    history = t.fit(steps=12, callbacks=[watcher])
    assert [(r["epoch"], r["step"]) for r in history] == [(1, 1), (1, 2), (1, 4), (2, 6), (3, 12)]
    assert [r["step"] for r in watcher.epochs] == [5, 10, 12]
    assert sum(r["seconds"] for r in history) <= t.seconds
    steps = [row for _ in range(12) for row in each_step.fit(steps=1)]
    assert weights(t) == weights(each_step)
    first = 0
    for record in history:
        want = [row["g_loss"] for row in steps[first : record["step"]]]
        assert np.isclose(record["g_loss"], np.mean(want), rtol=1e-12)
        speed = len(want) * BATCH / record["seconds"]
        assert np.isclose(record["images_per_second"], speed)
        first = record["step"]


def test_epochs_end_with_a_record_if_a_callback_needs_one(two_records):
    watcher = Watcher()
    watcher.record_epochs = True
    steps = [r["step"] for r in trainer().fit(steps=12, callbacks=[watcher])]
    assert steps == [1, 2, 4, 5, 6, 10, 12]


def test_callbacks_come_in_order_and_know_whether_a_record_follows(two_records):
    calls = []

    class Ordered(Callback):
        def on_log(self, trainer, record):
            calls.append((record["step"], "log", trainer.record_due))

        def on_record(self, trainer, record):
            calls.append((record["step"], "record", trainer.records.start))

        def on_epoch(self, trainer, record):
            calls.append((record["step"], "epoch"))

    trainer().fit(steps=10, callbacks=[Ordered()])
    assert calls[-5:] == [
        (5, "record", 4),
        (5, "epoch"),
        (10, "log", True),
        (10, "record", 5),
        (10, "epoch"),
    ]
    calls.clear()
    trainer().fit(steps=12, callbacks=[Ordered()])
    assert (5, "log", False) in calls and (5, "epoch") in calls


def test_default_length_is_the_recipes():
    assert trainer().fit()[-1]["epoch"] == TINY.epochs == 2
    assert trainer(replace(TINY, epochs=None, steps=7)).fit()[-1]["step"] == 7


def test_steps_may_end_within_an_epoch():
    t, watcher = trainer(), Watcher()
    assert t.fit(steps=7, callbacks=[watcher])[-1]["step"] == 7
    assert [(r["epoch"], r["step"]) for r in watcher.epochs] == [(1, 5), (2, 7)]
    assert [r["step"] for r in watcher.logs] == list(range(1, 8))


def test_the_first_limit_reached_ends_training():
    assert trainer().fit(epochs=1, steps=8)[-1]["step"] == 5
    assert trainer().fit(epochs=2, steps=3)[-1]["step"] == 3
    assert trainer().fit(steps=3, minutes=60)[-1]["step"] == 3


def test_minutes_end_after_the_step_that_passes_them(monkeypatch):
    now = [0.0]
    t = trainer()
    step = t.step
    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(t, "step", lambda: (step(), now.__setitem__(0, now[0] + 7)))
    history = t.fit(minutes=0.4)
    # Four steps of 7 seconds are the first to pass 24 seconds.
    assert history[-1]["step"] == t.step_count == 4 < STEPS_PER_EPOCH
    assert [r["step"] for r in history] == [1, 2, 3, 4]  # one every 0.4 seconds
    assert [r["seconds"] for r in history] == [7] * 4


def test_fit_continues_where_it_ended():
    once, twice, watcher = trainer(), trainer(), Watcher()
    once.fit(steps=12)
    twice.fit(steps=7)
    history = twice.fit(steps=5, callbacks=[watcher])
    assert [r["step"] for r in history] == [8, 9, 10, 11, 12]
    assert [(r["epoch"], r["step"]) for r in watcher.epochs] == [(2, 10), (3, 12)]
    assert weights(once) == weights(twice)


@pytest.mark.parametrize(
    "length",
    [{"epochs": 0}, {"steps": -1}, {"minutes": 0}, {"minutes": float("nan")}, {"steps": "3"}],
)
def test_an_invalid_length_is_named(length):
    (name,) = length
    with pytest.raises(RunError, match=f"{name}: expected a number above 0"):
        trainer().fit(**length)


def test_the_log_is_read_when_it_is_full_at_records_and_at_the_end_of_an_epoch(two_records):
    t, watcher = trainer(images=digits(70), batch_size=1), Watcher()
    t.fit(epochs=3, callbacks=[watcher])
    powers_of_two = [1, 2, 4, 8, 16, 32, 64]
    assert [r["step"] for r in watcher.records] == [*powers_of_two, 105, 210]
    assert [r["step"] for r in watcher.logs] == [*powers_of_two, 70, 105, 140, 190, 210]
    assert LOG_EVERY == 50


@pytest.mark.parametrize("where", ["on_log", "on_record", "on_epoch"])
@pytest.mark.parametrize("stop", [2, 5, 20])
def test_stop_in_a_callback_ends_after_the_step_with_its_record(where, stop, two_records):
    class Stopper(Watcher):
        def on_log(self, trainer, record):
            super().on_log(trainer, record)
            self.stop(trainer, "on_log")

        def on_record(self, trainer, record):
            super().on_record(trainer, record)
            self.stop(trainer, "on_record")

        def on_epoch(self, trainer, record):
            super().on_epoch(trainer, record)
            self.stop(trainer, "on_epoch")

        def stop(self, trainer, method):
            if method == where and trainer.step_count >= stop:
                trainer.stop()

    t, stopper = trainer(), Stopper()
    history = t.fit(epochs=9, callbacks=[stopper])
    expected = {"on_epoch": {2: 5}, "on_record": {5: 8, 20: 23}}.get(where, {}).get(stop, stop)
    assert t.step_count == history[-1]["step"] == expected
    assert stopper.records == history
    for records in (stopper.logs, stopper.records, stopper.epochs):
        steps = [r["step"] for r in records]
        assert steps[-1] == expected and len(set(steps)) == len(steps)
    plain = trainer()
    plain.fit(steps=expected)
    assert weights(t) == weights(plain)


def test_a_record_that_stop_makes_early_is_continued(two_records):
    once, stopped, watcher = trainer(), trainer(), Watcher()
    wanted = once.fit(steps=24)
    watcher.on_record = lambda trainer, record: watcher.records.append(trainer.records.start)
    step = stopped.step
    stopped.step = lambda: (step(), stopped.step_count == 10 and stopped.stop())
    early = stopped.fit(steps=24, callbacks=[watcher])
    assert [r["step"] for r in early] == [1, 2, 4, 8, 10]
    continued = stopped.fit(steps=14, callbacks=[watcher])
    assert [r["step"] for r in continued] == [12, 24]
    assert watcher.records == [0, 1, 2, 4, 8, 8, 12]
    for got, want in zip(continued, wanted[-2:], strict=True):
        assert np.isclose(got["g_loss"], want["g_loss"], rtol=1e-12)


def test_stop_within_an_epoch():
    t, watcher = trainer(), Watcher()
    step = t.step

    def third_is_the_last():
        step()
        if t.step_count == 3:
            t.stop()

    t.step = third_is_the_last
    history = t.fit(epochs=9, callbacks=[watcher])
    assert history[-1]["step"] == 3 and watcher.records == history
    (epoch,) = watcher.epochs
    assert (epoch["epoch"], epoch["step"]) == (1, 3)


def test_a_stop_before_fit_ends_the_next_fit_only():
    t = trainer()
    t.stop()
    assert t.fit(steps=3) == [] and t.step_count == 0
    assert t.fit(steps=3)[-1]["step"] == 3


# ---- callbacks


@pytest.mark.parametrize(
    "given", [iter, tuple, list, dict.fromkeys, lambda callbacks: (c for c in callbacks)]
)
def test_callbacks_come_in_any_iterable(given):
    a, b = Watcher(), Watcher()
    trainer().fit(steps=7, callbacks=given([a, b]))
    for watcher in (a, b):
        assert [r["step"] for r in watcher.epochs] == [5, 7]
        assert (
            [r["step"] for r in watcher.logs]
            == [r["step"] for r in watcher.records]
            == list(range(1, 8))
        )


@pytest.mark.parametrize(
    "callbacks, words",
    [
        ([print], "got <built-in function print> in it"),
        ([Watcher], "got <class .*Watcher'> in it"),
        ([None], "got None in it"),
        (Watcher(), "got one, .*put it into a list"),
        (None, "got None"),
        (3, "got 3"),
        (Watcher, "got <class"),
    ],
)
def test_anything_but_a_list_of_callbacks_is_refused(callbacks, words):
    t = trainer()
    with pytest.raises(RunError, match=f"callbacks: expected a list of Callback objects, {words}"):
        t.fit(steps=1, callbacks=callbacks)
    assert t.step_count == 0 and t.fit(steps=1)[-1]["step"] == 1


class Failing(Callback):
    """Raises in one of its methods, the first time."""

    def __init__(self, where):
        self.where, self.left = where, 1

    def _fail(self):
        if self.left:
            self.left -= 1
            raise OSError("the disk is full")

    def on_start(self, trainer):
        if self.where == "start":
            self._fail()

    def on_log(self, trainer, record):
        if self.where == "log":
            self._fail()

    def on_record(self, trainer, record):
        if self.where == "record":
            self._fail()

    def on_epoch(self, trainer, record):
        if self.where == "epoch":
            self._fail()


@pytest.mark.parametrize("where, steps", [("start", 0), ("log", 1), ("record", 1), ("epoch", 5)])
def test_training_continues_after_an_error_in_a_callback(where, steps):
    """The weights and the means are the same; the first record includes one that was lost."""
    plain, failed, failing = trainer(), trainer(), Failing(where)
    watchers = Watcher(), Watcher()
    wanted = plain.fit(steps=12, callbacks=[watchers[0]])
    with pytest.raises(OSError, match="the disk is full"):
        failed.fit(steps=12, callbacks=[failing])
    assert failed.step_count == steps
    history = failed.fit(steps=12 - steps, callbacks=[failing, watchers[1]])
    assert weights(failed) == weights(plain)
    timeless = {"seconds": 0, "images_per_second": 0}
    wanted, got = wanted[steps:], list(history)
    if where == "log":
        got, wanted = got[1:], wanted[1:]
        assert failed.records.start == 11 and history[0]["step"] == 2
    n_epochs = len(watchers[1].epochs)
    assert n_epochs == (2 if where == "epoch" else 3)
    got, wanted = got + watchers[1].epochs, wanted + watchers[0].epochs[-n_epochs:]
    assert [r | timeless for r in got] == [r | timeless for r in wanted]
    assert failed.seconds > 0 and history[0]["seconds"] < failed.seconds


@pytest.mark.parametrize(
    "method, calls", [("on_start", 1), ("on_log", 3), ("on_record", 3), ("on_epoch", 1)]
)
def test_nested_fit_is_refused(method, calls):
    errors, callback, t = [], Callback(), trainer()

    def again(trainer, record=None):
        with pytest.raises(RunError, match="fit: expected one call at a time") as error:
            trainer.fit(steps=100)
        errors.append(error)

    setattr(callback, method, again)
    assert (
        t.fit(steps=3, callbacks=[callback])[-1]["step"] == t.step_count == 3
        and len(errors) == calls
    )
    assert t.fit(steps=1)[-1]["step"] == 4


# ---- reported losses


def test_the_losses_reported_are_the_cross_entropies():
    """Epoch means against probabilities from the weights at the start of each step."""
    plain = replace(
        TINY,
        make_generator=lambda n_in: Sequential(Dense(n_in, 784), Tanh()),
        make_discriminator=lambda n_out: Sequential(Dense(784, 5), LeakyReLU(0.2), Dense(5, n_out)),
    )
    t, wanted = trainer(plain), []
    step = t.step

    def recorded():
        update_generator = t.adversarial_step.update_generator

        def after_d(log):
            p_real, p_fake = (
                probability(before(images))
                for images in (t.adversarial_step.real, t.adversarial_step.fake)
            )
            G = Sequential(*plain.generator()).build(seed=0)
            G.parameters.value.flat[...] = t.generator.parameters.value.flat
            update_generator(log)
            p = probability(t.discriminator(G(t.adversarial_step.conditioning.noise)))
            wanted.append(
                [
                    -np.log(p_real).mean(),
                    -np.log(1 - p_fake).mean(),
                    -np.log(p).mean(),
                    p_real.mean(),
                    p_fake.mean(),
                ]
            )

        before = Sequential(*plain.discriminator()).build(seed=0)
        before.parameters.value.flat[...] = t.discriminator.parameters.value.flat
        t.adversarial_step.update_generator = after_d
        step()
        t.adversarial_step.update_generator = update_generator

    t.step, watcher = recorded, Watcher()
    t.fit(epochs=1, callbacks=[watcher])
    (record,) = watcher.epochs
    want = np.mean(wanted, axis=0)
    got = [record[name] for name in ("d_loss_real", "d_loss_fake", "g_loss", "d_real", "d_fake")]
    assert np.allclose(got, want, rtol=1e-5)
    assert np.isclose(record["d_loss"], want[0] + want[1], rtol=1e-5)


def probability(logits):
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


# ---- invalid arguments


@pytest.mark.parametrize(
    "images, words",
    [
        (digits().astype(np.float32), "images.*uint8.*float32"),
        (
            digits(pixels=100),
            r"images: expected shape \(N, 784\), .*, got \(N, 100\); reshape",
        ),
        (digits(7), "batch size: expected 1 to 7.*8"),
        (digits()[:0], "images: expected at least one image"),
    ],
)
def test_images_that_do_not_fit_are_named(images, words):
    with pytest.raises(RunError, match=words):
        trainer(images=images)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"batch_size": 0}, "batch size"),
        ({"batch_size": 44}, "batch size.*43.*44"),
        ({"learning_rate": 0.0}, "learning rate.*above 0"),
        ({"learning_rate": float("nan")}, "learning rate"),
        ({"learning_rate": "0.1"}, "learning rate.*got '0.1'"),
    ],
)
def test_invalid_settings_are_named(settings, words):
    with pytest.raises(RunError, match=words):
        trainer(**settings)


def test_a_batch_as_large_as_the_data_is_an_epoch():
    assert [r["step"] for r in trainer(batch_size=43).fit(epochs=2)] == [1, 2]


def test_settings_replace_the_recipes():
    t = trainer(batch_size=16, learning_rate=0.5)
    assert t.steps_per_epoch == 2
    assert (
        t.adversarial_step.g_optimizer.learning_rate
        == t.adversarial_step.d_optimizer.learning_rate
        == 0.5
    )
    assert trainer().adversarial_step.g_optimizer.learning_rate == TINY.learning_rate


@pytest.mark.parametrize("rate", [0.3, np.float32(0.3), 1])
def test_learning_rate_takes_effect_at_the_next_step(rate):
    """As in a trainer that had this rate from the start and loads the state."""
    t, other = trainer(), trainer(learning_rate=rate)
    t.fit(steps=3)
    other.load_state_dict(t.state_dict())
    t.learning_rate = rate
    assert t.learning_rate == rate and type(t.learning_rate) is float
    for each in (t, other):
        each.fit(steps=4)
    assert weights(t) == weights(other)
    unchanged = trainer()
    unchanged.fit(steps=7)
    assert weights(unchanged) != weights(t)


def test_a_callback_may_set_the_learning_rate():
    class Halving(Callback):
        def on_epoch(self, trainer, record):
            trainer.learning_rate /= 2

    t = trainer()
    t.fit(epochs=2, callbacks=[Halving()])
    assert t.learning_rate == TINY.learning_rate / 4
    assert {
        optimizer.step_state[1]
        for optimizer in (t.adversarial_step.g_optimizer, t.adversarial_step.d_optimizer)
    } == {t.learning_rate}


@pytest.mark.parametrize("rate", [0, -1.0, float("nan"), float("inf"), "0.1", None, [0.1]])
def test_invalid_learning_rate_is_refused_and_changes_nothing(rate):
    t = trainer()
    with pytest.raises(RunError, match="learning rate: expected a finite number above 0, got"):
        t.learning_rate = rate
    assert (
        t.learning_rate
        == t.adversarial_step.g_optimizer.learning_rate
        == t.adversarial_step.d_optimizer.step_state[1]
        == TINY.learning_rate
    )


def test_last_good_step_is_restored_with_the_current_learning_rate():
    t = trainer()
    t.fit(steps=5)
    t.learning_rate = 0.25
    t.discriminator.parameters.value.flat[0] = np.nan
    with pytest.raises(RunError, match="those of step 5.*learning rate"):
        t.fit(steps=1)
    assert (
        t.learning_rate == 0.25
        and t.adversarial_step.g_optimizer.step_state.tolist()
        == t.adversarial_step.d_optimizer.step_state.tolist()
        == [5, 0.25]
    )


@pytest.mark.parametrize(
    "name",
    ["recipe", "batch_size", "generator", "discriminator", "generator_ema", "ops", "cluster_ids"],
)
def test_attributes_that_a_trainer_is_built_from_are_read_only(name):
    t = trainer()
    before = getattr(t, name)
    with pytest.raises(AttributeError, match=name):
        setattr(t, name, before)
    assert getattr(t, name) is before


# ---- copies and threads


def test_copying_a_trainer_is_refused():
    t = trainer()
    for thing in (t, t.adversarial_step, t.log, Snapshot(t.ops, [])):
        for make in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(
                RunError, match=f"{type(thing).__name__}: cannot be copied or pickled"
            ):
                make(thing)
    with pytest.raises(RunError, match=r"second\.load_state_dict\(first\.state_dict\(\)\)"):
        copy.deepcopy([t])


def test_the_remedy_in_the_error_gives_a_whole_copy():
    first, plain = trainer(TINY_BATCHNORM), trainer(TINY_BATCHNORM)
    first.fit(steps=7)
    second = trainer(TINY_BATCHNORM)
    second.load_state_dict(first.state_dict())
    before = weights(first)
    second.fit(steps=5)
    assert weights(first) == before  # independent
    plain.fit(steps=12)
    assert weights(second) == weights(plain)


# ---- custom networks


def test_custom_networks_built_or_not():
    described, built = (
        TINY_BATCHNORM.generator(),
        TINY_BATCHNORM.discriminator().build(seed=9, name="mine"),
    )
    before = held(built)
    t = trainer(generator=described, discriminator=built)
    assert t.generator is described and t.discriminator is built and held(built) == before
    t.fit(steps=2)
    assert held(built) != before


def test_networks_in_float64_train_in_float64():
    G, D = (make().build(seed=1, dtype="float64") for make in (TINY.generator, TINY.discriminator))
    t = trainer(generator=G, discriminator=D)
    t.fit(steps=2)
    assert t.fixed_inputs.dtype == t.adversarial_step.images.dtype == np.float64


@pytest.mark.parametrize(
    "networks, error, words",
    [
        ({"discriminator": Sequential(Dense(100, 1))}, ShapeError, "Dense 'D.0'.*100.*784"),
        ({"generator": Sequential(Dense(5, 784))}, ShapeError, "Dense 'G.0'.*5.*4"),
        ({"discriminator": Sequential(Dense(784, 3))}, RunError, "one output per image.*3"),
    ],
)
def test_networks_that_do_not_fit_are_named(networks, error, words):
    with pytest.raises(error, match=words):
        trainer(**networks)


def test_a_network_on_another_device_is_named():
    D = TINY.discriminator().build(seed=1)
    D.ops.device = "elsewhere"
    with pytest.raises(RunError, match="network D: expected it on cpu.*elsewhere"):
        trainer(discriminator=D)


# ---- divergence


@pytest.mark.parametrize("recipe", [TINY, TINY_BATCHNORM])
def test_divergence_names_the_step_and_restores_the_weights(recipe):
    t, watcher = trainer(recipe, learning_rate=1e30), Watcher()
    before = weights(t)
    with pytest.raises(
        RunError, match=r"step [12]: .*weights are those of step 0.*; try a learning rate of 0.001"
    ):
        t.fit(epochs=1, callbacks=[watcher])
    assert weights(t) == before and watcher.logs == watcher.epochs == []


def test_the_last_good_weights_are_restored():
    t = trainer(TINY_BATCHNORM)
    t.fit(steps=5)
    good = weights(t)
    t.step()
    t.discriminator.parameters.value.flat[0] = np.nan
    with pytest.raises(RunError, match="step 7: .*weights are those of step 5,"):
        t.fit(steps=3)
    assert weights(t) == good


def test_running_out_of_memory_later_restores_the_last_good_step(monkeypatch, two_records):
    t, step = trainer(), AdversarialStep.__call__
    t.fit(steps=5)
    good = weights(t)

    def out_of_memory(self, log, number=0):
        if number == 7:  # step 6 has no record
            raise DeviceMemoryError("none is left")
        step(self, log, number)

    monkeypatch.setattr(AdversarialStep, "__call__", out_of_memory)
    with pytest.raises(DeviceMemoryError, match="none is left.*a batch of 4 fits"):
        t.fit(steps=50)
    assert weights(t) == good and t.step_count == 5


def test_training_continues_from_the_last_good_step():
    t = trainer(TINY_BATCHNORM)
    t.fit(steps=5)
    optimizer = t.adversarial_step.d_optimizer
    state = {name: array.copy() for name, array in optimizer.state.items()}
    for _ in range(2):  # step count, optimizers and log are restored too
        optimizer.state["m"][:] = np.nan
        with pytest.raises(RunError, match="step 6: .*weights are those of step 5,"):
            t.fit(steps=1)
        assert t.step_count == 5
        for name, array in optimizer.state.items():
            np.testing.assert_array_equal(array, state[name])
    history = t.fit(steps=2)
    assert [r["step"] for r in history] == [6, 7] and np.isfinite(history[-1]["d_loss"])
    assert t.records.start == 6


def test_single_steps_continue_when_the_log_is_full():
    t = trainer(TINY)
    for _ in range(LOG_EVERY + 2):
        t.step()
    assert t.step_count == LOG_EVERY + 2


def test_a_recipe_or_a_network_of_another_type_is_refused():
    for recipe in (Recipe, None, 3, TINY.generator, "two-layer"):
        with pytest.raises(
            RunError, match="recipe: expected a Recipe, got .*get_recipe finds one by its name"
        ):
            Trainer(recipe, digits())
    with pytest.raises(RunError, match="network D: expected a Sequential, got Dense"):
        Trainer(RECIPES["two-layer"], np.zeros((64, 784), np.uint8), discriminator=Dense(784, 1))
    with pytest.raises(RunError, match=r"network G: expected a Sequential, got \[\]"):
        Trainer(RECIPES["two-layer"], np.zeros((64, 784), np.uint8), generator=[])


@pytest.mark.parametrize("buffer", ["value", "statistics"])
def test_a_nonfinite_weight_is_found_where_all_losses_are_finite(buffer):
    t = trainer(TINY_BATCHNORM)
    t.fit(steps=5)
    good = weights(t)
    step = t.step

    def poisoned():
        step()
        getattr(t.generator.parameters, buffer).flat[0] = np.inf

    t.step = poisoned
    with pytest.raises(RunError, match="step 6: .*weights are those of step 5,"):
        t.fit(steps=1)
    assert weights(t) == good


# ---- memory

SMALLEST_BATCH = 64 * 32 * 4  # bytes of the smallest output of a hidden layer in any recipe


def peaks_of_steps(t, n=3):
    """The memory that each of n steps takes at its peak, after warm-up."""
    with np.errstate():
        np.setbufsize(16)  # NumPy's buffers for conversions within a ufunc
        for _ in range(2):
            t.step()
        peaks = []
        tracemalloc.start()
        for _ in range(n):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            t.step()
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
        tracemalloc.stop()
    return peaks


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_allocates_no_array(name):
    recipe = RECIPES[name]
    n = (
        recipe.batch_size
        if recipe.generator().n_parameters + recipe.discriminator().n_parameters < 1e6
        else 16
    )
    images = np.random.default_rng(0).integers(0, 256, (3 * n, 784), np.uint8)
    if recipe.image_shape == POINTS:
        images = PointSet(images[:, :2])
    if recipe.image_shape == STACKED_DIGITS:
        images = StackedDigits(images, random_triples(3 * n, 3 * n, 0))
    t = Trainer(replace(recipe, batch_size=n), images, np.arange(3 * n) % 10)
    first, *others = peaks_of_steps(t)
    # The first of them grows Python's own lists of free objects.
    assert max(others) < SMALLEST_BATCH


class Wasteful(Layer):
    """The identity, copied into a new array."""

    def forward(self, x, cache, *, train=False):
        return x.copy()

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return dy


def test_the_allocation_test_detects_one_small_array():
    G = Sequential(Dense(4, 32), Wasteful(), Dense(32, 784))
    t = Trainer(replace(TINY, make_generator=lambda n_in: G, batch_size=64), digits(200))
    assert min(peaks_of_steps(t)) >= SMALLEST_BATCH
