"""The directions of the noise in which the images of a generator change most."""

from __future__ import annotations

import math
from dataclasses import dataclass

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.sampling import Sampler

MOST = 10  # directions
MAX_NUMBERS = 100_000_000  # in A; 18 times those of the largest recipe


@dataclass(frozen=True)
class Directions:
    """Leading directions of the noise.

    Parameters
    ----------
    axes
        float32 (k, latent.size), orthonormal: z @ axis is the coordinate of z on an axis.
    shares
        float32 (k,): the share of the variance of the first layer's output along each, falling.
    """

    axes: np.ndarray
    shares: np.ndarray


def leading_directions(sampler: Sampler) -> Directions:
    """Principal components of what the generator's first layer makes of noise, as directions in z.

    The output h of the first layer that has parameters is affine in z, h = z A + c. The elements of
    z are independent and have one variance, so that with A = U S V^T the principal components of h
    are the rows of V^T, and moving z along a column of U moves h along one of them. The shares are
    S^2 / sum S^2. A's rows are h at the unit vectors, less h at 0.

    Parameters
    ----------
    sampler
        Its generator is looked at; classes are left at 0, since they only shift h. If A has more
        than MAX_NUMBERS elements, the directions are unit vectors with a share of 0.

    References
    ----------
    Härkönen et al. 2020 (GANSpace), section 3.
    """
    generator, size = sampler.generator, sampler.latent.size
    ops, k = generator.ops, min(MOST, size)
    first = next(i for i, layer in enumerate(generator) if layer.n_parameters)
    body = generator[: first + 1]
    n_out = math.prod(body.output_shape((sampler.n_in,)))
    if size * n_out > MAX_NUMBERS:
        return Directions(np.eye(k, size, dtype=np.float32), np.zeros(k, np.float32))
    inputs = np.eye(size + 1, sampler.n_in, dtype=generator.dtype)
    inputs[size] = 0
    h = ops.to_host(body(ops.asarray(inputs))).reshape(size + 1, -1).astype(np.float64)
    A = h[:size] - h[size]
    squares, U = np.linalg.eigh(A @ A.T)  # A A^T = U S^2 U^T
    leading = np.argsort(squares)[::-1][:k]
    squares = np.maximum(squares, 0)
    shares = squares[leading] / max(squares.sum(), 1e-300)
    return Directions(U[:, leading].T.astype(np.float32), shares.astype(np.float32))
