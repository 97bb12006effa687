"""Precision and recall: are generated images near real ones, and real near generated?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from gan.evaluation.rows import check_rows, distance_blocks


def precision_recall(
    real: ArrayLike,
    fake: ArrayLike,
    k: int = 3,
    progress: Callable[[int], object] | None = None,
) -> tuple[float, float]:
    """Precision and recall of generated features.

    The region of a set is the union of balls around its points, each as large as the distance to
    the point's k-th nearest neighbour in the set.

    Parameters
    ----------
    real
        Features (N, F).
    fake
        Features (M, F).
    k
        Which neighbour's distance is the radius.
    progress
        Called as progress(n) when n more rows are done, of N + 2 M in all.

    Returns
    -------
    precision : float
        The share of `fake` inside the region of `real`.
    recall : float
        The share of `real` inside the region of `fake`.

    Raises
    ------
    DataError
        For fewer than k + 1 rows, different widths, or numbers that are not finite.

    References
    ----------
    Kynkaanniemi et al. 2019, eq. 1-2.
    """
    real = check_rows("real", real, at_least=k + 1)
    fake = check_rows("fake", fake, at_least=k + 1, width=real.shape[1])
    real_reach, fake_reach = (_reach(points, k, progress) for points in (real, fake))
    precise, recalled = np.zeros(len(fake), bool), np.zeros(len(real), bool)
    for rows, d in distance_blocks(fake, real, progress):
        precise[rows] = (d <= real_reach).any(axis=1)
        recalled |= (d <= fake_reach[rows, None]).any(axis=0)
    return float(precise.mean()), float(recalled.mean())


def _reach(points: np.ndarray, k: int, progress: Callable[[int], object] | None) -> np.ndarray:
    """The squared distance of each point to its k-th nearest neighbour; the 0-th is itself."""
    return np.concatenate(
        [np.partition(d, k, axis=1)[:, k] for _, d in distance_blocks(points, points, progress)]
    )
