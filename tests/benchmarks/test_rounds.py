"""The harness: contenders, rounds, ratios, tables and clocks. No test depends on the time."""

import types

import pytest

from benchmarks.harness import rounds
from benchmarks.harness.clocks import CupyClock, TorchClock, WallClock, clock_of
from benchmarks.harness.ratios import ratio, ratio_cell
from benchmarks.harness.rounds import Contender, rotated, timed
from benchmarks.harness.tables import render


def test_ratio_is_the_median_of_the_ratios_of_the_rounds():
    assert ratio([2, 4, 30], [1, 1, 10]) == (3, 2.5, 3.5)
    assert ratio([2], [1]) == (2, 2, 2)
    assert ratio_cell([2, 4, 30], [1, 1, 10]) == "3.00 (2.50-3.50)"


def test_a_measurement_starts_with_untimed_steps():
    calls = []
    assert timed(lambda: calls.append(1), 5) >= 0
    assert len(calls) > 5


def test_a_step_with_a_lead_in_is_not_called_untimed():
    class Long:
        calls, lead_ins = 0, 0

        def __call__(self):
            self.calls += 1

        def lead_in(self):
            self.lead_ins += 1

    step = Long()
    timed(step, 2)
    assert step.calls == 2 and step.lead_ins >= rounds.MIN_STEPS


def test_a_contender_is_a_process_that_answers_and_ends():
    with Contender("floor", ("mlp-leaky",)) as contender:
        assert contender.milliseconds(2) > 0
    assert contender.process.returncode == 0


def test_a_contender_answers_with_the_time_of_the_requested_step(monkeypatch, capsys):
    measured = []
    module = types.SimpleNamespace(
        make_step=lambda name, *args: [f"{name} {args[0]} {k}" for k in "abc"]
    )
    monkeypatch.setattr(rounds.importlib, "import_module", lambda name: module)
    monkeypatch.setattr(rounds, "run_untimed", lambda step, seconds: None)
    monkeypatch.setattr(
        rounds, "timed", lambda step, count, clock: measured.append((step, count)) or len(measured)
    )
    monkeypatch.setattr(rounds.sys, "argv", ["rounds", "a.module", "ours", "dcgan"])
    monkeypatch.setattr(rounds.sys, "stdin", ["2 5\n", "0 4\n"])
    rounds.main()
    assert capsys.readouterr().out.split() == ["ready", "1", "2"]
    assert measured == [("ours dcgan c", 5), ("ours dcgan a", 4)]


def test_each_round_starts_with_another_contender():
    assert [rotated(["a", "b", "c"], i)[0] for i in range(4)] == ["a", "b", "c", "a"]
    assert rotated(["a", "b", "c"], 2) == ["c", "a", "b"]


def test_tables():
    header, rows = ["recipe", "ms"], [("a", 1), ("bcd", "10.5")]
    assert render(header, rows) == "recipe    ms\n------------\na          1\nbcd     10.5"
    markdown = "| recipe | ms |\n| --- | ---: |\n| a | 1 |\n| bcd | 10.5 |"
    assert render(header, rows, markdown=True) == markdown


def test_clocks():
    assert isinstance(clock_of("eager"), WallClock)
    assert isinstance(clock_of("ours", "cuda"), CupyClock)
    assert isinstance(clock_of("eager", "cuda"), TorchClock)
    assert WallClock().milliseconds(1.0, 1.5) == 500


@pytest.mark.parametrize("n_steps", [1, 3])
def test_rounds_are_interleaved(monkeypatch, n_steps):
    calls = []

    class Fake:
        def __init__(self, name, args, module):
            assert (args, module) == (("dcgan",), "a.module")
            self.name = name

        def __enter__(self):
            return self

        def __exit__(self, *error):
            calls.append(f"end {self.name}")

        def milliseconds(self, count, index):
            calls.append((self.name, index))
            return len(calls)

    monkeypatch.setattr(rounds, "Contender", Fake)
    times = rounds.interleaved_steps(["a", "b"], ("dcgan",), n_steps, 2, 5, "a.module")
    first = [(name, index) for index in range(n_steps) for name in "ab"]
    second = [(name, index) for index in range(n_steps) for name in "ba"]
    assert calls == [*first, *second, "end b", "end a"]
    assert times["a"] == [[2 * k + 1, 2 * (n_steps + k) + 2] for k in range(n_steps)]
