"""Matrix products on the CPU's cores: BLAS multiplies, Numba's threads say which core takes which part of the result.

BLAS has threads of its own, but between two products they spin and hold the cores that everything else of a step needs, and
how they share a small product costs up to a third of its time. So each call of BLAS takes one thread, and what follows a
product finds the same pool of threads awake.
"""

import ctypes

import llvmlite.binding
import numpy as np
from numba import prange
from numba.types import ExternalFunction, float32, int32, int64, uintp, void

from nn.ops.fork import IN_BLAS
from nn.ops.numba.compiling import both, inner, shared
from nn.ops.numba.threads import BLAS, POOL

ROW_MAJOR, AS_IT_IS, TRANSPOSED = 101, 111, 112  # as cblas.h has them
WORTH_A_CORE = 1 << 16  # multiplications; below twice that, a second core does not gain more than it costs to ask it
CACHE_LINE = 16  # float32 numbers: parts begin at whole cache lines

PYTHON = "PyThread_acquire_lock", "PyThread_release_lock"  # Python's own locks: a thread may take one without the interpreter
new_lock = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThread_allocate_lock", ctypes.pythonapi))

FUNCTIONS = {f"byhand_{name}": ctypes.cast(ctypes.pythonapi[name], ctypes.c_void_p).value for name in PYTHON}
if BLAS:
    FUNCTIONS |= zip(("byhand_sgemm", "byhand_saxpy", "byhand_get_threads", "byhand_set_threads"), BLAS[1:])
for symbol, address in FUNCTIONS.items():
    llvmlite.binding.add_symbol(symbol, address)  # by name, so that the machine code can be kept on disk

acquire = ExternalFunction("byhand_PyThread_acquire_lock", int32(uintp, int32))
release = ExternalFunction("byhand_PyThread_release_lock", void(uintp))
get_threads = ExternalFunction("byhand_get_threads", int32())
set_threads = ExternalFunction("byhand_set_threads", int32(int32))
sgemm = ExternalFunction(
    "byhand_sgemm",
    void(int32, int32, int32, int64, int64, int64, float32, uintp, int64, uintp, int64, float32, uintp, int64),
)


# Where BLAS has one thread count for the whole process: a lock, how many kernels are under way, and the count before the first
# of them began. Only compiled code changes these, so no signal or exception comes in between.
LOCK, UNDER_WAY, BEFORE = range(3)
calls = np.array([0 if BLAS and BLAS.sets_each_thread else new_lock(), 0, 0], np.int64)


@inner
def one_thread_each(calls):
    """From here to `as_before`, each product takes one thread. Returns the second argument of `as_before`."""
    if calls[LOCK] == 0:
        return set_threads(int32(1))
    acquire(calls[LOCK], int32(1))
    calls[UNDER_WAY] += 1
    if calls[UNDER_WAY] == 1:
        calls[BEFORE] = get_threads()
        set_threads(int32(1))
    release(calls[LOCK])
    return int32(0)


@inner
def as_before(calls, before):
    """The last kernel under way restores the thread count, unless the program has set another one meanwhile."""
    if calls[LOCK] == 0:
        set_threads(before)
        return
    acquire(calls[LOCK], int32(1))
    calls[UNDER_WAY] -= 1
    if calls[UNDER_WAY] == 0 and get_threads() == 1:
        set_threads(int32(calls[BEFORE]))
    release(calls[LOCK])


@inner
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


def product(a, trans_a, b, trans_b, add, bias, out, parts, calls):
    """By columns of b where there are many, or where its rows are what is multiplied; else by rows of out."""
    m, n = out.shape
    by_columns = trans_b or (not trans_a and n >= 4 * m)
    step = -(-(n if by_columns else m) // (parts * CACHE_LINE)) * CACHE_LINE
    before = one_thread_each(calls)
    for part in prange(parts):
        first = part * step
        if by_columns and first < n:
            part_of_product(a, trans_a, b, trans_b, add, bias, out, 0, first, m, min(step, n - first))
        elif not by_columns and first < m:
            part_of_product(a, trans_a, b, trans_b, add, bias, out, first, 0, min(step, m - first), n)
    as_before(calls, before)


product_alone, product_together = both(product)


@shared(WORTH_A_CORE)
def products(a, trans_a, b, trans_b, out, calls):
    """out[e] = a[e] b[e]."""
    none = np.empty(0, out.dtype)
    before = one_thread_each(calls)
    for e in prange(len(out)):
        part_of_product(a[e], trans_a, b[e], trans_b, False, none, out[e], 0, 0, out.shape[1], out.shape[2])
    as_before(calls, before)


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
    n, k_of_b = b.shape[-2:] if trans_b else b.shape[:-3:-1]
    if not (k_of_b == k > 1 and m and n and a.shape[:-2] == b.shape[:-2] and out.shape == (*a.shape[:-2], m, n)):
        return False
    if not (a.flags.c_contiguous and b.flags.c_contiguous and out.flags.c_contiguous):
        return False
    if out.ndim > 2 and (out.ndim > 3 or add or bias.size):
        return False
    with IN_BLAS.lock:
        if out.ndim > 2:
            products(a, trans_a, b, trans_b, out, calls)
        else:
            parts = max(1, min(POOL.parts, m * n * k // WORTH_A_CORE))
            run = product_together if parts > 1 and POOL.ready() else product_alone
            run(a, trans_a, b, trans_b, add, bias, out, parts, calls)
    return True


def in_memory_order(x):
    """(x, False), or (its transpose, True) where the transpose is what lies in memory."""
    return (x, False) if x.flags.c_contiguous else (x.swapaxes(-1, -2), True)
