"""FID: the Frechet distance between two sets of features.

The sums are ours: a few lines of NumPy, accurate also where features have no variance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gan.errors import DataError
from gan.evaluation.rows import check_rows

Moments = tuple[np.ndarray, np.ndarray]  # mean (F,) and covariance (F, F), float64


def fid(a: ArrayLike, b: ArrayLike) -> float:
    """The Frechet distance between the Gaussians fitted to two sets of features.

    Parameters
    ----------
    a
        Features (N, F).
    b
        Features (M, F).

    Returns
    -------
    float
        0 if mean and covariance are the same.

    Raises
    ------
    DataError
        For fewer than two rows, different widths, or numbers that are not finite.

    References
    ----------
    Heusel et al. 2017, eq. 6.
    """
    return frechet_distance(moments(a), moments(b))


def moments(features: ArrayLike) -> Moments:
    """Mean (F,) and unbiased covariance (F, F) of features (N, F), float64."""
    features = check_rows("features", features, at_least=2)
    return features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))


def frechet_distance(a: Moments, b: Moments) -> float:
    """|m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a^1/2 S_b S_a^1/2)^1/2) for moments (m, S).

    With any factors S = R R^T, the trace of the root is the sum of the singular values of
    R_a^T R_b, which are the roots of the eigenvalues of S_a^1/2 S_b S_a^1/2. They are accurate to
    rounding, relative to the largest. A root taken after the product would turn a rounding error
    of 1e-16 in a direction without variance into 1e-8; the usual root of S_a S_b, which is not
    symmetric, may even be complex.
    """
    (mean_a, cov_a), (mean_b, cov_b) = a, b
    if mean_a.shape != mean_b.shape:
        raise DataError(
            f"features: expected the same number in both sets, got {len(mean_a)} and "
            f"{len(mean_b)}; extract both with one network"
        )
    overlap = np.linalg.svd(_factor(cov_a).T @ _factor(cov_b), compute_uv=False).sum()
    distance = ((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * overlap
    return float(max(distance, 0.0))  # rounding may leave -1e-15


def _factor(cov: np.ndarray) -> np.ndarray:
    """R with cov = R R^T: eigenvectors times roots of eigenvalues, clipped at 0."""
    values, vectors = np.linalg.eigh(cov)
    return vectors * np.sqrt(np.maximum(values, 0))
