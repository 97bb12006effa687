"""A trainer that continues from a checkpoint gets the same bytes as an uninterrupted one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan.data.clusters import ClusterIds
from gan.data.stacked import StackedDigits, random_triples
from gan.errors import RunError
from gan.objectives.objectives import Relativistic
from gan.objectives.penalties import OneCentered, ZeroCentered
from gan.runs.checkpoint import COLUMNS, Checkpoint, read_checkpoint, write_checkpoint
from gan.runs.resume import digest
from gan.training.callback import Callback
from gan.training.trainer import LOG_EVERY
from nn import (
    Conv2d,
    Cutout,
    Dense,
    Flatten,
    LeakyReLU,
    RandomShift,
    Sequential,
    SpectralNorm,
    WeightsError,
)
from tests import oracles
from tests.support.small import (
    STEPS_PER_EPOCH,
    TINY,
    TINY_BATCHNORM,
    digits,
    disk_is_full,
    held,
    trainer,
    weights,
)
from tests.support.tools import assert_close


def discriminator(n_out):
    return Sequential(Dense(784, 5), LeakyReLU(0.2), Dense(5, n_out))


def augmented(n_out):
    first = (RandomShift(2), Cutout(5), SpectralNorm(Conv2d(1, 2, 4, stride=4)), LeakyReLU(0.2))
    return Sequential(*first, Flatten(), Dense(98, n_out), input_shape=(1, 28, 28))


def generator(n_in):
    return Sequential(Dense(n_in, 6), LeakyReLU(0.2), Dense(6, 784))


RECIPES = {
    "dropout": TINY,
    "batch norm, average": replace(TINY_BATCHNORM, ema_decay=0.9),
    "lazy penalty": replace(
        TINY,
        make_discriminator=discriminator,
        penalty=ZeroCentered(1.0, every=3),
        fresh_noise=False,
    ),
    "penalty with its own draws": replace(
        TINY,
        make_discriminator=discriminator,
        penalty=OneCentered(every=2),
        objective=Relativistic(),
    ),
    "classes": replace(
        TINY, make_generator=generator, make_discriminator=discriminator, classes=10, ema_decay=0.99
    ),
    "clusters": replace(
        TINY, make_generator=generator, make_discriminator=discriminator, clusters=7
    ),
    "augmentation, spectral norm": replace(
        TINY,
        make_generator=lambda n_in: Sequential(
            Dense(n_in, 784), *TINY.generator()[4:], *reshaped()
        ),
        make_discriminator=augmented,
    ),
}


def reshaped():
    from nn import Reshape

    return (Reshape((1, 28, 28)),)


def new(recipe, clusters=None):
    labels = np.arange(43) % 10 if recipe.classes else None
    return trainer(recipe, labels=labels if clusters is None else ClusterIds(clusters), seed=3)


def everything(t):
    """A whole state: bytes of the arrays, the rest, and bytes of the moving average."""
    arrays, rest = t.state_dict()
    rest.pop("seconds")
    return {name: array.tobytes() for name, array in arrays.items()}, rest, held(t.generator_ema)


def through_a_file(t, path):
    """The checkpoint of a trainer, written to a file and read again."""
    write_checkpoint(path, a_checkpoint(t))
    return read_checkpoint(path)


def a_checkpoint(t):
    arrays, rest = t.state_dict()
    return Checkpoint({"seed": 3}, None, arrays, rest, {}, t.cluster_ids, [], None)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize(
    "first", [1, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 2, 2 * STEPS_PER_EPOCH + 4]
)
def test_the_bytes_equal_those_of_an_uninterrupted_run(tmp_path, name, first):
    once, before = new(RECIPES[name]), new(RECIPES[name])
    once.fit(steps=17)
    before.fit(steps=first)
    checkpoint = through_a_file(before, tmp_path / "checkpoint.npz")
    after = new(RECIPES[name], clusters=checkpoint.clusters)
    after.load_state_dict((checkpoint.arrays, checkpoint.rest))
    assert everything(after) == everything(before)
    (*_, last) = after.fit(steps=17 - first)
    assert weights(after) == weights(once) and held(after.generator_ema) == held(once.generator_ema)
    assert np.array_equal(after.fixed_inputs, once.fixed_inputs)
    got, want = everything(after), everything(once)
    assert (
        got[0] == want[0]
        and got[1]["streams"] == want[1]["streams"]
        and got[1]["step"] == want[1]["step"] == last["step"]
    )


@pytest.mark.parametrize("first", [1, LOG_EVERY - 1, LOG_EVERY, LOG_EVERY + 7])
def test_the_means_of_an_epoch_continue_within_a_log_window(first):
    once, before, after = (trainer(images=digits(60), batch_size=1) for _ in range(3))
    whole, rest = EpochRecords(), EpochRecords()
    once.fit(steps=60, callbacks=[whole])
    for _ in range(first):  # `fit` would read the log at its end
        before.step()
    after.load_state_dict(before.state_dict())
    after.fit(steps=60 - first, callbacks=[rest])
    for name in ("d_loss", "g_loss", "d_real", "d_fake", "epoch", "step"):
        assert np.isclose(rest.records[0][name], whole.records[0][name], rtol=1e-12), name
    assert weights(after) == weights(once) and len(rest.records) == len(whole.records) == 1


class EpochRecords(Callback):
    """Collects the records of epochs."""

    def __init__(self):
        self.records = []

    def on_epoch(self, trainer, record):
        self.records.append(record)


def test_a_record_continues_from_a_state(monkeypatch):
    monkeypatch.setattr("gan.training.recording.schedule.RECORDS", 2)
    once, before, after = trainer(), trainer(), trainer()
    wanted = once.fit(steps=24)
    step = before.step
    before.step = lambda: (step(), before.step_count == 10 and before.stop())
    before.fit(steps=24)
    after.load_state_dict(before.state_dict())
    history = after.fit(steps=14)
    assert [r["step"] for r in history] == [12, 24] and after.records.start == 12
    for got, want in zip(history, wanted[-2:], strict=True):
        for name in ("d_loss", "g_loss", "d_real", "d_fake", "epoch", "step"):
            assert np.isclose(got[name], want[name], rtol=1e-12), name


@pytest.mark.parametrize("steps, start", [(4, 0), (5, 5), (7, 5)])
def test_a_state_of_version_0_1_begins_a_record_after_its_last_epoch(steps, start):
    t, other = trainer(), trainer()
    t.fit(steps=min(steps, 5))
    if steps > 5:
        t.fit(steps=steps - 5)
    arrays, rest = t.state_dict()
    del rest["log"]["record"]
    total, epoch, _ = rest["seconds"]
    rest["seconds"] = [total, epoch]
    other.load_state_dict((arrays, rest))
    other.fit(steps=1)
    assert other.records.start == start


def test_stacked_digits_continue_too():
    digit = digits(40)
    recipe = replace(
        TINY,
        make_generator=lambda n_in: Sequential(Dense(n_in, 3 * 784)),
        make_discriminator=lambda n_out: Sequential(Dense(3 * 784, n_out)),
    )
    images = StackedDigits(digit, random_triples(40, 43, 0))
    once, before, after = (trainer(recipe, images) for _ in range(3))
    once.fit(steps=13)
    before.fit(steps=7)
    after.load_state_dict(before.state_dict())
    after.fit(steps=6)
    assert weights(after) == weights(once)


def test_a_state_is_a_copy_and_taking_it_changes_nothing():
    t, plain = trainer(), trainer()
    t.fit(steps=3)
    plain.fit(steps=3)
    arrays, rest = t.state_dict()
    before = {name: array.copy() for name, array in arrays.items()}
    t.fit(steps=3)
    plain.fit(steps=3)
    assert weights(t) == weights(plain)
    assert (
        all(np.array_equal(array, before[name]) for name, array in arrays.items())
        and rest["step"] == 3
    )


def test_a_trainer_keeps_its_own_learning_rate():
    t, other = trainer(), trainer(learning_rate=0.5)
    t.fit(steps=2)
    other.load_state_dict(t.state_dict())
    assert other.adversarial_step.g_optimizer.step_state.tolist() == [2, 0.5]


def test_every_state_can_be_restored():
    """A gradient whose square is infinite stops the weights, which stay finite like the losses."""
    t = trainer(learning_rate=1e13)
    with pytest.raises(RunError, match="no longer finite.*; try .*learning rate"):
        t.fit(steps=8)
    trainer(learning_rate=1e13).load_state_dict(t.state_dict())


def test_weights_that_are_not_finite_have_no_state():
    t = trainer()
    t.fit(steps=2)
    t.step()
    t.generator.parameters.value.flat[3] = np.nan
    with pytest.raises(RunError, match="no longer finite"):
        t.state_dict()
    assert t.step_count == 2


# ---- checkpoints that do not fit


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda arrays, rest: arrays.pop("G.value"), "'G.value' is missing"),
        (lambda arrays, rest: arrays.update(more=np.zeros(3)), "'more' is extra"),
        (
            lambda arrays, rest: arrays.update({"D.adam.m": np.zeros(3, "f4")}),
            "expected D.adam.m of float32",
        ),
        (
            lambda arrays, rest: arrays.update({"D.value": arrays["D.value"].astype("f8")}),
            "float32.*float64",
        ),
        (lambda arrays, rest: arrays["order.0"].fill(10**6), "order.0 as another order"),
        (lambda arrays, rest: arrays["G.value"].fill(np.inf), "finite"),
        (lambda arrays, rest: rest.pop("streams"), "KeyError"),
        (lambda arrays, rest: rest["streams"].update({"0": []}), "AttributeError"),
        (lambda arrays, rest: rest["streams"]["0"].update(state={"state": [1]}), "ShapeError"),
        (lambda arrays, rest: rest.update(step="many"), "ValueError"),
        (lambda arrays, rest: rest.update(step=-1), "at least 0"),
        (lambda arrays, rest: rest.update(step=float("inf")), "OverflowError"),
        (lambda arrays, rest: rest.update(step=10**30), "at least 0"),
        (lambda arrays, rest: rest.update(seconds=[float("inf"), 0.0]), "finite seconds"),
        (lambda arrays, rest: rest.update(seconds=[0.0, float("nan")]), "finite seconds"),
        (lambda arrays, rest: rest.update(seconds=[0.0, 0.0, -1.0]), "finite seconds"),
        (lambda arrays, rest: rest.update(seconds=[0.0]), "ValueError"),
        (lambda arrays, rest: rest["log"].update(record=None), "TypeError"),
        (lambda arrays, rest: rest["log"]["record"].update(steps=-1), "number of steps"),
        (lambda arrays, rest: rest["log"].update(steps=10**400), "ValueError"),
        (lambda arrays, rest: rest["log"].update(squares=[1.0, float("inf")]), "ValueError"),
        (lambda arrays, rest: arrays["D.adam.v"].fill(np.nan), "finite numbers in D.adam.v"),
        (
            lambda arrays, rest: rest.update(
                log={"sums": [1.0], "squares": [1.0, 1.0], "steps": 1}
            ),
            "sums",
        ),
        (lambda arrays, rest: rest.update(seconds=None), "TypeError"),
    ],
)
def test_an_invalid_state_is_refused(change, words):
    t = trainer()
    t.fit(steps=2)
    arrays, rest = t.state_dict()
    change(arrays, rest)
    with pytest.raises(RunError, match=f"state: .*{words}"):
        trainer().load_state_dict((arrays, rest))


def test_a_checkpoint_of_version_0_1_continues():
    """Its v lacks Adam's factor 1 - beta2. Version 0.1 computed the weights three steps later."""
    checkpoint, later = (
        read_checkpoint(Path(oracles.__file__).with_name("checkpoint_format_1.npz")),
        oracles.load("checkpoint_format_1_later"),
    )
    t = trainer(seed=3, device="numpy")
    t.load_state_dict((checkpoint.arrays, checkpoint.rest))
    before = weights(t)
    t.fit(steps=3)
    for name, net in (("G", t.generator), ("D", t.discriminator)):
        assert_close(net.parameters.value.flat, later[name], 1e-5)
    assert weights(t) != before


@pytest.mark.parametrize(
    "number, message",
    [
        (0, "it has format 0, this version reads formats 1 to 4; no version of byhand wrote that"),
        (5, "it has format 5, this version reads formats 1 to 4; update byhand to read it"),
        (1, "recipe"),  # its configuration lacks the recipe, whose beta2 is needed for v
    ],
)
def test_other_formats_are_refused(tmp_path, monkeypatch, number, message):
    path = tmp_path / "checkpoint.npz"
    monkeypatch.setattr("gan.runs.checkpoint.FORMAT", number)
    write_checkpoint(path, a_checkpoint(trainer()))
    monkeypatch.undo()
    with pytest.raises(WeightsError, match=f"checkpoint.npz: .*{message}"):
        read_checkpoint(path)


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path, monkeypatch):
    t, path = trainer(), tmp_path / "checkpoint.npz"
    write_checkpoint(path, a_checkpoint(t))
    before = path.read_bytes()
    t.fit(steps=1)
    monkeypatch.setattr("os.fsync", disk_is_full)
    with pytest.raises(OSError):
        write_checkpoint(path, a_checkpoint(t))
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [
        "checkpoint.npz"
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"config": None},
        {"data_dir": 3},
        {"rest": []},
        {"best": "low"},
        {"history": [{"epoch": 1, "step": 1}]},
        {"history": [{"step": 1}]},
        {"frames": {1: np.zeros((64, 28), np.uint8)}},
        {"frames": {1: np.zeros((64, 28, 28), np.float32)}},
        {"frames": {1: np.zeros((64, 28, 28, 2), np.uint8)}},
        {"frames": {1: np.zeros((0, 28, 28), np.uint8)}},
        {"frames": {-1: np.zeros((64, 28, 28), np.uint8)}},
        {"frames": {step: np.zeros((64, 28, 28), np.uint8) for step in (2, 1)}},
        {"history": [{"epoch": 1, "step": np.nan}]},
        {"history": [{3: 1, "epoch": 1, "step": 1}]},
        {"history": [dict.fromkeys([*COLUMNS, "more"], 1)]},
        {"history": [dict.fromkeys(COLUMNS, 1) | {"g_loss": np.inf}]},
        {"history": [{}]},
        {"data_dir": "a\0b"},
    ],
)
def test_an_archive_that_is_not_a_checkpoint_is_refused(tmp_path, change):
    path = tmp_path / "checkpoint.npz"
    write_checkpoint(path, replace(a_checkpoint(trainer()), **change))
    with pytest.raises(WeightsError, match="checkpoint.npz: it is not a checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "number, recipe, today",
    [
        (2, "conv-clusters", "conv-clusters-0.1"),
        (3, "conv-clusters", "conv-clusters-0.1"),
        (3, "conv-clusters-hour", "conv-clusters-hour-0.1"),
        (3, "mlp-smoothed", "mlp-smoothed"),
        (3, ["conv-clusters"], ["conv-clusters"]),  # refused by who reads it
        (4, "conv-clusters", "conv-clusters"),
    ],
)
def test_a_recipe_that_has_changed_keeps_its_networks(tmp_path, monkeypatch, number, recipe, today):
    path = tmp_path / "checkpoint.npz"
    monkeypatch.setattr("gan.runs.checkpoint.FORMAT", number)
    write_checkpoint(path, replace(a_checkpoint(trainer()), config={"recipe": recipe}))
    monkeypatch.undo()
    assert read_checkpoint(path).config["recipe"] == today


def format_2(path, monkeypatch, n_epochs, n_frames, step=lambda epoch: 5 * epoch):
    """Write a checkpoint of format 2, with a row and a frame per epoch."""
    rows = [dict.fromkeys(COLUMNS, 1) | {"step": step(k)} for k in range(1, n_epochs + 1)]
    frames = {k: np.full((1, 28, 28), k % 251, np.uint8) for k in range(n_frames)}
    monkeypatch.setattr("gan.runs.checkpoint.FORMAT", 2)
    write_checkpoint(path, replace(a_checkpoint(trainer()), history=rows, frames=frames))
    monkeypatch.undo()


@pytest.mark.parametrize(
    "n_epochs, n_frames, epochs",
    [
        (0, 0, []),
        (1, 1, [1]),
        (300, 300, list(range(1, 301))),
        (301, 151, list(range(1, 302, 2))),
        (1200, 301, [*range(1, 1200, 4), 1200]),
    ],
)
def test_frames_of_epochs_in_older_checkpoints_have_their_steps(
    tmp_path, monkeypatch, n_epochs, n_frames, epochs
):
    path = tmp_path / "checkpoint.npz"
    format_2(path, monkeypatch, n_epochs, n_frames)
    frames = read_checkpoint(path).frames
    assert list(frames) == [5 * epoch for epoch in epochs]
    assert [int(frame.max()) for frame in frames.values()] == [k % 251 for k in range(n_frames)]
    format_2(path, monkeypatch, n_epochs, n_frames + 1)
    with pytest.raises(WeightsError, match="checkpoint.npz: it is not a checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize("step", [-(10.0**300), 10.0**300, 3])
def test_epochs_whose_steps_do_not_grow_are_refused(tmp_path, monkeypatch, step):
    path = tmp_path / "checkpoint.npz"
    format_2(path, monkeypatch, 2, 2, lambda epoch: step)
    with pytest.raises(WeightsError, match="checkpoint.npz: it is not a checkpoint"):
        read_checkpoint(path)


def test_the_digest_depends_on_values_shape_and_dtype():
    a = np.arange(6, dtype=np.uint8)
    names = [digest(a), digest(a.reshape(2, 3)), digest(a.astype(np.int64)), digest(a + 1)]
    assert len(set(names)) == 4 and digest(a) == digest(a.copy())


def test_the_history_is_read_as_written(tmp_path):
    figures = {name: 0.1 / 3 * k for k, name in enumerate(COLUMNS[2:])}
    rows = [
        {"epoch": k, "step": 5 * k, **figures, "fid": fid} for k, fid in ((1, None), (2, 1 / 7))
    ]
    path = tmp_path / "checkpoint.npz"
    write_checkpoint(
        path,
        replace(a_checkpoint(trainer()), history=rows),
    )
    got = read_checkpoint(path).history
    assert got == rows and [list(map(type, row.values())) for row in got] == [
        list(map(type, row.values())) for row in rows
    ]
