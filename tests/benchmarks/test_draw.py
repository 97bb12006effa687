"""benchmarks.draw. No test depends on the time."""

import importlib.util

import numpy as np
import pytest

from benchmarks import draw
from benchmarks.harness.contenders.samples import make_step
from tests.benchmarks.support import fake_interleaved, run_table


@pytest.mark.parametrize("name", ["mlp-batchnorm", "conv-clusters"])
def test_every_contender_draws_this_many_images(name):
    ours, numpy = (make_step(contender, name, "3")() for contender in ("ours", "numpy"))
    assert ours.shape == (3, 28, 28) and 0 <= ours.min() < ours.max() <= 1
    np.testing.assert_allclose(ours, numpy, atol=1e-5)
    pytest.importorskip("torch")
    theirs = make_step("pytorch", name, "3")()
    assert theirs.size == ours.size and 0 <= theirs.min() < theirs.max() <= 1


def test_the_default_recipes_are_those_of_dense_layers(monkeypatch, capsys):
    calls = []
    fake = fake_interleaved(lambda name, i: {"ours": 200}.get(name, 500), calls)
    monkeypatch.setattr(draw, "interleaved", fake)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    rows = run_table(monkeypatch, capsys, draw, "--rounds", "2", "--count", "50")
    recipes = ["mlp-smoothed", "mlp-dropout", "two-layer", "mlp-batchnorm", "mlp-leaky"]
    assert [row[0] for row in rows[2:]] == recipes
    assert rows[2][1:] == ["0.200", "0.500", "2.50 (2.50-2.50)"]
    contenders = "benchmarks.harness.contenders.samples"
    assert calls[0] == (["ours", "numpy"], ("mlp-smoothed", "50"), 2, 1, contenders)
