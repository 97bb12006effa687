"""How a program calls the kernels of the convolutions: each part of them as a task."""

from __future__ import annotations

from typing import Any

import numpy as np

from nn.ops.numba.capture.cutting import Part, Passes
from nn.ops.numba.parts.conv import (
    add_shares,
    convolve_part,
    part_of,
    transpose_part,
    weight_grad_part,
)


def images_of(x: np.ndarray, part: int, parts: int, lines: int) -> np.ndarray:
    """The images in which a part of all lines lie, `lines` in each."""
    first, end = part_of(part, parts, len(x) * lines)
    return x[first // lines : -(-end // lines)]


def convolve_passes(args: Any) -> Passes:
    """The pass of `convolve`."""
    x, W, b, kernel, stride, padding, columns, out, _ = args
    n, (_, P, Q, K) = len(columns), out.shape
    found = []
    for part in range(n):
        first, end = part_of(part, n, len(out) * P)
        lines = out.reshape(-1, Q, K)[first:end]
        found.append(
            Part(
                convolve_part,
                (x, W, b, kernel, stride, padding, columns, out, part),
                [images_of(x, part, n, P), W, b],
                [columns[part], lines],
            )
        )
    return [found]


def weight_grad_passes(args: Any) -> Passes:
    """The passes of `convolve_weight_grad`."""
    x, dy, kernel, stride, padding, columns, shares, add, dW, _ = args
    n, P = len(columns), dy.shape[1]
    return [
        [
            Part(
                weight_grad_part,
                (x, dy, kernel, stride, padding, columns, shares, part),
                [images_of(x, part, n, P), images_of(dy, part, n, P)],
                [columns[part], shares[part]],
            )
            for part in range(n)
        ],
        [Part(add_shares, (shares, add, dW), [shares, dW], [dW])],
    ]


def transpose_passes(args: Any) -> Passes:
    """The pass of `convolve_transpose`."""
    y, W, b, kernel, stride, padding, columns, out, _ = args
    n = len(columns)
    return [
        [
            Part(
                transpose_part,
                (y, W, b, kernel, stride, padding, columns, out, part),
                [images_of(y, part, n, 1), W, b],
                [columns[part], images_of(out, part, n, 1)],
            )
            for part in range(n)
        ]
    ]
