"""Helpers for the tests of the benchmarks."""

import sys

TWO_LAYER_PRODUCTS = [
    # (rows, inner, columns) of each product of a step of two-layer. A batch is 64, and D sees 128
    # images at once. A column times a row, in D's last layer backward, is no matrix product:
    # NumPy multiplies them.
    *[(64, 100, 512), (64, 512, 784)],  # G makes images for D
    *[(128, 784, 512), (128, 512, 1)],  # D forward
    *[(512, 128, 1), (784, 128, 512)],  # and backward
    *[(64, 100, 512), (64, 512, 784), (64, 784, 512), (64, 512, 1)],  # G's update, forward
    *[(64, 512, 784), (512, 64, 784), (64, 784, 512), (100, 64, 512)],  # backward, through D to G
]


def run_table(monkeypatch, capsys, module, *words):
    """The rows of cells that a command prints as Markdown."""
    monkeypatch.setattr(sys, "argv", ["command", "--markdown", *words])
    assert module.main() == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def fake_interleaved(times, calls):
    """An `interleaved` that takes milliseconds from times(contender, round) and records calls."""

    def interleaved(names, args, rounds, count, module):
        calls.append((names, args, rounds, count, module))
        return {name: [times(name, i) for i in range(rounds)] for name in names}

    return interleaved


def parse(module, words, monkeypatch):
    """The arguments that a command parses from these words."""
    monkeypatch.setattr(sys, "argv", ["command", *words])
    return module.arguments()
