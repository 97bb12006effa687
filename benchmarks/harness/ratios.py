"""Ratios between contenders, round by round."""

import statistics
from collections.abc import Sequence


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, float, float]:
    """(median, lower quartile, upper quartile) of the ratios of all rounds."""
    ratios = [a / b for a, b in zip(numerators, denominators, strict=True)]
    if len(ratios) == 1:
        return ratios[0], ratios[0], ratios[0]
    low, middle, high = statistics.quantiles(ratios, method="inclusive")
    return middle, low, high


def ratio_cell(numerators: Sequence[float], denominators: Sequence[float]) -> str:
    """The same for a table, e.g. "1.50 (1.45-1.58)"."""
    middle, low, high = ratio(numerators, denominators)
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"
