"""benchmarks/memory.py and startup.py: that they look at the process they say; no test here looks at a clock."""

import contextlib
import subprocess
import sys
import types

import pytest

from benchmarks import memory, startup
from gan.recipes import get_recipe
from gan.training.trainer import Trainer
from gan.errors import RunError


def command(monkeypatch, capsys, module, *words):
    """What a command prints, as rows of cells."""
    monkeypatch.setattr(sys, "argv", ["command", "--markdown", *words])
    assert module.main() == 0
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]


# ---- memory


def test_memory_is_that_of_the_process_in_mib():
    few, many = (memory.imported(f"held = b'x' * ({mib} << 20)") for mib in (1, 101))
    assert many - few == pytest.approx(100, abs=5)


def test_the_peak_is_in_mib_too():
    code = (  # in a small process: one that it starts begins with what it held
        "import subprocess, sys\n"
        "from benchmarks.memory import peak\n"
        "for mib in (150, 250):\n"
        "    print(peak(subprocess.Popen([sys.executable, '-c', f\"x = b'x' * ({mib} << 20); del x\"])))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=memory.ROOT, capture_output=True, text=True, check=True)
    few, many = map(float, done.stdout.split())
    assert few > 150 and many - few == pytest.approx(100, abs=5)


def test_a_side_is_measured_in_a_process_of_its_own():
    peak, growth = memory.measured("ours", "mlp-leaky", 5)
    assert peak > 30 and abs(growth) < peak


def test_growth_is_from_the_first_tenth_of_the_steps(monkeypatch):
    said, held = [], iter([50.0, 62.5])

    class Side:
        def __init__(self, *what):
            self.process = types.SimpleNamespace(pid=1, stdin=types.SimpleNamespace(close=lambda: said.append("end")))
            said.append(what)

        turn = staticmethod(said.append)

    monkeypatch.setattr(memory, "Side", lambda *what: contextlib.nullcontext(Side(*what)))
    monkeypatch.setattr(memory, "resident", lambda pid: next(held))
    monkeypatch.setattr(memory, "peak", lambda process: 70.0)
    assert memory.measured("ours", "dcgan", 42) == (70.0, 12.5)
    assert said == [("ours", ("dcgan",)), 5, 42, "end"]


def test_the_memory_table(monkeypatch, capsys):
    asked, peaks = [], {"ours": 100.0, "eager": 300.0, "tuned": 250.0}
    monkeypatch.setattr(memory, "measured", lambda side, recipe, steps: asked.append((side, steps)) or (peaks[side], 1.5))
    monkeypatch.setattr(memory, "imported", lambda code: {"import torch": 200.0}.get(code, 50.0))
    monkeypatch.setattr(memory.importlib.util, "find_spec", lambda name: name)
    rows = command(monkeypatch, capsys, memory, "--recipe", "dcgan", "--rounds", "2", "--steps", "7")
    assert asked == [(side, 7) for side in ("ours", "eager", "tuned", "eager", "tuned", "ours")]
    growths, ratios = ["+1.5"] * 3, ["3.00 (3.00-3.00)", "2.50 (2.50-2.50)"]
    assert rows[2:] == [["dcgan", "100", "300", "250", *growths, *ratios], ["import", "50", "200", "200", *[""] * 5]]
    monkeypatch.setattr(memory.importlib.util, "find_spec", lambda name: None)
    assert command(monkeypatch, capsys, memory, "--recipe", "dcgan", "--peers", "none")[2] == ["dcgan", "100", "+1.5"]
    with pytest.raises(RunError, match=r"pip install -e '\.\[bench\]'"):
        command(monkeypatch, capsys, memory)


def test_a_training_is_looked_at_as_it_goes_on(monkeypatch, capsys, tmp_path):
    rows = ["epoch,step"]
    held, process = iter([100.0, 101.0, 100.5]), types.SimpleNamespace(pid=1, poll=lambda: None)
    @contextlib.contextmanager
    def training(*what):
        assert what == ("mlp-leaky", 30.0, "here")
        yield process, tmp_path

    def resident(pid):
        rows.append(f"{len(rows)},{100 * len(rows)}")
        (tmp_path / "history.csv").write_text("\n".join(rows))
        return next(held)

    monkeypatch.setattr(memory, "training", training)
    monkeypatch.setattr(memory, "resident", resident)
    monkeypatch.setattr(memory, "peak", lambda process: 120.0)
    monkeypatch.setattr(memory.time, "sleep", lambda seconds: None)
    words = ["--recipe", "mlp-leaky", "--minutes", "30", "--looks", "3", "--data-dir", "here"]
    rows = command(monkeypatch, capsys, memory, *words)
    assert [row[1:] for row in rows[2:]] == [["1", "100", "+0.0"], ["2", "101", "+1.0"], ["3", "100", "+0.5"], ["", "120", ""]]
    process.poll, process.returncode = (lambda: 2), 2
    with pytest.raises(RunError, match="the training ended with status 2 before its time"):
        list(memory.watched("mlp-leaky", 30.0, 3, "here"))


def test_what_is_looked_at_is_the_command(monkeypatch):
    started = []
    fake = types.SimpleNamespace(terminate=lambda: started.append("terminated"), wait=lambda: None)
    monkeypatch.setattr(memory.subprocess, "Popen", lambda words, cwd: started.append(words) or fake)
    with memory.training("two-layer", 1.5, None) as (process, folder):
        assert process is fake
        assert started[0][1:6] == ["examples/train_mnist_gan.py", "--recipe", "two-layer", "--minutes", "1.5"]
        assert started[0][-4:] == ["--dataset", "mnist-sample", "--out", str(folder)]
    assert started[-1] == "terminated" and not folder.parent.exists()


# ---- startup


def test_starts_take_turns_and_are_compared_with_pytorchs(monkeypatch):
    asked = []
    names = {code: name for name, code in startup.STARTS.items()}
    ms = {"python alone": 10, "import numpy": 100, "import nn": 150, "import torch": 1500, "first step, PyTorch": 2000}
    monkeypatch.setattr(startup, "start_time", lambda code: asked.append(names[code]) or float(ms.get(names[code], 400)))
    rows = {row[0]: row[1:] for row in startup.start_rows(2, startup.STARTS)}
    assert asked == 3 * list(startup.STARTS)  # once untimed
    assert rows["python alone"] == ("10", "-90", "") and rows["import torch"] == ("1500", "+1400", "")
    assert rows["import nn"] == ("150", "+50", "10.00 (10.00-10.00)")
    assert rows["first step, ours"] == rows["first step, numpy"] == ("400", "+300", "5.00 (5.00-5.00)")


def test_without_pytorch_the_starts_are_ours(monkeypatch, capsys):
    monkeypatch.setattr(startup.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(startup, "start_time", lambda code: 100.0)
    monkeypatch.setattr(startup, "training", lambda steps, data_dir: (1.0, 2.0, 300.0))
    rows = command(monkeypatch, capsys, startup, "--rounds", "1")
    assert [row[0] for row in rows[2:8]] == [name for name in startup.STARTS if "torch" not in name.lower()]
    assert all(row[3] == "" for row in rows[2:8])
    assert rows[-1] == ["1000 steps", "1.0", "2.0", "300"]


@pytest.mark.parametrize("device", ["ours", "numpy"])
def test_our_first_step_runs(monkeypatch, device):
    trained, step = [], Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self: step(self) or trained.append(self))
    exec(startup.STEPS[f"first step, {device}"], {})
    assert [(trainer.recipe.name, trainer.step_count) for trainer in trained] == [("mlp-dropout", 1)]


def test_pytorchs_first_step_is_of_the_same_recipe():
    pytest.importorskip("torch")
    from benchmarks.harness import torch_first_step

    recipe = get_recipe("mlp-dropout")
    for theirs, ours in ((torch_first_step.G, recipe.generator()), (torch_first_step.D, recipe.discriminator())):
        assert [type(module).__name__ for module in theirs] == [
            {"Dense": "Linear"}.get(type(layer).__name__, type(layer).__name__) for layer in ours
        ]
        assert sum(p.numel() for p in theirs.parameters()) == ours.n_parameters
        assert all(p.grad.abs().sum() > 0 for p in theirs.parameters())
