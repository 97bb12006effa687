"""benchmarks.ops: that every case runs, and its table. No test depends on the time."""

import importlib.util

import pytest

from benchmarks import ops
from benchmarks.harness.contenders.primitives import CASES, make_step
from tests.benchmarks.support import fake_interleaved, run_table


@pytest.mark.parametrize("contender", ["numpy", "pytorch"])
@pytest.mark.parametrize("case", CASES)
def test_every_case_runs(contender, case):
    if contender == "pytorch":
        pytest.importorskip("torch")
    step = make_step(contender, case)
    step()
    step()


def test_the_table_of_primitives(monkeypatch, capsys):
    calls, ms = [], {"numpy": 0.03, "numba": 0.01, "pytorch": 0.02}
    monkeypatch.setattr(ops, "interleaved", fake_interleaved(lambda name, i: ms[name], calls))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    rows = run_table(monkeypatch, capsys, ops, "--case", "tanh", "--rounds", "2", "--calls", "3")
    contenders = "benchmarks.harness.contenders.primitives"
    assert calls == [(["numpy", "numba", "pytorch"], ("tanh",), 2, 3, contenders)]
    assert rows[2] == ["tanh", "30.0", "10.0", "20.0", "3.00 (3.00-3.00)", "2.00 (2.00-2.00)"]
