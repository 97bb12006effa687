"""Activations and elementwise arithmetic on a CUDA device."""

from __future__ import annotations

from nn.ops.base import Array
from nn.ops.base.activations import GELU_A, GELU_C
from nn.ops.cuda.part import CudaPart
from nn.ops.cuda.reductions import THREADS
from nn.ops.cuda.sources import Elementwise
from nn.ops.numpy.activations import least_slope

SLOPE = (  # of the sigmoid; NaN stays NaN
    "T e = exp(-fabs(x)), slope = e / ((1 + e) * (1 + e));slope = slope < least ? least : slope;"
)

ACTIVATIONS = {
    "leaky_relu": Elementwise(  # with slope 0, no product 0 * -infinity
        "T x, T slope", "T y", "y = x > 0 ? x : slope == 0 && x <= 0 ? T(0) : slope * x"
    ),
    "leaky_relu_backward": Elementwise(
        "T y, T slope", "T dy", "dy = y > 0 ? dy : slope == 0 ? T(0) : slope * dy"
    ),
    "sigmoid": Elementwise(
        "T x", "T y", "T tail = exp(-fabs(x)); y = (x >= 0 ? T(1) : tail) / (1 + tail)"
    ),
    "sigmoid_backward": Elementwise("T x, T least", "T dy", SLOPE + "dy *= slope"),
    "divide_by_sigmoid_slope": Elementwise("T x, T least", "T dy", SLOPE + "dy /= slope"),
    "tanh_forward": Elementwise("T x", "T y", "y = tanh(x)"),
    "tanh_backward": Elementwise("T y", "T dy", "dy *= 1 - y * y"),
    "silu_backward": Elementwise("T y, T s", "T dy", "dy *= s + y * (1 - s)"),
    "gelu_forward": Elementwise(
        "T x",
        "T y, T t",
        f"t = tanh(x * (T({GELU_C}) + T({GELU_A * GELU_C}) * x * x));y = x * (T(0.5) + T(0.5) * t)",
    ),
    "gelu_backward": Elementwise(
        "T x, T t",
        "T dy",
        f"T du = T({GELU_C}) + T({3 * GELU_A * GELU_C}) * x * x;"
        "dy *= T(0.5) * (1 + t + x * (1 - t * t) * du)",
    ),
    "multiply": Elementwise("T a, T b", "T y", "y = a * b"),
    "divide": Elementwise("T a, T b", "T y", "y = a / b"),
    "subtract": Elementwise("T a, T b", "T y", "y = a - b"),
}


class CudaActivations(CudaPart):
    """Each primitive is one kernel."""

    def leaky_relu(self, x: Array, slope: float, *, out: Array) -> Array:
        self.kernel("leaky_relu")(x, slope, out)
        return out

    def leaky_relu_backward_(self, dy: Array, y: Array, slope: float) -> Array:
        self.kernel("leaky_relu_backward")(y, slope, dy)
        return dy

    def sigmoid(self, x: Array, *, out: Array) -> Array:
        self.kernel("sigmoid")(x, out)
        return out

    def sigmoid_backward_(self, dy: Array, x: Array) -> Array:
        self.kernel("sigmoid_backward")(x, least_slope(x.dtype), dy)
        return dy

    def divide_by_sigmoid_slope_(self, dy: Array, x: Array) -> Array:
        self.kernel("divide_by_sigmoid_slope")(x, least_slope(x.dtype), dy)
        return dy

    def tanh(self, x: Array, *, out: Array) -> Array:
        self.kernel("tanh_forward")(x, out)
        return out

    def tanh_backward_(self, dy: Array, y: Array) -> Array:
        self.kernel("tanh_backward")(y, dy)
        return dy

    def silu_backward_(self, dy: Array, y: Array, s: Array) -> Array:
        self.kernel("silu_backward")(y, s, dy)
        return dy

    def gelu(self, x: Array, *, out: Array, t: Array) -> Array:
        self.kernel("gelu_forward")(x, out, t)
        return out

    def gelu_backward_(self, dy: Array, x: Array, t: Array) -> Array:
        self.kernel("gelu_backward")(x, t, dy)
        return dy

    def softmax(self, x: Array, *, out: Array) -> Array:
        self.launch("softmax", (len(x),), (THREADS,), (x, out), x.shape[1])
        return out

    def multiply(self, x: Array, y: Array | float, *, out: Array) -> Array:
        self.kernel("multiply")(x, y, out)
        return out

    def divide(self, x: Array, y: Array | float, *, out: Array) -> Array:
        self.kernel("divide")(x, y, out)
        return out

    def subtract(self, x: Array, y: Array | float, *, out: Array) -> Array:
        self.kernel("subtract")(x, y, out)
        return out
