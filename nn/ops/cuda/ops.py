"""The CUDA backend: the same primitives on CuPy arrays. The one file that imports CuPy.

A chain of elementwise steps, and a sum with what belongs to it, is one kernel; each is compiled at its first use and once
for the process. Inside a primitive nothing is read back and nothing allocated after the first call, so a step neither
waits for the device nor hands memory back: learning rate, step count and random counters are read where they lie.
"""

import functools

import cupy
import numpy as np
from cupy import cublas

from nn.errors import DeviceError, DtypeError, ShapeError
from nn.ops.base import Ops
from nn.ops.cuda.activations import CudaActivations
from nn.ops.cuda.augmentation import CudaAugmentation
from nn.ops.cuda.conv import CudaConv
from nn.ops.cuda.elementwise import ELEMENTWISE, PHILOX
from nn.ops.cuda.errors import cannot_use, out_of_memory
from nn.ops.cuda.losses import CudaLosses
from nn.ops.cuda.normalization import CudaNormalization
from nn.ops.cuda.optimizers import CudaOptimizers
from nn.ops.cuda.pooling import CudaPooling
from nn.ops.cuda.reductions import DEPTH, REDUCTIONS, SOURCE, THREADS, TYPES, WIDTH
from nn.ops.cuda.random import CudaStream
from nn.ops.scratch import Scratch

FLOAT32_MATH, TF32_MATH = 0, 3  # cuBLAS's CUBLAS_DEFAULT_MATH and CUBLAS_TF32_TENSOR_OP_MATH, which CuPy does not name


@functools.cache
def elementwise(name):
    """The compiled form of an elementwise kernel: call it with its inputs, then its outputs."""
    inputs, outputs, body = ELEMENTWISE[name]
    return cupy.ElementwiseKernel(inputs, outputs, body, f"byhand_{name}", preamble=PHILOX if "philox" in body else "")


@functools.cache
def reductions():
    """The compiled module of the kernels that sum."""
    names = [f"{name}<{T}>" for name in REDUCTIONS for T in TYPES]
    return cupy.RawModule(code=SOURCE, options=("-std=c++17",), name_expressions=names)


@functools.cache
def reduction(name, dtype):
    return reductions().get_function(f"{name}<{'float' if dtype == np.float32 else 'double'}>")


def cuda_versions():
    """(the CUDA version that the driver is for, the one that CuPy is built for), None where it cannot be had."""
    try:
        return cupy.cuda.runtime.driverGetVersion(), cupy.cuda.runtime.runtimeGetVersion()
    except RuntimeError:
        return None, None


class CupyOps(
    CudaConv, CudaPooling, CudaAugmentation, CudaActivations, CudaLosses, CudaNormalization, CudaOptimizers, Ops
):  # fmt: skip
    """All primitives on CuPy arrays; what each computes stands in the docstrings of `NumpyOps`.

    tf32: round the factors of float32 products to 10 bits behind the point, as tensor cores take them; sums stay float32.
    Errors: `DeviceError` without a driver, a device, or the CUDA libraries that CuPy compiles with, and where any of them does
    not fit the others; for tf32 on a GPU that has none; `DeviceMemoryError` where memory runs out.
    """

    device = "cuda"
    _kernel = staticmethod(elementwise)

    def __init__(self, tf32=False):
        self.tf32, self._asked = tf32, ("cuda", tf32)
        self._memory = Scratch()
        try:
            if cupy.cuda.runtime.getDeviceCount() == 0:
                raise RuntimeError("CUDA finds no device")
            one = self.asarray([[1.0]], "float32")
            self.all_finite(self.gemm(one, one, out=self.empty((1, 1), "float32")))  # compiles, multiplies, reads back
        except Exception as problem:  # CuPy's own types of error differ with what is missing
            raise cannot_use(problem, *cuda_versions()) from problem
        capability = cupy.cuda.Device().compute_capability
        if tf32 and int(capability) < 80:
            raise DeviceError(
                f"TF32: expected a GPU of compute capability 8.0 or more, this one has {capability[:-1]}.{capability[-1]}; "
                "leave it out: products are then float32"
            )

    def __repr__(self):
        card = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())["name"]
        return f"{self.device} ({card.decode()}, CuPy {cupy.__version__}, {'TF32' if self.tf32 else 'float32'} products)"

    # ---- arrays -------------------------------------------------------------------------------------------------

    def empty(self, shape, dtype):
        return self._new(cupy.empty, shape, dtype)  # CuPy begins every array at a multiple of 512 bytes

    def zeros(self, shape, dtype):
        return self._new(cupy.zeros, shape, dtype)

    def is_array(self, x):
        return isinstance(x, cupy.ndarray)

    def asarray(self, host, dtype=None):
        return self._new(cupy.array, np.asarray(host, dtype))

    def to_host(self, x):
        return cupy.asnumpy(x)

    def copy_(self, y, x):
        cupy.copyto(y, x)

    def fill_(self, x, value):
        x.fill(value)

    def add_(self, y, x):
        self._kernel("add")(x, y)
        return y

    def all_finite(self, x):
        found = self._scratch("found", 1, "int64")
        found.fill(0)
        self._kernel("find_non_finite")(x, found)
        return not self.to_host(found)[0]

    def gemm(self, a, b, *, out, trans_a=False, trans_b=False, add=False):
        cupy.cuda.cublas.setMathMode(cupy.cuda.device.get_cublas_handle(), TF32_MATH if self.tf32 else FLOAT32_MATH)
        return cublas.gemm("T" if trans_a else "N", "T" if trans_b else "N", a, b, out=out, beta=1.0 if add else 0.0)

    def affine(self, x, W, b, *, out):
        return self.add_(self.gemm(x, W, out=out), b)

    def sum_rows(self, x, *, out, add=False):
        self._sum_columns("sum_rows", (x, out), x.shape, int(add))
        return out

    def normalize_vector_(self, x, tiny):
        self._launch("normalize_vector", (1,), (THREADS,), (x,), x.size, float(tiny))
        return x

    # ---- data and random numbers --------------------------------------------------------------------------------

    def gather_rows(self, bytes_, index, scale, shift, *, out):
        row_size = out.size // len(index)
        self._kernel("gather_rows")(bytes_, index, len(bytes_), row_size, scale, shift, out)
        return out

    def stream(self, seed_sequence):
        return CudaStream(self, seed_sequence)

    # ---- working memory and launches ----------------------------------------------------------------------------

    def _new(self, make, *what):
        try:
            return make(*what)
        except cupy.cuda.memory.OutOfMemoryError as problem:
            asked = problem._size
        error = out_of_memory(asked, *cupy.cuda.runtime.memGetInfo())
        self._memory.buffers.clear()
        raise error  # outside the block above: CuPy's own error would keep the caller's arrays alive

    def _scratch(self, name, size, dtype):
        """A vector of this thread for use inside one primitive: the same memory each time, as long as it does not grow."""
        buffers = self._memory.buffers
        held = buffers.get(name)
        if held is None or held.size < size:
            held = buffers[name] = self.empty((size,), dtype)
        return held[:size]

    def _sum_columns(self, name, arrays, shape, *numbers):
        rows, columns = shape
        self._launch(name, (-(-columns // WIDTH),), (WIDTH, DEPTH), arrays, rows, columns, *numbers)

    def _launch(self, name, grid, block, arrays, *numbers):
        """Start a kernel of raw pointers, having checked what it cannot: one dtype, and C order."""
        for x in arrays:
            if x.dtype != arrays[0].dtype:
                raise DtypeError(f"{name}: expected arrays of {arrays[0].dtype}, got {x.dtype}")
            if not x.flags.c_contiguous:
                raise ShapeError(f"{name}: expected arrays in C order, got one of shape {x.shape} and strides {x.strides}")
        reduction(name, arrays[0].dtype)(grid, block, (*arrays, *numbers))
