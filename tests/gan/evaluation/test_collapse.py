"""Warnings that the generator draws one digit only."""

import warnings

import numpy as np
import pytest

from gan.data.datasets import load
from gan.errors import CollapseWarning
from gan.evaluation.collapse import CollapseCallback, digit_counter
from gan.training.trainer import Trainer
from tests.support.small import example, trainer


@pytest.mark.parametrize(
    "counts, epochs", [((1, 1, 3, 0, 1, 1), [2, 5]), ((3, 2, 10, 2), []), ((1, 2, 1, 2, 1), [])]
)
def test_one_digit_in_two_consecutive_looks_gives_a_warning(counts, epochs):
    left, t = iter(counts), trainer()
    callback = CollapseCallback(lambda images: next(left))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        callback.on_epoch(t, {"epoch": 0})  # too early, as is every second call below
        for epoch in range(1, len(counts) + 1):
            look = 1000 * t.steps_per_epoch * epoch
            for step_count in (look, look + t.steps_per_epoch):
                t.step_count = step_count
                callback.on_epoch(t, {"epoch": epoch})
    lines = [str(each.message) for each in caught]
    assert [int(line.split()[1].rstrip(":")) for line in lines] == epochs
    assert all("one digit only" in line and "\n" not in line for line in lines)
    assert all(each.category is CollapseWarning for each in caught)


def test_different_digits_are_counted():
    images, labels = load("mnist-sample", "test", flat=False)
    sevens, all_digits = images[labels == 7][:16], images[:200]
    count = digit_counter()
    assert (count(sevens / 255), count(all_digits.reshape(-1, 784) / 255)) == (1, 10)
    assert count(np.broadcast_to(sevens[0, 0] / 255, (16, 28, 28))) == 1


def test_a_trainer_warns_of_a_generator_that_draws_one_digit(monkeypatch):
    """With the classifier, which `CollapseCallback` loads by itself."""
    monkeypatch.setattr("gan.evaluation.collapse.STEPS_A_LOOK", 0)
    t = trainer()
    monkeypatch.setattr(t, "fixed_samples", lambda: np.zeros((64, 1, 28, 28), np.float32))
    with pytest.warns(CollapseWarning, match="^epoch 2: the generator draws one digit") as caught:
        t.fit(epochs=3, callbacks=[CollapseCallback()])
    assert len(caught) == 1 and caught[0].filename == __file__


def test_the_command_warns_of_a_generator_that_draws_one_digit(command, monkeypatch):
    train = example("train_mnist_gan")
    monkeypatch.setattr("gan.evaluation.collapse.STEPS_A_LOOK", 0)
    monkeypatch.setattr(
        Trainer, "fixed_samples", lambda self: np.zeros((64, 1, 28, 28), np.float32)
    )
    status, _, err = command(
        train,
        "--dataset",
        "mnist-sample",
        "--recipe",
        "mlp-leaky",
        "--batch-size",
        500,
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
