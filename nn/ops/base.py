"""The contract between layers and backends: `Array`, `Stream`, and every primitive, `Ops`.

A layer calls ``self.ops.gemm(...)`` and never asks which backend it is on. `NumpyOps` is the
reference implementation.

Conventions of all primitives:

- The result goes into an array of the caller's: `out`, or, where the name ends in `_`, an argument.
  After its first call with the same shapes, a primitive allocates nothing, apart from `empty`,
  `zeros`, `asarray`, `to_host` and `stream`.
- Arrays share one floating dtype unless stated otherwise. Scalars are Python numbers and are
  rounded to that dtype.
- Aliasing: an array that is written overlaps no other argument. Where a docstring says "out may be
  x", the two may be the same array, but may not overlap in part.
- Nothing is read back to the host, except by `to_host` and `all_finite`.
- A wrong shape or dtype is an error, whose type depends on the backend; layers check shapes before.

Images are channels-last here: x (N, H, W, C), y (N, P, Q, K). Kernels, strides and padding are
pairs (vertical, horizontal).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register

Pair = Sequence[int]  # (vertical, horizontal)
Seed = int | np.random.SeedSequence


class Array(Protocol):
    """A NumPy or CuPy array.

    Docstrings give the shape; the dtype is the network's unless they say otherwise.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Any: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def flags(self) -> Any: ...
    @property
    def T(self) -> Any: ...
    @property
    def reshape(self) -> Callable[..., Any]: ...
    @property
    def transpose(self) -> Callable[..., Any]: ...
    @property
    def astype(self) -> Callable[..., Any]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: Any, /) -> Any: ...
    def __setitem__(self, key: Any, value: Any, /) -> None: ...


A = TypeVar("A")


class Stream(Protocol[A]):
    """A stream of random numbers, drawn into given arrays.

    Equal seeds give equal bytes on the same backend.

    `state` consists of plain integers and strings, so that it can be stored as JSON. Reading it may
    wait for the device.
    """

    state: dict[str, Any]

    def normal_(self, out: A) -> A:
        """Fill with the standard normal distribution."""
        ...

    def uniform_(self, out: A, low: float = 0.0, high: float = 1.0) -> A:
        """Fill with the uniform distribution on [low, high)."""
        ...

    def dropout_mask_(self, out: A, p: float) -> A:
        """Fill with 0, with probability p, or 1 / (1 - p); p is rounded to a fraction of 2^bits."""
        ...

    def shuffle_(self, index: A) -> A:
        """Permute a vector of int64 in place; all orders are equally likely."""
        ...


class Ops(Protocol[A]):
    """The primitives of a backend on arrays of type A."""

    device: str  # "cpu" or "cuda"

    # ---- arrays

    def empty(self, shape: int | Sequence[int], dtype: Any) -> A:
        """An uninitialised C-contiguous array that starts at a multiple of `ALIGNMENT` bytes."""
        ...

    def zeros(self, shape: int | Sequence[int], dtype: Any) -> A:
        """`empty`, filled with zeros."""
        ...

    def is_array(self, x: object) -> bool:
        """Whether x is an array of this backend."""
        ...

    def asarray(self, host: Any, dtype: Any = None) -> A:
        """A C-contiguous copy, on the device, of a NumPy array or what `np.asarray` takes."""
        ...

    def to_host(self, x: A) -> np.ndarray:
        """A copy of x as a NumPy array. On a GPU it waits for the device."""
        ...

    def copy_(self, y: A, x: A) -> None:
        """y = x, converted to y's dtype."""
        ...

    def fill_(self, x: A, value: float) -> None:
        """Set every element of x to value."""
        ...

    def add_(self, y: A, x: A) -> A:
        """y += x.

        x has y's shape, or is a row (y.shape[-1],) added to every row of y.
        """
        ...

    def all_finite(self, x: A) -> bool:
        """Whether no element is infinite or NaN.

        A host read: for the edges of training, never inside a step.
        """
        ...

    def gather_rows(self, bytes_: A, index: A, scale: float, shift: float, *, out: A) -> A:
        """out[i] = scale bytes_[index[i]] + shift: a batch of images, converted to floats.

        bytes_ (n, ...) is uint8; index (b,) is int64, clipped to 0..n-1; out (b, ...) has rows of
        the same size, in any shape.
        """
        ...

    def stream(self, seed_sequence: Seed) -> Stream[A]:
        """An independent stream of random numbers on this device."""
        ...

    # ---- products

    def gemm(
        self, a: A, b: A, *, out: A, trans_a: bool = False, trans_b: bool = False, add: bool = False
    ) -> A:
        """out = a b, or out += a b with add.

        a and b are matrices, transposed first with trans_a, trans_b.
        """
        ...

    def affine(self, x: A, W: A, b: A, *, out: A) -> A:
        """out = x W + b. x (N, n_in), W (n_in, n_out), b (n_out,), out (N, n_out)."""
        ...

    # ---- convolutions: all arrays C-contiguous; W (K, kh, kw, C)

    def conv(self, x: A, W: A, b: A | None, stride: Pair, padding: Pair, *, out: A) -> A:
        """The convolution of x with W, plus b.

        out[n, p, q, k] = b[k] + sum_(i, j, c) x[n, p sh + i - ph, q sw + j - pw, c] W[k, i, j, c],
        with x = 0 outside the image. x (N, H, W, C), b (K,), out (N, P, Q, K).
        """
        ...

    def conv_weight_grad(
        self, x: A, dy: A, stride: Pair, padding: Pair, *, out: A, add: bool = False
    ) -> A:
        """out = dL/dW of `conv`, or += with add.

        dW[k, i, j, c] = sum_(n, p, q) dy[n, p, q, k] x[n, p sh + i - ph, q sw + j - pw, c].
        x (N, H, W, C), dy (N, P, Q, K), out (K, kh, kw, C).
        """
        ...

    def conv_transpose(self, y: A, W: A, b: A | None, stride: Pair, padding: Pair, *, out: A) -> A:
        """The adjoint of `conv`, hence its input gradient, plus b.

        out[n, h, w, c] = b[c] + the sum of y[n, p, q, k] W[k, i, j, c] over k and all
        p sh + i - ph = h, q sw + j - pw = w. y (N, P, Q, K), b (C,), out (N, H, W, C). out's shape
        determines the number of pixels; a pixel that no window covers is b.
        """
        ...

    # ---- pooling: all arrays C-contiguous

    def max_pool(self, x: A, kernel: Pair, stride: Pair, padding: Pair, *, out: A, winner: A) -> A:
        """out = the largest x in each window, winner = its tap i kw + j, the first among equals.

        x (N, H, W, C), out (N, P, Q, C), winner uint8 (N, P, Q, C). What lies outside the image
        never wins, not even over -inf. NaN counts as larger than every number; the last NaN in a
        window wins.
        """
        ...

    def max_pool_backward(
        self, dy: A, winner: A, kernel: Pair, stride: Pair, padding: Pair, *, out: A
    ) -> A:
        """out = the sum of dy over the windows whose winner is that pixel.

        dy (N, P, Q, C), out (N, H, W, C).
        """
        ...

    def avg_pool(self, x: A, kernel: Pair, stride: Pair, padding: Pair, *, out: A) -> A:
        """out = the mean of x over each window; outside the image, x is 0.

        x (N, H, W, C), out (N, P, Q, C).
        """
        ...

    def avg_pool_backward(self, dy: A, kernel: Pair, stride: Pair, padding: Pair, *, out: A) -> A:
        """out = the sum of dy / (kh kw) over the windows that contain the pixel.

        dy (N, P, Q, C), out (N, H, W, C).
        """
        ...

    def upsample(self, x: A, factor: Pair, *, out: A) -> A:
        """out[n, h, w, c] = x[n, h // fh, w // fw, c]. x (N, H, W, C), out (N, fh H, fw W, C)."""
        ...

    def upsample_backward(self, dy: A, factor: Pair, *, out: A) -> A:
        """out[n, h, w, c] = the sum of dy over the fh fw copies of that pixel.

        dy (N, fh H, fw W, C), out (N, H, W, C).
        """
        ...

    # ---- augmentation: draws (N, 2) are uniform on [0, 1)

    def shift_images(
        self, x: A, draws: A, reach: int, fill: float, *, out: A, back: bool = False
    ) -> A:
        """out[n, h, w] = x[n, h - down, w - right], or fill where that lies outside.

        down = floor((2 reach + 1) draws[n, 0]) - reach, right likewise from draws[n, 1], with
        reach < H and reach < W. With back, images move by -down and -right instead.
        x and out (N, H, W, C).
        """
        ...

    def cut_out(self, x: A, draws: A, size: int, fill: float, *, out: A) -> A:
        """out = x, with fill in a square of each image, clipped at the edges.

        The square covers rows top..top + size - 1, where top + size // 2 = floor(k draws[n, 0]),
        k = H + 1 for an even size, H for an odd one. Columns likewise from draws[n, 1].
        x and out (N, H, W, C); out may be x.
        """
        ...

    # ---- activations and arithmetic: arrays of one shape and memory order, or as stated

    def leaky_relu(self, x: A, slope: float, *, out: A) -> A:
        """out = max(x, slope x), with 0 <= slope < 1."""
        ...

    def leaky_relu_backward_(self, dy: A, y: A, slope: float) -> A:
        """dy *= 1 where y > 0, slope elsewhere; y has the sign of x.

        With slope 0, dy = 0 there even if it was infinite.
        """
        ...

    def sigmoid(self, x: A, *, out: A) -> A:
        """out = 1 / (1 + exp(-x)), without overflow, and without rounding small results to 0."""
        ...

    def sigmoid_backward_(self, dy: A, x: A) -> A:
        """dy *= max(sigmoid'(x), `least_slope`)."""
        ...

    def divide_by_sigmoid_slope_(self, dy: A, x: A) -> A:
        """dy /= max(sigmoid'(x), `least_slope`): undoes `sigmoid_backward_`."""
        ...

    def tanh(self, x: A, *, out: A) -> A:
        """out = tanh(x)."""
        ...

    def tanh_backward_(self, dy: A, y: A) -> A:
        """dy *= 1 - y^2."""
        ...

    def multiply(self, x: A, y: A | float, *, out: A) -> A:
        """out = x y.

        y broadcasts to x's shape: an array of that shape, a row, a column, or a number. out may be
        x or y.
        """
        ...

    def divide(self, x: A, y: A | float, *, out: A) -> A:
        """out = x / y. y broadcasts to x's shape; out may be x or y."""
        ...

    def subtract(self, x: A, y: A | float, *, out: A) -> A:
        """out = x - y. y broadcasts to x's shape; out may be x or y."""
        ...

    # ---- normalization: matrices x, y, dy, xhat (n, c); the others are rows (c,)

    def sum_rows(self, x: A, *, out: A, add: bool = False) -> A:
        """out[j] = sum_i x[i, j], or += with add."""
        ...

    def sum_product_rows(self, x: A, y: A, *, out: A) -> A:
        """out[j] = sum_i x[i, j] y[i, j]."""
        ...

    def normalize(self, x: A, eps: float, *, out: A, mean: A, var: A, inv_std: A) -> A:
        """mean and biased var of each column, inv_std = 1 / sqrt(var + eps).

        out = (x - mean) inv_std; out may be x. For a column of equal numbers, mean is that number,
        var and out are 0.
        """
        ...

    def normalize_backward(self, dy: A, xhat: A, W: A, inv_std: A, dW: A, db: A, *, out: A) -> A:
        """out = W inv_std (dy - db / n - xhat dW / n), with dW = sum_n dy xhat, db = sum_n dy.

        out may be dy or xhat.
        """
        ...

    def scale_shift(self, x: A, scale: A, shift: A, *, out: A) -> A:
        """out = x scale + shift; out may be x."""
        ...

    def shift_scale(self, x: A, shift: A, scale: A, *, out: A) -> A:
        """out = (x - shift) scale; out may be x."""
        ...

    def inverse_std(self, var: A, eps: float, *, out: A) -> A:
        """out = 1 / sqrt(var + eps); out may be var."""
        ...

    def moving_average_(self, average: A, value: A, weight: float, *, scale: float = 1.0) -> A:
        """average += weight (scale value - average)."""
        ...

    def normalize_vector_(self, x: A, tiny: float) -> A:
        """x /= max(|x|, tiny), x a vector."""
        ...

    # ---- losses of n elements: the gradient has the input's shape, value is (1,), and target is an
    # array of the input's shape or a number, unless stated otherwise

    def bce_with_logits(self, z: A, target: A | float, weight: float, *, dz: A, value: A) -> None:
        """value = (weight / n) sum(max(z, 0) - z t + log(1 + exp(-|z|))).

        dz = (weight / n) (sigmoid(z) - t).
        """
        ...

    def bce(self, p: A, target: A | float, weight: float, *, dp: A, value: A) -> None:
        """value = -(weight / n) sum(t log p + (1 - t) log(1 - p)).

        dp = (weight / n) (p - t) / (p (1 - p)). p is first clipped to [tiny, 1 - eps / 2], the open
        interval as far as its dtype can represent it; p (1 - p) is at least `least_slope`, so dp is
        finite for weights of up to 4e9.
        """
        ...

    def squared_error(self, y: A, target: A | float, weight: float, *, dy: A, value: A) -> None:
        """value = (weight / n) sum((y - t)^2), dy = (weight / n) 2 (y - t)."""
        ...

    def hinge(self, y: A, target: A | float, weight: float, *, dy: A, value: A) -> None:
        """value = (weight / n) sum(max(1 - t y, 0)), for t of 1 or -1.

        dy = -(weight / n) t where t y < 1, else 0.
        """
        ...

    def mean(self, y: A, weight: float, *, dy: A, value: A) -> None:
        """value = (weight / n) sum(y), dy = weight / n."""
        ...

    def norm_penalty(self, g: A, target: float, weight: float, *, dg: A, value: A) -> None:
        """value = (weight / 2) mean_n (|g_n| - target)^2, for the rows g_n of g (N, columns).

        dg_n = (weight / N) (g_n - target g_n / |g_n|), or 0 for a row of zeros, which has no
        direction.
        """
        ...

    def softmax_cross_entropy(self, z: A, target: A, weight: float, *, dz: A, value: A) -> None:
        """value = (weight / n) sum(log sum_j exp(z_j - m) - (z_t - m)), m = max(z).

        dz = (weight / n) (softmax(z) - [k = t]). z and dz (n, classes); target (n,), integers in
        0..classes-1. For any other class, the CPU raises `ShapeError`; a GPU, where the check would
        be a host read, makes value and the row of dz NaN.
        """
        ...

    def mean_sigmoid(self, z: A, *, out: A) -> None:
        """out[0] = the mean of sigmoid(z)."""
        ...

    # ---- optimizers: flat vectors, all but grad updated; step_and_rate (2,), float64, is the step
    # count, which each call increments, and the learning rate lr

    def sgd_step_(
        self, value: A, grad: A, velocity: A, step_and_rate: A, momentum: float, nesterov: bool
    ) -> None:
        """velocity = momentum velocity + grad; value -= lr velocity.

        With nesterov, value -= lr (grad + momentum velocity).
        """
        ...

    def rmsprop_step_(
        self, value: A, grad: A, square: A, step_and_rate: A, decay: float, eps: float
    ) -> None:
        """square = decay square + (1 - decay) grad^2; value -= lr grad / (sqrt(square) + eps)."""
        ...

    def adam_step_(
        self,
        value: A,
        grad: A,
        m: A,
        v: A,
        step_and_rate: A,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
    ) -> None:
        """One step of Adam with decoupled weight decay; m is stored without its factor (1 - beta1).

        value *= 1 - lr weight_decay; m = beta1 m + grad; v = beta2 v + (1 - beta2) grad^2;
        value -= lr (1 - beta1) / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps), t = step count.
        """
        ...
