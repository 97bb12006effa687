"""benchmarks.startup. No test depends on the time."""

import importlib.util

import pytest

from benchmarks import startup
from gan.recipes import get_recipe
from gan.training.trainer import Trainer
from tests.benchmarks.support import run_table


def test_starts_are_interleaved_and_compared_with_those_of_pytorch(monkeypatch):
    calls = []
    names = {code: name for name, code in startup.STARTS.items()}
    ms = {
        "python alone": 10,
        "import numpy": 100,
        "import nn": 150,
        "import torch": 1500,
        "first step, PyTorch": 2000,
    }

    def start_time(code):
        calls.append(names[code])
        return float(ms.get(names[code], 400))

    monkeypatch.setattr(startup, "start_time", start_time)
    rows = {row[0]: row[1:] for row in startup.start_rows(2, startup.STARTS)}
    assert calls == 3 * list(startup.STARTS)  # once untimed
    assert rows["python alone"] == ("10", "-90", "")
    assert rows["import torch"] == ("1500", "+1400", "")
    assert rows["import nn"] == ("150", "+50", "10.00 (10.00-10.00)")
    step = ("400", "+300", "5.00 (5.00-5.00)")
    assert rows["first step, ours"] == rows["first step, numpy"] == step


def test_without_pytorch_the_starts_are_ours(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(startup, "start_time", lambda code: 100.0)
    monkeypatch.setattr(startup, "default_run", lambda steps, data_dir: (1.0, 2.0, 300.0))
    rows = run_table(monkeypatch, capsys, startup, "--rounds", "1")
    ours = [name for name in startup.STARTS if "torch" not in name.lower()]
    assert [row[0] for row in rows[2:8]] == ours
    assert all(row[3] == "" for row in rows[2:8])
    assert rows[-1] == ["1000 steps", "1.0", "2.0", "300"]


@pytest.mark.parametrize("device", ["ours", "numpy"])
def test_our_first_step_runs(monkeypatch, device):
    trained, step = [], Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self: step(self) or trained.append(self))
    exec(startup.STEPS[f"first step, {device}"], {})
    names = [(trainer.recipe.name, trainer.step_count) for trainer in trained]
    assert names == [("mlp-dropout", 1)]


def test_the_first_step_of_pytorch_is_of_the_same_recipe():
    pytest.importorskip("torch")
    from benchmarks.harness.pytorch import first_step

    recipe = get_recipe("mlp-dropout")
    pairs = (first_step.G, recipe.generator()), (first_step.D, recipe.discriminator())
    for theirs, ours in pairs:
        names = [type(layer).__name__.replace("Dense", "Linear") for layer in ours]
        assert [type(module).__name__ for module in theirs] == names
        assert sum(p.numel() for p in theirs.parameters()) == ours.n_parameters
        assert all(p.grad.abs().sum() > 0 for p in theirs.parameters())


def test_the_code_of_pytorchs_first_step_is_found_from_the_checkout():
    assert (startup.ROOT / "benchmarks/harness/pytorch/first_step.py").is_file()
    assert "benchmarks/harness/pytorch/first_step.py" in startup.STEPS["first step, PyTorch"]
