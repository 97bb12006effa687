"""benchmarks/faults.py, scaled down, and its detection of losses."""

import random

import pytest

from benchmarks import faults
from benchmarks.harness.faults import corruption, files, stops
from benchmarks.harness.faults import runs as faults_runs
from nn import WeightsError
from tests.support.small import command  # noqa: F401

OPTIONS = (
    *("--dataset", "mnist-sample", "--device", "numpy", "--recipe", "mlp-leaky"),
    *("--batch-size", "1000", "--steps", "25", "--checkpoint-minutes", "1e-9", "--seed", "5"),
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Short runs, the first of which is complete."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faults_runs, "OPTIONS", OPTIONS)
        yield faults_runs.Runs(tmp_path_factory.mktemp("runs"))


def test_changed_files_are_counted_in_a_table(command):  # noqa: F811
    status, out, _ = command(faults, "--only", "weights", "data", "--files", 200)
    assert status == 0 and out.count("200       200     0") == 2


def test_a_killed_training_goes_on_to_the_same_bytes(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(stops, "Runs", lambda folder: runs)
    tried, survived, remark = stops.kills(tmp_path, 2)
    assert (tried, survived) == (2, 2) and "inside the write" in remark


def test_losses_are_counted_and_set_the_exit_status(command, monkeypatch):  # noqa: F811
    monkeypatch.setitem(
        faults.FAULTS,
        "disk",
        faults.Fault("a disk", lambda folder, count: (count, count - 1, "one is lost"), "times"),
    )
    status, out, _ = command(faults, "--only", "disk", "--times", 3)
    assert status == 1 and "3         2     1" in out


@pytest.mark.parametrize("change", corruption.CHANGES)
def test_every_change_changes(change):
    rng, whole = random.Random(0), random.Random(1).randbytes(1000)
    results = []
    for _ in range(20):
        data = bytearray(whole)
        change(rng, data)
        results.append(bytes(data))
    assert sum(each != whole for each in results) >= 19 and len(set(results)) > 10


def a_bug():
    raise KeyError("a bug")


def a_refusal(error=WeightsError, text="it is damaged"):
    raise error(text)


@pytest.mark.parametrize(
    "read, fine",
    [
        (lambda: b"right", True),
        (lambda: b"wrong", False),
        (a_bug, False),
        (a_refusal, True),
        (lambda: a_refusal(ValueError, "two\nlines"), False),
        (lambda: (bytearray(files.N_BYTES + 1), b"right")[1], False),
    ],
)
def test_which_reads_survive(read, fine):
    assert files.survives(read, b"right", (WeightsError, ValueError))[0] is fine


def test_a_reader_that_takes_too_long_counts_as_lost(monkeypatch):
    now = iter([0.0, files.SECONDS + 0.1])
    monkeypatch.setattr(files.time, "process_time", lambda: next(now))
    assert not files.survives(lambda: 1, 1, ())[0]


def test_a_resume_with_another_result_counts_as_lost(runs, monkeypatch):
    """A run with another history, and a run that is missing."""
    assert runs.survives_resume("whole")
    *history, last = runs.history
    monkeypatch.setattr(runs, "history", [*history, [*last[:-1], "0.5"]])
    assert not runs.survives_resume("whole") and not runs.survives_resume("nowhere")
