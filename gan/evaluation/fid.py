"""Frechet distance between two sets of features: FID."""

import numpy as np

from gan.evaluation.rows import check_rows
from gan.errors import DataError


def fid(a, b):
    """The Frechet distance between the Gaussians of two sets of features, (N, F) and (M, F): a float, 0 where they agree.

    Errors: `DataError` for features that are not finite, of different widths, or fewer than two.
    Source: Heusel et al. 2017, eq. 6.
    """
    return frechet_distance(moments(a), moments(b))


def moments(features):
    """Mean (F,) and covariance (F, F) of features (N, F), float64."""
    features = check_rows("features", features, at_least=2)
    return features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))


def frechet_distance(a, b):
    """|m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a^1/2 S_b S_a^1/2)^1/2), of moments (m, S).

    With any factors S = R R^T, the last trace is the sum of the singular values of R_a^T R_b: those are the roots of the
    eigenvalues of S_a^1/2 S_b S_a^1/2. They are exact to rounding, relative to the largest; a root taken after the product
    would turn a rounding of 1e-16 in a direction without variance into 1e-8, and the usual root of S_a S_b, which is not
    symmetric, into complex numbers.
    """
    (mean_a, cov_a), (mean_b, cov_b) = a, b
    if mean_a.shape != mean_b.shape:
        raise DataError(f"features: expected as many features in both sets, got {len(mean_a)} and {len(mean_b)}")
    overlap = np.linalg.svd(_factor(cov_a).T @ _factor(cov_b), compute_uv=False).sum()
    distance = ((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * overlap
    return float(max(distance, 0.0))  # rounding may leave -1e-15


def _factor(cov):
    """R with cov = R R^T: eigenvectors times the roots of eigenvalues, which rounding may have left below 0."""
    values, vectors = np.linalg.eigh(cov)
    return vectors * np.sqrt(np.maximum(values, 0))
