"""Matrix products on the CPU's cores: BLAS multiplies, on Numba's threads.

BLAS has threads of its own, but they spin between products and occupy the cores that the rest of a
step needs, and their way of sharing a small product costs up to a third of its time. So each BLAS
call takes one thread, and what follows a product finds the same pool of threads awake.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from nn.ops.fork import IN_BLAS
from nn.ops.numba.capture.cutting import (
    CACHE_LINE,
    Arguments,
    Part,
    Passes,
    as_noted,
    ranges,
    whole,
)
from nn.ops.numba.compiling import both, inner, shared
from nn.ops.numba.parts.products import (
    as_before,
    calls,
    one_thread_each,
    part_by_transposing,
    part_of_product,
)
from nn.ops.numba.threads import BLAS, POOL
from nn.ops.numpy.products import NumpyProducts
from nn.ops.recording import here
from nn.ops.scratch import Scratch

# multiplications; below twice that, waking a second core costs more than it gains
WORTH_A_CORE = 1 << 16
AVX_512 = "SkylakeX", "Cooperlake", "SapphireRapids"  # OpenBLAS's names for its kernels


def is_by_columns(trans_a: bool, trans_b: bool, m: int, n: int) -> bool:
    """Whether the parts of an (m, n) product are some of its columns, instead of its rows."""
    return trans_b or (not trans_a and n >= 2 * m)


by_columns_ = inner(is_by_columns)


def product(
    a: np.ndarray,
    trans_a: bool,
    b: np.ndarray,
    trans_b: bool,
    add: bool,
    bias: np.ndarray,
    out: np.ndarray,
    work: np.ndarray,
    parts: int,
    calls: np.ndarray,
) -> None:
    """By columns of b where it has many or its rows are multiplied, otherwise by rows of out.

    `work` is empty, or working memory for a product that is computed transposed.
    """
    m, n = out.shape
    by_columns = by_columns_(trans_a, trans_b, m, n)
    step = -(-(n if by_columns else m) // (parts * CACHE_LINE)) * CACHE_LINE
    before = one_thread_each(calls)
    for part in prange(parts):
        first = part * step
        i, j = (np.int64(0), first) if by_columns else (first, np.int64(0))
        rows, columns = (m, min(step, n - j)) if by_columns else (min(step, m - i), n)
        if work.size and columns > 0:
            part_by_transposing(a, b, work, out, j, columns)
        elif rows > 0 and columns > 0:
            part_of_product(a, trans_a, b, trans_b, add, bias, out, i, j, rows, columns)
    as_before(calls, before)


product_alone, product_together = both(product)


def product_passes(args: Any) -> Passes:
    """The parts of `product`, with its arguments except the last, for a program."""
    a, trans_a, b, trans_b, add, bias, out, work, parts = args
    m, n = out.shape
    made = []
    part: Arguments
    if work.size:
        for j, end in ranges(n, parts, CACHE_LINE):
            part = a, b, work, out, j, end - j
            written = [work[j:end], out[:, j:end]]
            made.append(Part(part_by_transposing, part, [a, b[j:end]], written))
    elif is_by_columns(trans_a, trans_b, m, n):
        for j, end in ranges(n, parts, CACHE_LINE):
            b_ = b[j:end] if trans_b else b[:, j:end]
            part = a, trans_a, b, trans_b, add, bias, out, 0, j, m, end - j
            made.append(Part(part_of_product, part, [a, b_, bias[j:end]], [out[:, j:end]]))
    else:
        for i, end in ranges(m, parts, CACHE_LINE):
            a_ = a[:, i:end] if trans_a else a[i:end]
            part = a, trans_a, b, trans_b, add, bias, out, i, 0, end - i, n
            made.append(Part(part_of_product, part, [a_, b, bias], [out[i:end]]))
    return [made]


def stack_passes(args: Any) -> Passes:
    """The parts of `products`, for a program."""
    a, trans_a, b, trans_b, out, _ = args
    none = np.empty(0, out.dtype)
    return [
        [
            Part(
                part_of_product,
                (a_, trans_a, b_, trans_b, False, none, out_, 0, 0, *out_.shape),
                [a_, b_],
                [out_],
            )
            for a_, b_, out_ in zip(a, b, out)
        ]
    ]


@shared(WORTH_A_CORE, as_noted(stack_passes))
def products(
    a: np.ndarray,
    trans_a: bool,
    b: np.ndarray,
    trans_b: bool,
    out: np.ndarray,
    calls: np.ndarray,
) -> None:
    """out[e] = a[e] b[e]."""
    none = np.empty(0, out.dtype)
    m, n = out.shape[1], out.shape[2]
    before = one_thread_each(calls)
    for e in prange(len(out)):
        part_of_product(a[e], trans_a, b[e], trans_b, False, none, out[e], 0, 0, m, n)
    as_before(calls, before)


@shared(WORTH_A_CORE, whole("out"))
def outer_kernel(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """out[i, j] = a[i] b[j]; BLAS takes four times as long."""
    for i in prange(len(a)):
        for j in range(len(b)):
            out[i, j] = a[i] * b[j]


FLOAT32 = np.dtype(np.float32)
NO_BIAS, NO_WORK = np.empty(0, FLOAT32), np.empty((0, 0), FLOAT32)


class NumbaProducts(NumpyProducts):
    """Products of float32 by the kernels above, with a bias in the same pass.

    Attributes
    ----------
    transposes : whether a product may be computed transposed; see `pays_transposed`
    """

    transposes = BLAS is not None and BLAS.core in AVX_512

    def affine(self, x: np.ndarray, W: np.ndarray, b: np.ndarray, *, out: np.ndarray) -> np.ndarray:
        if b.dtype == out.dtype and b.shape == out.shape[1:]:
            return self.product(x, W, out=out, bias=b)
        return super().affine(x, W, b, out=out)

    def product(
        self,
        a: np.ndarray,
        b: np.ndarray,
        *,
        out: np.ndarray,
        add: bool = False,
        bias: np.ndarray = NO_BIAS,
    ) -> np.ndarray:
        """out = a b + bias, or out += a b + bias with add."""
        work = self.scratch if self.transposes else None
        if multiply(a, b, out, add, bias, work) or multiply_stacks(a, b, out, add, bias):
            return out
        if not add and not bias.size and is_outer(a, b, out):
            outer_kernel(a.reshape(-1), b.reshape(-1), out)
            return out
        if here.recorder is not None:
            here.recorder.kernel(None, ())
        super().product(a, b, out=out, add=add)
        return np.add(out, bias, out=out) if bias.size else out


# Both return False where they have done nothing: the arrays are NumPy's to multiply or to refuse.


def multiply(
    a: np.ndarray,
    b: np.ndarray,
    out: np.ndarray,
    add: bool,
    bias: np.ndarray,
    scratch: Scratch | None = None,
) -> bool:
    """out = a b + bias, or out += a b + bias, for float32 matrices, C-contiguous or transposed."""
    if not (a.ndim == b.ndim == out.ndim == 2 and are_float32(a, b, out)):
        return False
    (m, k), (k_of_b, n) = a.shape, b.shape
    left, right = in_memory_order(a), in_memory_order(b)
    if not (left and right and k == k_of_b > 1 and m and n and out.shape == (m, n)):
        return False
    worth = m * n * k // WORTH_A_CORE
    parts = POOL.parts if worth > POOL.parts else worth or 1
    work = NO_WORK
    if scratch and right[1] and not (left[1] or add or bias.size) and pays_transposed(m, n, k):
        work = scratch((n, m), FLOAT32, "product.transposed")
    if here.recorder is not None:
        here.recorder.kernel(product_passes, (*left, *right, add, bias, out, work, parts))
    run = product_together if parts > 1 and POOL.ready() else product_alone
    with IN_BLAS.lock:
        run(*left, *right, add, bias, out, work, parts, calls)
    return True


def pays_transposed(m: int, n: int, k: int) -> bool:
    """Whether a (m, k) b (n, k)^T takes longer than b a^T and its transposition.

    OpenBLAS copies its factors into the order in which it reads them. Its kernels for AVX-512 are
    slow to copy b^T. For the input gradients of `conv-clusters`, the other form
    takes half of the time; of `two-layer`, 0.8; of `mlp-dropout`, 0.9. With kernels for AVX2, or
    with MKL, both take the same. What is saved grows with the numbers of b and shrinks with those
    of a and of the result.
    """
    return k * (n - m) > m * n


def multiply_stacks(
    a: np.ndarray, b: np.ndarray, out: np.ndarray, add: bool, bias: np.ndarray
) -> bool:
    """out[e] = a[e] b[e] for stacks of such matrices."""
    if add or bias.size or not (a.ndim == b.ndim == out.ndim == 3 and are_float32(a, b, out)):
        return False
    (e, m, k), (e_of_b, k_of_b, n) = a.shape, b.shape
    left, right = in_memory_order(a), in_memory_order(b)
    if not (left and right and e == e_of_b and k == k_of_b > 1 and m and n):
        return False
    if out.shape != (e, m, n):
        return False
    with IN_BLAS.lock:
        products(*left, *right, out, calls)
    return True


def are_float32(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> bool:
    """Whether BLAS takes numbers of these arrays, and writes `out` as it lies in memory."""
    return bool(BLAS) and a.dtype == b.dtype == out.dtype == FLOAT32 and out.flags.c_contiguous


def is_outer(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> bool:
    """Whether a is a column and b a row, of float32, and `outer_kernel` takes them."""
    if not (a.ndim == b.ndim == out.ndim == 2 and are_float32(a, b, out)):
        return False
    return a.shape[1] == len(b) == 1 and out.shape == (len(a), b.shape[1])


def in_memory_order(x: np.ndarray) -> tuple[np.ndarray, bool] | None:
    """(x, False), (its transpose, True), or None if neither is C-contiguous."""
    if x.flags.c_contiguous:
        return x, False
    x = x.swapaxes(-1, -2)
    return (x, True) if x.flags.c_contiguous else None
