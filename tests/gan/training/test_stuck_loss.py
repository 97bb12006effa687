"""Warnings that a network has stopped learning, which every trainer gives."""

import linecache
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

from gan.commands.shared.progress import collapse_warnings
from gan.errors import CollapseWarning
from gan.training.stuck_loss import StuckLossCallback
from nn import Dense, Sequential
from tests.support.small import CHECKOUT, TINY, digits, trainer

LONG = {"images": digits(60), "batch_size": 2}  # 30 steps an epoch
STUCK = [
    "epoch 1: the discriminator's loss is stuck at 1.3863; "
    "try another seed or a lower learning rate",
    "epoch 1: the generator's loss is stuck at 0.6931; try another seed or a lower learning rate",
]
SCRIPT = """
from dataclasses import replace
from gan.training.trainer import Trainer
from nn import Constant, Dense, Sequential
from tests.support.small import TINY, digits

zeros = lambda n_out: Sequential(Dense(784, n_out, init=Constant(0.0)))
recipe = replace(TINY, batch_size=2, learning_rate={rate}, make_discriminator={D})
trainer = Trainer(recipe, digits(60), device="numpy")
trainer.fit(epochs=2)
trainer.fit(epochs=2)
"""


def stuck_trainer():
    """D has zero weights, and the learning rate is too small to change a loss."""
    recipe = replace(TINY, make_discriminator=lambda n_out: Sequential(Dense(784, n_out)))
    t = trainer(recipe, learning_rate=1e-12, **LONG)
    t.discriminator.parameters.value.flat[:] = 0
    return t


def warnings_of(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return caught


def test_a_run_that_learns_gives_no_warning():
    assert warnings_of(lambda: trainer(**LONG).fit(epochs=3)) == []


def test_a_discriminator_that_scores_everything_alike_gives_each_warning_once():
    t = stuck_trainer()

    def train():
        t.fit(epochs=2)
        t.fit(epochs=1)

    caught = warnings_of(train)
    assert [str(each.message) for each in caught] == STUCK
    assert {each.category for each in caught} == {CollapseWarning}
    lines = [linecache.getline(each.filename, each.lineno).strip() for each in caught]
    assert lines == ["t.fit(epochs=2)"] * 2


@pytest.mark.parametrize("rate, D, n", [(1e-12, "zeros", 1), (0.01, "TINY.make_discriminator", 0)])
def test_a_script_gets_the_warnings_of_python(rate, D, n):
    script = SCRIPT.format(rate=rate, D=D)
    result = subprocess.run(
        [sys.executable, "-W", "default", "-c", script],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    for network in ("discriminator", "generator"):
        assert result.stderr.count(f"CollapseWarning: epoch 1: the {network}'s loss") == n
    assert result.stderr.count("Warning") == 2 * n


def test_commands_print_each_as_one_line_and_leave_other_warnings(capsys):
    def train():
        with collapse_warnings():
            stuck_trainer().fit(epochs=2)
            warnings.warn("another", stacklevel=1)

    caught = warnings_of(train)
    assert capsys.readouterr().err.splitlines() == [f"warning: {line}" for line in STUCK]
    assert [str(each.message) for each in caught] == ["another"]


def test_an_incomplete_epoch_gives_no_warning():
    t, callback = trainer(), StuckLossCallback()
    t.step_count, t.spread, t.steps_per_epoch = 29, {"d_loss": 0.0, "g_loss": 0.0}, 30
    record = {"epoch": 1, "d_loss": 0.0, "g_loss": 0.0}
    assert warnings_of(lambda: callback.on_epoch(t, record)) == []
    t.step_count = 30
    assert len(warnings_of(lambda: callback.on_epoch(t, record))) == 2


def test_a_loss_that_moves_again_is_warned_of_again():
    t, callback = trainer(), StuckLossCallback()
    t.step_count = t.steps_per_epoch = 30
    record = {"epoch": 1, "d_loss": 0.0, "g_loss": 0.0}
    counts = []
    for d_spread in (0.0, 0.0, 1.0, 0.0):
        t.spread = {"d_loss": d_spread, "g_loss": 1.0}
        counts.append(len(warnings_of(lambda: callback.on_epoch(t, record))))
    assert counts == [1, 0, 0, 1]


def test_the_spread_is_the_standard_deviation_of_an_epochs_losses(monkeypatch):
    t, rows = trainer(**LONG), []
    read = t.ops.to_host
    monkeypatch.setattr(
        t.ops, "to_host", lambda x: rows.append(read(x).astype(np.float64)) or rows[-1]
    )
    t.fit(epochs=1)
    # each of the 30 steps has a record, whose read finds its row first
    ring = np.stack([row[0] for row in rows if row.ndim == 2 and row.shape[1] == 6])
    assert ring.shape == (30, 6)
    assert np.isclose(t.spread["d_loss"], (ring[:, 0] + ring[:, 1]).std(), rtol=1e-6)
    assert np.isclose(t.spread["g_loss"], ring[:, 2].std(), rtol=1e-6)
