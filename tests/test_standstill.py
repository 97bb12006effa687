"""The warnings that a network has stopped learning."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gan.standstill import Standstill
from nn import Dense, Sequential
from tests.small import TINY, digits, trainer

LONG = {"images": digits(60), "batch_size": 2}  # 30 steps an epoch


def test_a_training_that_learns_gives_no_warning():
    said = []
    trainer(**LONG).fit(epochs=3, callbacks=[Standstill(said.append)])
    assert said == []


def test_a_discriminator_that_says_the_same_of_everything_is_told_once():
    """Weights of zero, and a learning rate that moves no loss."""
    said, t = [], trainer(replace(TINY, discriminator=lambda: Sequential(Dense(784, 1))), learning_rate=1e-12, **LONG)
    t.discriminator.parameters.value.flat[:] = 0
    t.fit(epochs=3, callbacks=[Standstill(said.append)])
    assert sorted(said) == [
        "warning: epoch 1: the discriminator's loss stood at 1.3863 for all of it, it learns no more; "
        "try another --seed or a lower --learning-rate",
        "warning: epoch 1: the generator's loss stood at 0.6931 for all of it, it learns no more; "
        "try another --seed or a lower --learning-rate",
    ]


@pytest.mark.parametrize("counts, told", [((1, 1, 3, 0), [1, 4]), ((None, 2, 10, 2), []), ((None, 1, None, 1), [2, 4])])
def test_one_digit_only(counts, told):
    said, judge, t = [], SimpleNamespace(digits=None), trainer()
    t.spread = {"d_loss": 1.0, "g_loss": 1.0}
    watch = Standstill(said.append, judge)
    for epoch, judge.digits in enumerate(counts, 1):
        watch.on_epoch(t, {"epoch": epoch, "d_loss": 0.0, "g_loss": 0.0})
    assert [int(line.split()[2].rstrip(":")) for line in said] == told
    assert all("one digit only" in line and "\n" not in line for line in said)


def test_an_epoch_that_is_not_whole_is_not_judged():
    said, t = [], trainer()
    t.step_count, t.spread, t.steps_per_epoch = 29, {"d_loss": 0.0, "g_loss": 0.0}, 30
    record = {"epoch": 1, "d_loss": 0.0, "g_loss": 0.0}
    Standstill(said.append).on_epoch(t, record)
    assert said == []
    t.step_count = 30
    Standstill(said.append).on_epoch(t, record)
    assert len(said) == 2


def test_the_spread_is_the_standard_deviation_of_an_epochs_losses():
    t, rows = trainer(**LONG), []
    read = t.log._ops.to_host
    t.log._ops.to_host = lambda x: rows.append(read(x).astype(np.float64)) or rows[-1]
    try:
        t.fit(epochs=1)
    finally:
        del t.log._ops.to_host
    ring = next(row for row in rows if row.ndim == 2 and row.shape[1] == 6)[:30]
    assert np.isclose(t.spread["d_loss"], (ring[:, 0] + ring[:, 1]).std(), rtol=1e-6)
    assert np.isclose(t.spread["g_loss"], ring[:, 2].std(), rtol=1e-6)
