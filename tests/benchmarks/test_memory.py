"""benchmarks.memory: that it measures the right process. No test depends on the time."""

import contextlib
import importlib.util
import subprocess
import sys
import types

import pytest

from benchmarks import memory
from benchmarks.harness.processes import ROOT
from gan.errors import RunError
from tests.benchmarks.support import run_table

PEAKS = """
import subprocess, sys
from benchmarks.harness.processes import peak_memory
for mib in (150, 250):
    code = f"x = b'x' * ({mib} << 20); del x"
    print(peak_memory(subprocess.Popen([sys.executable, "-c", code])))
"""


def test_memory_is_that_of_the_process_in_mib():
    few, many = (memory.memory_after(f"held = b'x' * ({mib} << 20)") for mib in (1, 101))
    assert many - few == pytest.approx(100, abs=5)


def test_the_peak_is_in_mib_too():
    # from a small process: a child starts with the peak of its parent
    command = [sys.executable, "-c", PEAKS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    few, many = map(float, done.stdout.split())
    assert few > 150 and many - few == pytest.approx(100, abs=5)


def test_a_contender_is_measured_in_its_own_process():
    peak, growth = memory.measure("ours", "mlp-leaky", 5)
    assert peak > 30 and abs(growth) < peak


def test_growth_is_from_the_first_tenth_of_the_steps(monkeypatch):
    calls, held = [], iter([50.0, 62.5])

    class Fake:
        process = types.SimpleNamespace(pid=1)

        def __init__(self, *args):
            calls.append(args)

        def milliseconds(self, count):
            calls.append(count)

        def close_input(self):
            calls.append("end")

    monkeypatch.setattr(memory, "Contender", lambda *args: contextlib.nullcontext(Fake(*args)))
    monkeypatch.setattr(memory, "resident_memory", lambda pid: next(held))
    monkeypatch.setattr(memory, "peak_memory", lambda process: 70.0)
    assert memory.measure("ours", "dcgan", 42) == (70.0, 12.5)
    assert calls == [("ours", ("dcgan",)), 5, 42, "end"]


def test_the_table_of_memory(monkeypatch, capsys):
    calls, peaks = [], {"ours": 100.0, "eager": 300.0, "tuned": 250.0}

    def measure(name, recipe, steps):
        calls.append((name, steps))
        return peaks[name], 1.5

    held = {"import torch": 200.0, "import gan.training.trainer": 50.0}
    monkeypatch.setattr(memory, "measure", measure)
    monkeypatch.setattr(memory, "memory_after", held.__getitem__)
    monkeypatch.setattr(memory, "require_peers", lambda peers: "PyTorch 2")
    words = ["--recipe", "dcgan", "--rounds", "2", "--steps", "7"]
    rows = run_table(monkeypatch, capsys, memory, *words)
    order = ["ours", "eager", "tuned", "eager", "tuned", "ours"]
    assert calls == [(name, 7) for name in order]
    growths, ratios = ["+1.5"] * 3, ["3.00 (3.00-3.00)", "2.50 (2.50-2.50)"]
    assert rows[2] == ["dcgan", "100", "300", "250", *growths, *ratios]
    assert rows[3] == ["import", "50", "200", "200", *[""] * 5]


def test_memory_without_pytorch(monkeypatch, capsys):
    monkeypatch.setattr(memory, "measure", lambda *args: (100.0, 1.5))
    monkeypatch.setattr(memory, "memory_after", lambda code: 50.0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    rows = run_table(monkeypatch, capsys, memory, "--recipe", "dcgan", "--peers", "none")
    assert rows[2] == ["dcgan", "100", "+1.5"]
    with pytest.raises(RunError, match=r"pip install -e '\.\[bench\]'"):
        run_table(monkeypatch, capsys, memory)


def test_a_run_is_watched_while_it_goes_on(monkeypatch, capsys, tmp_path):
    held, process = iter([100.0, 101.0, 100.5]), types.SimpleNamespace(pid=1, poll=lambda: None)
    rows = ["epoch,step"]

    @contextlib.contextmanager
    def running(*args):
        assert args == ("mlp-leaky", 30.0, "here")
        yield process, tmp_path

    def resident_memory(pid):
        rows.append(f"{len(rows)},{100 * len(rows)}")
        (tmp_path / "history.csv").write_text("\n".join(rows))
        return next(held)

    monkeypatch.setattr(memory, "running", running)
    monkeypatch.setattr(memory, "resident_memory", resident_memory)
    monkeypatch.setattr(memory, "peak_memory", lambda process: 120.0)
    monkeypatch.setattr(memory.time, "sleep", lambda seconds: None)
    words = ["--recipe", "mlp-leaky", "--minutes", "30", "--looks", "3", "--data-dir", "here"]
    table = run_table(monkeypatch, capsys, memory, *words)
    assert [row[1:] for row in table[2:]] == [
        ["1", "100", "+0.0"],
        ["2", "101", "+1.0"],
        ["3", "100", "+0.5"],
        ["", "120", ""],
    ]
    process.poll, process.returncode = (lambda: 2), 2
    with pytest.raises(RunError, match="it ended with status 2 before its time"):
        list(memory.watch("mlp-leaky", 30.0, 3, "here"))


def test_the_watched_run_is_the_command(monkeypatch):
    calls = []
    fake = types.SimpleNamespace(terminate=lambda: calls.append("end"), wait=lambda: None)

    def popen(command, cwd):
        calls.append(command)
        return fake

    monkeypatch.setattr(memory.subprocess, "Popen", popen)
    with memory.running("two-layer", 1.5, None) as (process, folder):
        assert process is fake
        script = "examples/train_mnist_gan.py"
        assert calls[0][1:6] == [script, "--recipe", "two-layer", "--minutes", "1.5"]
        assert calls[0][-4:] == ["--dataset", "mnist-sample", "--out", str(folder)]
    assert calls[-1] == "end" and not folder.parent.exists()
