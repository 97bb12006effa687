"""Warnings that a network has stopped learning or draws one digit only."""

from dataclasses import replace

import numpy as np
import pytest

from gan.data.datasets import load
from gan.evaluation.collapse import CollapseWarning, digit_counter
from nn import Dense, Sequential
from tests.support.small import TINY, digits, example, trainer

LONG = {"images": digits(60), "batch_size": 2}  # 30 steps an epoch


def test_a_run_that_learns_gives_no_warning():
    warnings = []
    trainer(**LONG).fit(epochs=3, callbacks=[CollapseWarning(warnings.append)])
    assert warnings == []


def test_a_discriminator_that_says_the_same_of_everything_is_told_once():
    """The weights are zero, and the learning rate too small to change a loss."""
    warnings = []
    recipe = replace(TINY, make_discriminator=lambda n_out: Sequential(Dense(784, n_out)))
    t = trainer(recipe, learning_rate=1e-12, **LONG)
    t.discriminator.parameters.value.flat[:] = 0
    t.fit(epochs=3, callbacks=[CollapseWarning(warnings.append)])
    assert sorted(warnings) == [
        "warning: epoch 1: the discriminator's loss is stuck at 1.3863; "
        "try another --seed or a lower --learning-rate",
        "warning: epoch 1: the generator's loss is stuck at 0.6931; "
        "try another --seed or a lower --learning-rate",
    ]


@pytest.mark.parametrize(
    "counts, epochs", [((1, 1, 3, 0, 1, 1), [2, 5]), ((3, 2, 10, 2), []), ((1, 2, 1, 2, 1), [])]
)
def test_one_digit_in_two_consecutive_looks_gives_a_warning(counts, epochs):
    warnings, left, t = [], iter(counts), trainer()
    t.spread = {"d_loss": 1.0, "g_loss": 1.0}
    callback = CollapseWarning(warnings.append, lambda images: next(left))
    # Too early, as is every second call below
    callback.on_epoch(t, {"epoch": 0, "d_loss": 0.0, "g_loss": 0.0})
    for epoch in range(1, len(counts) + 1):
        look = 1000 * t.steps_per_epoch * epoch
        for step_count in (look, look + t.steps_per_epoch):
            t.step_count = step_count
            callback.on_epoch(t, {"epoch": epoch, "d_loss": 0.0, "g_loss": 0.0})
    assert [int(line.split()[2].rstrip(":")) for line in warnings] == epochs
    assert all("one digit only" in line and "\n" not in line for line in warnings)


def test_different_digits_are_counted():
    images, labels = load("mnist-sample", "test", flat=False)
    sevens, all_digits = images[labels == 7][:16], images[:200]
    count = digit_counter()
    assert (count(sevens / 255), count(all_digits.reshape(-1, 784) / 255)) == (1, 10)
    assert count(np.broadcast_to(sevens[0, 0] / 255, (16, 28, 28))) == 1


def test_the_command_warns_of_a_generator_that_draws_one_digit(command, monkeypatch):
    train = example("train_mnist_gan")
    monkeypatch.setattr("gan.evaluation.collapse.STEPS_A_LOOK", 0)
    monkeypatch.setattr(
        train.Trainer, "fixed_samples", lambda self: np.zeros((64, 1, 28, 28), np.float32)
    )
    status, _, err = command(
        train,
        "--dataset",
        "mnist-sample",
        "--recipe",
        "mlp-leaky",
        "--batch-size",
        100,
        "--epochs",
        3,
        "--quiet",
    )
    assert (
        status == 0
        and err.count("warning: epoch 2: the generator draws one digit only")
        == err.count("\n")
        == 1
    )


def test_an_incomplete_epoch_gives_no_warning():
    warnings, t = [], trainer()
    t.step_count, t.spread, t.steps_per_epoch = 29, {"d_loss": 0.0, "g_loss": 0.0}, 30
    record = {"epoch": 1, "d_loss": 0.0, "g_loss": 0.0}
    CollapseWarning(warnings.append).on_epoch(t, record)
    assert warnings == []
    t.step_count = 30
    CollapseWarning(warnings.append).on_epoch(t, record)
    assert len(warnings) == 2


def test_the_spread_is_the_standard_deviation_of_an_epochs_losses(monkeypatch):
    t, rows = trainer(**LONG), []
    read = t.ops.to_host
    monkeypatch.setattr(
        t.ops, "to_host", lambda x: rows.append(read(x).astype(np.float64)) or rows[-1]
    )
    t.fit(epochs=1)
    # Each of the 30 steps has a record, whose read finds its row first
    ring = np.stack([row[0] for row in rows if row.ndim == 2 and row.shape[1] == 6])
    assert ring.shape == (30, 6)
    assert np.isclose(t.spread["d_loss"], (ring[:, 0] + ring[:, 1]).std(), rtol=1e-6)
    assert np.isclose(t.spread["g_loss"], ring[:, 2].std(), rtol=1e-6)
