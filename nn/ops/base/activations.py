"""The contract of activations and elementwise arithmetic."""

from __future__ import annotations

import math
from typing import Protocol

from nn.ops.base.arrays import A

GELU_C, GELU_A = math.sqrt(2 / math.pi), 0.044715  # of `gelu`


class ActivationOps(Protocol[A]):
    """Elementwise functions and their gradients.

    The arrays of one call have one shape and one memory order unless stated otherwise.
    """

    def leaky_relu(self, x: A, slope: float, *, out: A) -> A:
        """out = max(x, slope x), with 0 <= slope < 1."""

    def leaky_relu_backward_(self, dy: A, y: A, slope: float) -> A:
        """dy *= 1 where y > 0, slope elsewhere. y is the result or the input of `leaky_relu`.

        With slope 0, dy becomes 0 there even if it was infinite.
        """

    def sigmoid(self, x: A, *, out: A) -> A:
        """out = 1 / (1 + exp(-x)). It neither overflows nor rounds small results to 0."""

    def sigmoid_backward_(self, dy: A, x: A) -> A:
        """dy *= max(sigmoid'(x), `least_slope`)."""

    def divide_by_sigmoid_slope_(self, dy: A, x: A) -> A:
        """dy /= max(sigmoid'(x), `least_slope`), which undoes `sigmoid_backward_`."""

    def tanh(self, x: A, *, out: A) -> A:
        """out = tanh(x)."""

    def tanh_backward_(self, dy: A, y: A) -> A:
        """dy *= 1 - y^2, with y = tanh(x)."""

    def silu_backward_(self, dy: A, y: A, s: A) -> A:
        """dy *= s + y (1 - s), with s = sigmoid(x) and y = x s."""

    def gelu(self, x: A, *, out: A, t: A) -> A:
        """out = x (1 + t) / 2 with t = tanh(c (x + a x^3)), c = GELU_C, a = GELU_A."""

    def gelu_backward_(self, dy: A, x: A, t: A) -> A:
        """dy *= (1 + t) / 2 + x (1 - t^2) c (1 + 3 a x^2) / 2, with t from `gelu`."""

    def softmax(self, x: A, *, out: A) -> A:
        """out[i, j] = exp(x[i, j]) / sum_k exp(x[i, k]), without overflow. x, out (n, c)."""

    def multiply(self, x: A, y: A | float, *, out: A) -> A:
        """out = x y.

        y is a number or broadcasts to x's shape: a row, a column, an array of that shape.
        out may be x or y.
        """

    def divide(self, x: A, y: A | float, *, out: A) -> A:
        """out = x / y, with y as in `multiply`. out may be x or y."""

    def subtract(self, x: A, y: A | float, *, out: A) -> A:
        """out = x - y, with y as in `multiply`. out may be x or y."""
