"""Early stopping of `byhand train`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gan.commands.shared.command_line import Parser, positive_int
from gan.runs.run import Run

Say = Callable[..., object]


def add_early_stopping(parser: Parser) -> None:
    """Add --patience and --validation."""
    add = parser.add_argument
    add(
        "--patience",
        type=positive_int,
        metavar="N",
        help="stop after N measurements of FID in a row without a new minimum, on training images "
        "that are held out (default: never)",
    )
    add(
        "--validation",
        type=positive_int,
        metavar="N",
        help="hold N training images of a data set out and measure FID on them, not on test images "
        "(default: with --patience a tenth, at most 10,000)",
    )


def fids(history: Sequence[Mapping[str, Any]]) -> list[float]:
    """The FIDs measured so far, in order."""
    return [row["fid"] for row in measured(history)]


def measured(history: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows with a FID."""
    return [row for row in history if row.get("fid") is not None]


def print_best(run: Run, n_held_out: int, say: Say) -> None:
    """Print the lowest FID of a run whose FID is measured on images held out, and its step."""
    if rows := measured(run.history):
        fid, step = min((row["fid"], row["step"]) for row in rows)
        say(
            f"best FID {fid:.3f}, after step {step:,}, on {n_held_out:,} images held out: its "
            f"weights are in {run.path / 'best.npz'}"
        )
