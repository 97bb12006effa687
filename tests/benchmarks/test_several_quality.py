"""benchmarks.several_quality: runs of one process and of two, and the table of both."""

import json
import subprocess
import types

from benchmarks import several_quality
from tests.benchmarks.test_quality import FLOOR, METRICS
from tests.support.small import command  # noqa: F401


def finish(folder, processes, seed, fid):
    """What a run and its evaluation leave."""
    folder.mkdir(parents=True)
    config = {"seed": seed} | ({"processes": processes} if processes > 1 else {})
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "history.csv").write_text("step,seconds\n1,60\n2,120\n")
    metrics = {"metrics": METRICS | {"fid": fid}, "floor": FLOOR}
    (folder / "metrics.json").write_text(json.dumps(metrics))


def test_runs_that_are_there_are_compared(command, tmp_path):  # noqa: F811
    for seed, (one, two) in enumerate([(3.0, 3.2), (3.4, 3.6), (3.2, 4.0)]):
        finish(tmp_path / f"one-{seed}", 1, seed, one)
        finish(tmp_path / f"two-{seed}", 2, seed, two)
    status, out, err = command(several_quality, "--out", tmp_path, "--markdown")
    assert status == 0, err
    lines = [line.split(" | ")[:4] for line in out.splitlines()[2:]]
    assert lines[0] == ["| 1", "0", "3.0", "3.000"] and lines[5] == ["| 2", "2", "3.0", "4.000"]
    assert [line[3] for line in lines[6:]] == ["3.200", "0.200", "3.600", "0.400", "0.400"]
    assert lines[7][:2] == ["| 1", "deviation"] and lines[-1][0] == "| difference"


def test_runs_that_are_missing_are_trained(command, tmp_path, monkeypatch):  # noqa: F811
    calls = []

    def run(words, stdout):
        assert stdout == several_quality.MESSAGES
        calls.append(words)
        if "--seed" in words:
            folder = tmp_path / words[words.index("--out") + 1]
            finish(folder, 2 if "-n" in words else 1, int(words[words.index("--seed") + 1]), 3.0)
        return types.SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(several_quality, "mpiexec", lambda: "mpiexec")
    assert command(several_quality, "--out", "q", "--seed", 4)[0] == 0
    assert calls[1][:3] == ["mpiexec", "-n", "2"] and "-n" not in calls[0] and len(calls) == 2
    assert {path.name for path in (tmp_path / "q").iterdir()} == {"one-4", "two-4"}
    (tmp_path / "q" / "two-4").rename(tmp_path / "q" / "two-5")
    (tmp_path / "q" / "one-4").rename(tmp_path / "q" / "one-5")
    status, out, err = command(several_quality, "--out", "q", "--seed", 5)
    assert status == 2 and "expected a run of 1 processes with seed 5, got one of 1 with" in err
