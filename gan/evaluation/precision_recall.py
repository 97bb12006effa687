"""Precision and recall: is each image made near real ones, and each real one near those made?"""

import numpy as np

from gan.evaluation.rows import check_rows, distance_blocks


def precision_recall(real, fake, k=3, progress=None):
    """Of features (N, F) and (M, F) -> (precision, recall), each in [0, 1].

    A set's region is the union of balls around its points, each reaching to its point's k-th nearest neighbour in the set.
    Precision: the share of `fake` inside the region of `real`; recall: the share of `real` inside that of `fake`.
    progress(n): called as n more rows are done, of N + 2 M. Errors: `DataError` for fewer than k + 1 rows, different widths,
    and what is not finite. Source: Kynkaanniemi et al. 2019, eq. 1-2.
    """
    real = check_rows("real", real, at_least=k + 1)
    fake = check_rows("fake", fake, at_least=k + 1, width=real.shape[1])
    real_reach, fake_reach = (_reach(points, k, progress) for points in (real, fake))
    precise, recalled = np.zeros(len(fake), bool), np.zeros(len(real), bool)
    for rows, d in distance_blocks(fake, real, progress):
        precise[rows] = (d <= real_reach).any(axis=1)
        recalled |= (d <= fake_reach[rows, None]).any(axis=0)
    return float(precise.mean()), float(recalled.mean())


def _reach(points, k, progress):
    """The squared distance of each point to its k-th nearest neighbour; the nearest of all, at 0, is itself."""
    return np.concatenate([np.partition(d, k, axis=1)[:, k] for _, d in distance_blocks(points, points, progress)])
