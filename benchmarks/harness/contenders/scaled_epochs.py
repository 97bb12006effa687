"""Contenders of benchmarks.scaling: epochs of few images, as long together as one of many."""

from __future__ import annotations

from benchmarks.harness.contenders import epochs
from benchmarks.harness.rounds import Step


def n_epochs(n_images: int, most: int) -> int:
    """How many epochs of `n_images` have about as many images as one of `most`."""
    return max(most // n_images, 1)


def make_step(name: str, recipe: str, most: str, data_dir: str | None = None) -> Step:
    """The step of a contender whose name is, for example, "1000 steps" or "1000 ours"."""
    n, kind = name.split()
    return epochs.make_step(kind, recipe, n, n_epochs(int(n), int(most)), data_dir)
