"""The CUDA backend on CuPy arrays. Only this module imports CuPy.

A chain of elementwise operations, or a sum with the operations around it, is one kernel, compiled
at its first use in a process. A primitive reads nothing back and, after its first call, allocates
nothing, so a step never waits for the device: learning rate, step count and random counters are
read on the device.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import cupy
import numpy as np
from cupy import cublas

from nn import launcher
from nn.errors import DeviceError, DtypeError, ShapeError
from nn.ops.base import Array, Seed
from nn.ops.cuda.activations import CudaActivations
from nn.ops.cuda.arrays import CudaArrays, CudaStaging
from nn.ops.cuda.augmentation import CudaAugmentation
from nn.ops.cuda.conv import CudaConv
from nn.ops.cuda.elementwise import ELEMENTWISE
from nn.ops.cuda.errors import cannot_use, out_of_memory
from nn.ops.cuda.losses import CudaLosses
from nn.ops.cuda.normalization import CudaNormalization
from nn.ops.cuda.optimizers import CudaOptimizers
from nn.ops.cuda.pooling import CudaPooling
from nn.ops.cuda.random import CudaStream
from nn.ops.cuda.reductions import REDUCTIONS, SOURCE, TYPES
from nn.ops.scratch import Scratch

FLOAT32_MATH, TF32_MATH = 0, 3  # cuBLAS's CUBLAS_DEFAULT_MATH, CUBLAS_TF32_TENSOR_OP_MATH


@functools.cache
def elementwise(name: str) -> Callable[..., None]:
    """The compiled elementwise kernel. Call it with its inputs, then its outputs."""
    source = ELEMENTWISE[name]
    inputs, outputs, body, _ = source
    return cupy.ElementwiseKernel(inputs, outputs, body, f"byhand_{name}", preamble=source.preamble)


@functools.cache
def reductions() -> Any:
    """The compiled module of the kernels that sum."""
    names = [f"{name}<{T}>" for name in REDUCTIONS for T in TYPES]
    return cupy.RawModule(code=SOURCE, options=("-std=c++17",), name_expressions=names)


@functools.cache
def reduction(name: str, dtype: Any) -> Callable[..., None]:
    """The kernel that sums arrays of this dtype. Call it with grid, block and arguments."""
    return reductions().get_function(f"{name}<{'float' if dtype == np.float32 else 'double'}>")


def cuda_versions() -> tuple[int | None, int | None]:
    """The CUDA versions of the driver and of CuPy, or None where they cannot be read."""
    try:
        return cupy.cuda.runtime.driverGetVersion(), cupy.cuda.runtime.runtimeGetVersion()
    except RuntimeError:
        return None, None


class CudaOps(
    CudaConv,
    CudaPooling,
    CudaAugmentation,
    CudaActivations,
    CudaLosses,
    CudaNormalization,
    CudaOptimizers,
    CudaArrays,
):
    """All primitives of `nn.ops.base.Ops` on CuPy arrays.

    Parameters
    ----------
    tf32 : bool
        Round the factors of float32 products to 10 fraction bits, as tensor cores do. Sums stay
        float32.

    Raises
    ------
    DeviceError
        If the driver, the GPU or a CUDA library that CuPy needs is missing, if their versions do
        not match, or if the GPU does not support `tf32`.
    DeviceMemoryError
        If an allocation finds too little memory.
    """

    device = "cuda"
    kernel = staticmethod(elementwise)

    def __init__(self, tf32: bool = False) -> None:
        self.tf32, self.get_ops_arguments = tf32, ("cuda", tf32)
        self.scratch = Scratch(self.empty)
        self.pinned: dict[tuple[Any, ...], np.ndarray] = {}
        try:
            count = cupy.cuda.runtime.getDeviceCount()
            if count == 0:
                raise RuntimeError("CUDA finds no device")
            if launcher.local_size() > 1:  # one process to a card
                cupy.cuda.runtime.setDevice(launcher.local_rank() % count)
            one = self.asarray([[1.0]], "float32")
            product = self.gemm(one, one, out=self.empty((1, 1), "float32"))
            self.all_finite(product)  # compile, multiply and read back once
        except Exception as problem:  # the type of CuPy's error depends on what is missing
            raise cannot_use(problem, *cuda_versions()) from problem
        capability = cupy.cuda.Device().compute_capability
        if tf32 and int(capability) < 80:
            raise DeviceError(
                "TF32: expected a GPU of compute capability 8.0 or more, "
                f"this one has {capability[:-1]}.{capability[-1]}; "
                "leave it out: products are then float32"
            )

    def __repr__(self) -> str:
        properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
        card, products = properties["name"].decode(), "TF32" if self.tf32 else "float32"
        return f"{self.device} ({card}, CuPy {cupy.__version__}, {products} products)"

    # ---- arrays

    def empty(self, shape: int | Sequence[int], dtype: Any) -> Array:
        # CuPy aligns every array to 512 bytes
        return self._allocate(lambda: cupy.empty(shape, dtype), bytes_of(shape, dtype))

    def zeros(self, shape: int | Sequence[int], dtype: Any) -> Array:
        return self._allocate(lambda: cupy.zeros(shape, dtype), bytes_of(shape, dtype))

    def is_array(self, x: object) -> bool:
        return isinstance(x, cupy.ndarray)

    def asarray(self, host: Any, dtype: Any = None) -> Array:
        host = np.asarray(host, dtype)
        return self._allocate(lambda: cupy.array(host), host.nbytes)

    def to_host(self, x: Array) -> np.ndarray:
        return cupy.asnumpy(x)

    def to_pinned(self, x: cupy.ndarray) -> np.ndarray:
        key = x.shape, x.dtype.str
        if key not in self.pinned:
            memory = cupy.cuda.alloc_pinned_memory(max(1, x.nbytes))
            self.pinned[key] = np.frombuffer(memory, x.dtype, x.size).reshape(x.shape)
        return x.get(out=self.pinned[key])  # waits for the kernels that compute x

    def from_pinned_(self, x: cupy.ndarray, host: np.ndarray) -> None:
        x.set(host)

    def staging(self, shape: int | Sequence[int], dtype: Any) -> CudaStaging:
        return CudaStaging(cupy.cuda, self.empty(shape, dtype))

    def free_bytes(self) -> int:
        return cupy.cuda.runtime.memGetInfo()[0]

    def copy_(self, y: Array, x: Array) -> None:
        cupy.copyto(y, x)

    def fill_(self, x: cupy.ndarray, value: float) -> None:
        x.fill(value)

    def all_finite(self, x: Array) -> bool:
        found = self.scratch((1,), "int64", "found")
        found.fill(0)
        self.kernel("find_non_finite")(x, found)
        return not self.to_host(found)[0]

    # ---- products

    def gemm(
        self,
        a: Array,
        b: Array,
        *,
        out: Array,
        trans_a: bool = False,
        trans_b: bool = False,
        add: bool = False,
    ) -> Array:
        mode = TF32_MATH if self.tf32 else FLOAT32_MATH
        cupy.cuda.cublas.setMathMode(cupy.cuda.device.get_cublas_handle(), mode)
        transposed = "T" if trans_a else "N", "T" if trans_b else "N"
        return cublas.gemm(*transposed, a, b, out=out, beta=1.0 if add else 0.0)

    def affine(self, x: Array, W: Array, b: Array, *, out: Array) -> Array:
        return self.add_(self.gemm(x, W, out=out), b)

    # ---- random numbers

    def stream(self, seed_sequence: Seed) -> CudaStream:
        return CudaStream(self, seed_sequence)

    # ---- launches

    def launch(
        self,
        name: str,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        arrays: Sequence[Array],
        *arguments: Array | float,
    ) -> None:
        """Start a kernel that takes raw pointers, once its arrays are known to fit it."""
        for x in arrays:
            if x.dtype != arrays[0].dtype:
                raise DtypeError(f"{name}: expected arrays of {arrays[0].dtype}, got {x.dtype}")
            if not x.flags.c_contiguous:
                strides = getattr(x, "strides", None)
                raise ShapeError(
                    f"{name}: expected arrays in C order, "
                    f"got one of shape {x.shape} and strides {strides}"
                )
        reduction(name, arrays[0].dtype)(grid, block, (*arrays, *arguments))

    def _allocate(self, make: Callable[[], Any], n_bytes: int) -> Any:
        """make(), or, where memory runs out, free the scratch memory and raise."""
        try:
            return make()
        except cupy.cuda.memory.OutOfMemoryError:
            error = out_of_memory(n_bytes, *cupy.cuda.runtime.memGetInfo())
        self.scratch.buffers.clear()
        raise error  # outside the except block: CuPy's error would keep the caller's arrays alive


def bytes_of(shape: int | Sequence[int], dtype: Any) -> int:
    """The size of an array."""
    return int(np.prod(shape)) * np.dtype(dtype).itemsize
