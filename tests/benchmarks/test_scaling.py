"""The model of scaling, and its command on a file of measurements."""

import json
import sys

import pytest

from benchmarks import scaling_model, scaling_processes
from benchmarks.harness.alpha_beta import Model, Network, allreduce_seconds

SLOW = Network(alpha=1e-3, beta=1e-6)


def test_an_all_reduce_is_the_faster_of_two():
    assert allreduce_seconds(100, 1, SLOW) == 0
    assert allreduce_seconds(4, 8, SLOW) == pytest.approx(3 * (1e-3 + 4e-6))
    assert allreduce_seconds(10**6, 8, SLOW) == pytest.approx(6e-3 + 2 * 7 / 8)
    assert allreduce_seconds(4, 5, SLOW) == allreduce_seconds(4, 8, SLOW)


def test_a_model_scales():
    bent = Model([(10, 3.0), (30, 7.0), (40, 11.0)], (), SLOW)
    assert [bent.compute(m) for m in (5, 10, 20, 30, 35, 50)] == [2, 3, 5, 7, 9, 15]
    steep = Model([(10, 1.0), (20, 9.0)], (), SLOW)
    assert steep.compute(5) == 0.5 and steep.compute(15) == 5
    free = Model([(1, 1e-3), (2, 2e-3)], (1000,), Network(0, 0))
    assert free.strong(64, 512) == pytest.approx(64) and free.weak(64, 8) == 1
    assert free.pays_up_to(512, 64, 1.3) == 64
    bound = Model(
        [(0, 1.0), (1000, 2.0)], (1000,), SLOW
    )  # a step is mostly what each rank does anyway
    assert bound.strong(64, 512) < 1.6 and bound.pays_up_to(512, 64, 1.3) == 1
    assert bound.weak(64, 512) == pytest.approx(1.512 / (1.512 + 12e-3))


def test_the_tables_of_a_file(tmp_path, monkeypatch, capsys):
    path = tmp_path / "scaling.json"
    cells = {
        f"dcgan {batch}": {
            "alone": [1.0 * batch] * 3,
            "together": [0.8 * batch, 1.0 * batch, 1.2 * batch],
            "bytes": [2048, 4096],
            "reduce": [0.1, 0.2],
        }
        for batch in (64, 512)
    }
    path.write_text(json.dumps({"cells": cells, "sizes": {"4": 0.001}}))
    words = ["x", "--rounds", "0", "--keep", str(path), "--markdown"]
    monkeypatch.setattr(sys, "argv", words)
    assert scaling_processes.main() == 0
    table = capsys.readouterr().out
    assert "| `dcgan` | 512 | 512.00 | 512.00 | 1.00 (0.92-1.12) | 2 + 4 | 0.30 | 0.1 |" in table
    assert "| 4 | 0.0010 |" in table
    ranks = {"two-layer": {"images": {"8": [1.0, 2.0, 9.0], "64": [16.0]}, "bytes": [1024, 2048]}}
    path.write_text(json.dumps({"cells": cells, "ranks": ranks}))
    monkeypatch.setattr(sys, "argv", ["x", "--measured", str(path), "--summary", "--markdown"])
    assert scaling_model.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("| `two-layer` | 64 | 3 | 0.99 / 32 / 64 |")
    assert lines[3].startswith("| `dcgan` | 64 | 6 | 1.00 / 64 / 64 |") and len(lines) == 4
    path.write_text(json.dumps({"cells": cells}))
    words = ["x", "--measured", str(path), "--latency", "1", "--bandwidth", "100"]
    monkeypatch.setattr(sys, "argv", words)
    assert scaling_model.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 4 and lines[-1].split()[1] == "yours"
