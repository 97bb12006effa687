"""Convolution and its adjoint in JAX, each with the other as its input gradient.

Images are (N, H, W, C) and weights (kh, kw, C, K) for both. For the gradient of a transposed
convolution by its weights, which a penalty needs too, JAX alone makes a convolution whose input and
kernel are both dilated. On the CPU, with strides, that takes tens of times as long as the weight
gradient of the adjoint, which is the same sum.
"""

from __future__ import annotations

from functools import partial

import jax
from jax import Array, lax
from jax import numpy as jnp

Pair = tuple[int, int]
LAYOUT = ("NHWC", "HWIO", "NHWC")  # 7% less processor time for a step than NCHW


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv(x: Array, w: Array, stride: Pair, padding: Pair) -> Array:
    """(N, H, W, C) -> (N, P, Q, K)."""
    return plain_conv(x, w, stride, padding)


def plain_conv(x: Array, w: Array, stride: Pair, padding: Pair) -> Array:
    """The same with JAX's own derivatives."""
    pads = [(p, p) for p in padding]
    return lax.conv_general_dilated(x, w, stride, pads, dimension_numbers=LAYOUT)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def conv_transpose(y: Array, w: Array, stride: Pair, padding: Pair, size: Pair) -> Array:
    """(N, P, Q, K) -> (N, H, W, C): the adjoint of `conv` for images of this size, (H, W)."""
    low = [k - 1 - p for k, p in zip(w.shape, padding)]
    high = [
        n + k - 1 - before - ((p - 1) * s + 1)
        for n, k, before, p, s in zip(size, w.shape, low, y.shape[1:], stride)
    ]
    return lax.conv_general_dilated(
        y,
        jnp.flip(w, (0, 1)).swapaxes(2, 3),
        (1, 1),
        list(zip(low, high)),
        lhs_dilation=stride,
        dimension_numbers=LAYOUT,
    )


def weight_grad(x: Array, dy: Array, w: Array, stride: Pair, padding: Pair) -> Array:
    """The gradient of `conv` by w, given that of its result."""
    _, pullback = jax.vjp(lambda w: plain_conv(x, w, stride, padding), w)
    return pullback(dy)[0]


def conv_forward(
    x: Array, w: Array, stride: Pair, padding: Pair
) -> tuple[Array, tuple[Array, Array]]:
    return conv(x, w, stride, padding), (x, w)


def conv_backward(
    stride: Pair, padding: Pair, kept: tuple[Array, Array], dy: Array
) -> tuple[Array, Array]:
    x, w = kept
    dx = conv_transpose(dy, w, stride, padding, x.shape[1:3])
    return dx, weight_grad(x, dy, w, stride, padding)


def conv_transpose_forward(
    y: Array, w: Array, stride: Pair, padding: Pair, size: Pair
) -> tuple[Array, tuple[Array, Array]]:
    return conv_transpose(y, w, stride, padding, size), (y, w)


def conv_transpose_backward(
    stride: Pair, padding: Pair, size: Pair, kept: tuple[Array, Array], dx: Array
) -> tuple[Array, Array]:
    y, w = kept  # <conv_transpose(y, w), dx> = <y, conv(dx, w)>
    return conv(dx, w, stride, padding), weight_grad(dx, y, w, stride, padding)


conv.defvjp(conv_forward, conv_backward)
conv_transpose.defvjp(conv_transpose_forward, conv_transpose_backward)
