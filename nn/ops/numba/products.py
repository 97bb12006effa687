"""Matrix products on the CPU's cores: BLAS multiplies, Numba's threads say which core takes which part of the result.

BLAS has threads of its own, but between two products they spin and hold the cores that everything else of a step needs, and
how they share a small product costs up to a third of its time. So each call of BLAS takes one thread, and what follows a
product finds the same pool of threads awake.
"""

import llvmlite.binding
import numba
import numpy as np
from numba import prange
from numba.types import ExternalFunction, float32, int32, int64, uintp, void

from nn.ops.numba.threads import BLAS, THREADS, compiled, shared

ROW_MAJOR, AS_IT_IS, TRANSPOSED = 101, 111, 112  # as cblas.h has them
WORTH_A_CORE = 1 << 16  # multiplications; below twice that, a second core does not gain more than it costs to ask it
CACHE_LINE = 16  # float32 numbers: parts begin at whole cache lines

if BLAS:
    for symbol, address in zip(("byhand_sgemm", "byhand_saxpy", "byhand_get_threads", "byhand_set_threads"), BLAS[1:]):
        llvmlite.binding.add_symbol(symbol, address)  # by name, so that the machine code can be kept on disk

get_threads = ExternalFunction("byhand_get_threads", int32())
set_threads = ExternalFunction("byhand_set_threads", void(int32))
sgemm = ExternalFunction(
    "byhand_sgemm",
    void(int32, int32, int32, int64, int64, int64, float32, uintp, int64, uintp, int64, float32, uintp, int64),
)


@numba.njit(nogil=True, error_model="numpy")
def part_of_product(a, trans_a, b, trans_b, add, bias, out, i, j, m, n):
    """The part of out, m by n numbers from row i and column j on, of out = a b + bias, or out += a b + bias."""
    a_width, b_width, width = a.shape[1], b.shape[1], out.shape[1]
    sgemm(
        int32(ROW_MAJOR), int32(TRANSPOSED if trans_a else AS_IT_IS), int32(TRANSPOSED if trans_b else AS_IT_IS),
        m, n, len(a) if trans_a else a_width, float32(1),
        a.ctypes.data + 4 * (i if trans_a else i * a_width), a_width,
        b.ctypes.data + 4 * (j * b_width if trans_b else j), b_width,
        float32(1 if add else 0), out.ctypes.data + 4 * (i * width + j), width,
    )  # fmt: skip
    if bias.size:
        for row in range(i, i + m):
            for column in range(j, j + n):
                out[row, column] += bias[column]


@compiled()
def product(a, trans_a, b, trans_b, add, bias, out):
    threads = get_threads()
    set_threads(int32(1))
    part_of_product(a, trans_a, b, trans_b, add, bias, out, 0, 0, out.shape[0], out.shape[1])
    set_threads(threads)


@compiled(parallel=True)
def product_in_parts(a, trans_a, b, trans_b, add, bias, out, parts):
    """By columns of b where there are many, or where its rows are what is multiplied; else by rows of out."""
    m, n = out.shape
    by_columns = trans_b or (not trans_a and n >= 4 * m)
    step = -(-(n if by_columns else m) // (parts * CACHE_LINE)) * CACHE_LINE
    threads = get_threads()
    set_threads(int32(1))
    for part in prange(parts):
        first = part * step
        if by_columns and first < n:
            part_of_product(a, trans_a, b, trans_b, add, bias, out, 0, first, m, min(step, n - first))
        elif not by_columns and first < m:
            part_of_product(a, trans_a, b, trans_b, add, bias, out, first, 0, min(step, m - first), n)
    set_threads(threads)


@shared(WORTH_A_CORE)
def products(a, trans_a, b, trans_b, out):
    """out[e] = a[e] b[e]."""
    none = np.empty(0, out.dtype)
    threads = get_threads()
    set_threads(int32(1))
    for e in prange(len(out)):
        part_of_product(a[e], trans_a, b[e], trans_b, False, none, out[e], 0, 0, out.shape[1], out.shape[2])
    set_threads(threads)


FLOAT32 = np.dtype(np.float32)
NO_BIAS = np.empty(0, FLOAT32)


def multiply(a, b, out, add, bias):
    """out = a b + bias, or out += a b + bias; whether it was done, or is left to NumPy, as what does not fit is, with its errors.

    Matrices, or stacks of them without add and bias, of float32, C-contiguous or the transpose of what is.
    """
    if not (BLAS and out.dtype == FLOAT32 and a.dtype == FLOAT32 and b.dtype == FLOAT32):
        return False
    a, trans_a = in_memory_order(a)
    b, trans_b = in_memory_order(b)
    k, m = a.shape[-2:] if trans_a else a.shape[:-3:-1]
    n, inner = b.shape[-2:] if trans_b else b.shape[:-3:-1]
    if not (inner == k > 1 and m and n and a.shape[:-2] == b.shape[:-2] and out.shape == (*a.shape[:-2], m, n)):
        return False
    if not (a.flags.c_contiguous and b.flags.c_contiguous and out.flags.c_contiguous):
        return False
    parts = min(THREADS, m * n * k // WORTH_A_CORE)
    if out.ndim > 2:
        if out.ndim > 3 or add or bias.size:
            return False
        products(a, trans_a, b, trans_b, out)
    elif parts > 1:
        product_in_parts(a, trans_a, b, trans_b, add, bias, out, parts)
    else:
        product(a, trans_a, b, trans_b, add, bias, out)
    return True


def in_memory_order(x):
    """(x, False), or (its transpose, True) where the transpose is what lies in memory."""
    return (x, False) if x.flags.c_contiguous else (x.swapaxes(-1, -2), True)
