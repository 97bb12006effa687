"""A slice of `python -m benchmarks.gradcheck_sweep`: random networks, right and mistaken."""

import pytest

import nn
from benchmarks.gradcheck_sweep import check, summarize
from benchmarks.harness.gradcheck.mistaken_cases import mistaken_case
from benchmarks.harness.gradcheck.random_networks import random_case
from nn.checking.report import Report

pytestmark = pytest.mark.gradcheck


@pytest.mark.parametrize("seed", range(0, 60, 10))
def test_random_right_networks_pass(seed):
    for each in range(seed, seed + 10):
        case = random_case(each)
        report = case.check()
        assert report.ok, f"seed {each}: {case.chain}\n{report}"


@pytest.mark.parametrize("seed", range(0, 60, 10))
def test_random_mistakes_are_found(seed):
    """Gradients wrong by a factor of 1.001, and violations of the protocol."""
    for each in range(seed, seed + 10):
        case = mistaken_case(each)
        report = case.check()
        assert not report.ok, f"seed {each}, {case.mistake}: {case.chain}\n{report}"


def test_sweep_counts_and_prints_what_it_misjudged(capsys, monkeypatch):
    assert summarize("right", [check(("right", 3))]) == 0
    assert capsys.readouterr().out.startswith("right: 1 networks, 0 false alarms; a check took ")
    monkeypatch.setattr(nn, "gradcheck", lambda *args, **settings: Report(0.0))  # finds nothing
    seed, mistake, _, _ = result = check(("mistaken", 3))
    assert summarize("mistaken", [result]) == 1
    out = capsys.readouterr().out
    assert f"--- seed {seed}, {mistake}\n" in out and "mistaken: 1 networks, 1 missed" in out
    assert out.endswith(f"1 {mistake}: 1 missed\n")
