"""Arrays, products and working memory of the CPU backend."""

import math

import numpy as np

from nn import waiting
from nn.ops.base import Ops
from nn.ops.numba.blas import openblas, threads_of
from nn.ops.fork import IN_BLAS
from nn.ops.scratch import Scratch
from nn.ops.threads import in_words

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register
BLOCK = 65_536  # elements: 256 KiB of float32, a quarter of a usual second-level cache; a tenth faster than half of it


class NumpyArrays(Ops):
    """What the CPU's primitives stand on: aligned arrays, matrix products, scratch buffers, cache-sized blocks."""

    def __init__(self, note=""):
        self.note = note  # what `repr` says in addition
        self._memory = Scratch()

    def __repr__(self):
        blas = openblas()
        late = waiting.too_late("NumPy", waiting.OPENBLAS_IS_LATE)
        products = f", {blas.name}, {in_words(*threads_of(blas), late)}" if blas else ""
        note = f"; {self.note}" if self.note else ""
        return f"{self.device} (NumPy {np.__version__}{products}{note})"

    def empty(self, shape, dtype):
        """An uninitialised array that begins at a multiple of 64 bytes."""
        dtype = np.dtype(dtype)
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        n_bytes = int(np.prod(shape)) * dtype.itemsize
        raw = np.empty(n_bytes + ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        return raw[start : start + n_bytes].view(dtype).reshape(shape)

    def zeros(self, shape, dtype):
        x = self.empty(shape, dtype)
        x.fill(0)
        return x

    def is_array(self, x):
        """Whether x lives on this backend's device."""
        return isinstance(x, np.ndarray)

    def asarray(self, host, dtype=None):
        """A copy of a NumPy array on this backend's device."""
        host = np.asarray(host, dtype)
        x = self.empty(host.shape, host.dtype)
        x[...] = host
        return x

    def to_host(self, x):
        """A copy of x as a NumPy array; on a GPU this waits for it."""
        return np.array(x)

    def copy_(self, y, x):
        np.copyto(y, x)

    def fill_(self, x, value):
        x.fill(value)

    def add_(self, y, x):
        """y += x, where x may be a row that is added to every row of y."""
        return np.add(y, x, out=y)

    def all_finite(self, x):
        """Whether no element is infinite or NaN, as a Python bool: a host read, for the edges of training only."""
        return bool(np.isfinite(x).all())

    def gemm(self, a, b, *, out, trans_a=False, trans_b=False, add=False):
        """out = a b, or out += a b; a and b are matrices, each transposed first if asked."""
        return self._product(a.T if trans_a else a, b.T if trans_b else b, out=out, add=add)

    def affine(self, x, W, b, *, out):
        """out = x W + b, where b is a row that is added to every row."""
        return np.add(self._product(x, W, out=out), b, out=out)

    def normalize_vector_(self, x, tiny):
        """x /= max(|x|, tiny), which makes x one long."""
        squares = np.multiply(x, x, out=self._scratch(x.shape, x.dtype, "squares"))
        return np.divide(x, max(math.sqrt(np.sum(squares)), tiny), out=x)

    def _product(self, a, b, *, out, add=False):
        """out = a b, or out += a b: what every product comes down to. Matrices in any memory layout, or two stacks of them."""
        if add:
            return np.add(out, self._product(a, b, out=self._scratch(out.shape, out.dtype, "product")), out=out)
        if b.shape[-2] == 1:  # columns times rows: BLAS takes 94 us for (128, 1) by (1, 512), this 22
            return np.multiply(a, b, out=out)
        with IN_BLAS.lock:
            return np.matmul(a, b, out=out)

    def _scratch(self, shape, dtype, name=""):
        """A buffer of this thread for use inside one primitive; `name` tells apart those that are alive together.

        A smaller shape lies in a larger one's memory: the last, smaller batch of an epoch allocates nothing.
        """
        key = name, np.dtype(dtype)
        buffers = self._memory.buffers
        held, views = buffers.get(key, (None, None))
        if held is None or held.size < math.prod(shape):
            held, views = buffers[key] = self.empty((math.prod(shape),), dtype), {}
        if shape not in views:
            views[shape] = held[: math.prod(shape)].reshape(shape)
        return views[shape]

    def _ones(self, n, dtype):
        """A row of n ones."""
        buffers, key = self._memory.buffers, ("ones", dtype)
        held = buffers.get(key)
        if held is None or held.size < n:
            held = buffers[key] = np.ones((1, n), dtype)
        return held[:, :n]

    def _blocks(self, *arrays):
        """Matching pieces of the arrays, cut along the first axis, each small enough to stay in the cache.

        Images that lie channels-last come as (N, H, W, C): scratch memory of their pieces' shape then lies as they do.
        """
        if arrays[0].ndim == 4 and not arrays[0].flags.c_contiguous:
            arrays = [x.transpose(0, 2, 3, 1) for x in arrays]
        first = arrays[0]
        if first.size <= BLOCK:
            return (arrays,)
        rows = max(1, BLOCK * len(first) // first.size)
        return ([x[i : i + rows] for x in arrays] for i in range(0, len(first), rows))
