"""An emulation of CuPy: the kernels of `CudaOps`, compiled by g++ and run on the CPU.

It has what `nn/ops/cuda/ops.py` uses of CuPy and no more. Arrays are the strict double's, so a host
read or an allocation within a primitive is noticed too.

``reverse(True)`` runs elements and threads from the last to the first. A kernel whose result then
differs has a race, such as a missing barrier. The emulation shows neither the rounding of CUDA's
own functions nor anything about speed.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nn.ops.cuda.elementwise import ELEMENTWISE
from nn.ops.cuda.reductions import SOURCE
from tests.support.emulated_kernels import compile_kernels, declaration, parameters
from tests.support.strict import Guard, StrictArray, unwrap

NUMBERS: dict[type, Callable[[Any], Any]] = {
    int: lambda x: ("long long", ctypes.c_longlong(x)),
    float: lambda x: ("double", ctypes.c_double(x)),
}


class ndarray(StrictArray):
    """The strict array, with the methods that `CudaOps` calls."""

    def fill(self, value: float) -> None:
        self.host.fill(value)

    @property
    def nbytes(self) -> int:
        return self.host.nbytes

    def get(self, out: np.ndarray) -> np.ndarray:
        out[...] = self.host
        return out

    def set(self, host: np.ndarray, stream: Stream | None = None) -> None:
        """Copy, or start a copy on a stream: it spoils the array at once, and arrives late.

        The stream must have waited for the kernels, which all run as soon as they are launched.
        Until the host has waited for the copy, the host's array is read-only.
        """
        if stream is None:
            self.host[...] = host
            return
        if not stream.has_waited:
            raise ValueError("set: kernels may still use the array; the stream must wait for them")
        if (host.dtype, host.shape) != (self.host.dtype, self.host.shape):
            raise ValueError("set: expected an array of the same shape and dtype")
        self.host.reshape(-1).view(np.uint8).fill(0xFF)
        host.flags.writeable = False
        stream.waiting.append((self.host, host))
        stream.has_waited = False


class ElementwiseKernel:
    """Broadcasts, checks dtypes and shapes as CuPy does, and runs the compiled loop."""

    def __init__(
        self, in_params: str, out_params: str, operation: str, name: str, *, preamble: str = ""
    ) -> None:
        self._name = name.removeprefix("byhand_")
        compiled = ELEMENTWISE[self._name]
        if compiled[:3] != (in_params, out_params, operation) or compiled.preamble != preamble:
            raise ValueError(f"{name} was not compiled in this form")
        self._parameters = parameters(in_params) + parameters(out_params)
        self._n_inputs = len(parameters(in_params))

    def __call__(self, *args: Any, size: int | None = None) -> None:
        n = len(self._parameters)
        if len(args) != n:
            raise TypeError(f"{self._name}: expected {n} arguments, got {len(args)}")
        hosts = [unwrap(self._name, x) for x in args]
        T = self._float_type(hosts)
        shapes = [
            x.shape for x, (raw, *_) in zip(hosts, self._parameters) if _is_array(x) and not raw
        ]
        if (size is None) != bool(shapes):
            raise ValueError(f"{self._name}: expected size if every array is raw, and only then")
        shape = np.broadcast_shapes(*shapes) if size is None else (size,)
        data, strides = [], []
        for k, (x, (raw, kind, name)) in enumerate(zip(hosts, self._parameters)):
            if k >= self._n_inputs and not (_is_array(x) and (raw or x.shape == shape)):
                raise ValueError(f"{self._name}: output {name} does not have shape {shape}")
            if raw and not x.flags.c_contiguous:
                raise ValueError(f"{self._name}: raw array {name} is not in C order")
            x = x if _is_array(x) else np.array(x, T if kind == "T" else kind)
            hosts[k] = x  # keeps its memory until the call returns
            data.append(x.ctypes.data)
            strides.append((0,) * len(shape) if raw else np.broadcast_to(x, shape).strides)
        suffix = "float" if T == np.float32 else "double"
        pointers = (ctypes.c_void_p * len(data))(*data)
        merged, steps = _merge(shape, strides)
        sizes = int(np.prod(shape)), len(merged), _int64s(merged)
        elements = _Elements(*sizes, pointers, _int64s(steps))
        getattr(_library, f"elementwise_{self._name}_{suffix}")(elements)

    def _float_type(self, hosts: list[Any]) -> np.dtype:
        types: dict[str, Any] = {"T": None}
        for x, (_, kind, name) in zip(hosts, self._parameters):
            wanted = types.get(kind) or (None if kind == "T" else np.dtype(kind))
            if _is_array(x):
                if wanted not in (None, x.dtype):
                    raise TypeError(f"Type is mismatched. {name} {x.dtype} {wanted}")
                types[kind] = x.dtype
        return types["T"] or np.dtype("float32")  # no array of type T: either will do


class RawModule:
    """Looks up the compiled kernels and passes their arguments as the driver does."""

    def __init__(
        self, *, code: str, options: Sequence[str] = (), name_expressions: Sequence[str] = ()
    ) -> None:
        if code != SOURCE:
            raise ValueError("this module was not compiled in this form")
        self._names = name_expressions

    def get_function(self, expression: str) -> Callable[..., None]:
        if expression not in self._names:
            raise ValueError(f"{expression} is not among the name expressions")
        name, T = expression.rstrip(">").split("<")
        function = getattr(_library, f"reduction_{name}_{T}")
        declared = declaration(name)

        def call(grid: tuple[int, ...], block: tuple[int, ...], args: Sequence[Any]) -> None:
            held = [
                as_driver_argument(name, x, kind) for x, kind in zip(args, declared, strict=True)
            ]
            pointers = (ctypes.c_void_p * len(held))(*[ctypes.addressof(x) for x in held])
            sizes = [(ctypes.c_int * 2)(*(*size, 1)[:2]) for size in (grid, block)]
            if function(*sizes, pointers):
                raise RuntimeError(f"{name}: some threads of a block miss a barrier")

        return call


class _Elements(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_longlong),
        ("ndim", ctypes.c_int),
        ("shape", ctypes.POINTER(ctypes.c_longlong)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
        ("strides", ctypes.POINTER(ctypes.c_longlong)),
    ]


def _is_array(x: object) -> bool:
    return isinstance(x, np.ndarray)


def _merge(shape: tuple[int, ...], strides: list[tuple[int, ...]]) -> tuple[list[int], list[int]]:
    """Merge dimensions across which all arrays step evenly; an index then takes fewer divisions.

    Returns the merged shape, and the strides of one array after the other.
    """
    merged: list[int] = []
    steps: list[tuple[int, ...]] = []  # of each merged dimension, a stride of each array
    for n, inner in zip(shape, zip(*strides)):
        if merged and all(outer == n * step for outer, step in zip(steps[-1], inner)):
            merged[-1], steps[-1] = merged[-1] * n, inner
        elif n != 1:
            merged.append(n)
            steps.append(inner)
    return merged, [step for of_array in zip(*steps) for step in of_array]


def _int64s(values: Sequence[int]) -> Any:
    return (ctypes.c_longlong * max(1, len(values)))(*values)


def as_driver_argument(name: str, x: Any, declared: str) -> Any:
    """What CuPy passes to the driver: a pointer, or 64 bits of Python's int or float."""
    x = unwrap(name, x)
    if _is_array(x) and "*" in declared:
        return ctypes.c_void_p(x.ctypes.data)
    given, value = NUMBERS[type(x)](x)
    if given != declared:
        raise TypeError(f"{name}: expected {declared}, got {x!r}")
    return value


def _gemm(
    transa: str, transb: str, a: Any, b: Any, out: Any = None, alpha: float = 1.0, beta: float = 0.0
) -> Any:
    a, b, c = (unwrap("gemm", x) for x in (a, b, out))
    overlap = np.may_share_memory(a, c) or np.may_share_memory(b, c)
    if overlap or not all(x.ndim == 2 and x.dtype == c.dtype for x in (a, b, c)):
        raise ValueError("gemm: expected matrices of one dtype, and out apart from the factors")
    if not all(x.flags.c_contiguous or x.flags.f_contiguous for x in (a, b, c)):
        guard.refuse("a copy of a matrix with gaps, which cupy.cublas.gemm makes,")
    if _math.mode == 3 and a.dtype == np.float32:
        a, b = round_to_tf32(a), round_to_tf32(b)
    product = (a.T if transa == "T" else a) @ (b.T if transb == "T" else b)
    c[...] = alpha * product + (beta * c if beta else 0)
    return out


def _new(host: np.ndarray) -> ndarray:
    guard.allocate()
    memory.take(host)
    return ndarray(host, guard)


def empty(shape: Any, dtype: Any) -> ndarray:
    host = np.empty(shape, dtype)
    host.reshape(-1).view(np.uint8).fill(0xFF)  # NaN: uninitialised memory is not to be relied on
    return _new(host)


def zeros(shape: Any, dtype: Any) -> ndarray:
    return _new(np.zeros(shape, dtype))


def array(host: Any) -> ndarray:
    return _new(np.array(host))


def asnumpy(x: Any) -> np.ndarray:
    guard.read("asnumpy")
    return np.array(unwrap("asnumpy", x))


def copyto(y: Any, x: Any) -> None:
    np.copyto(unwrap("copyto", y), unwrap("copyto", x))


def load(folder: str | Path) -> types.ModuleType:
    """Compile the kernels; return the module that takes the place of `cupy` in `sys.modules`."""
    global _library
    _library = compile_kernels(folder)
    return sys.modules[__name__]


def reverse(value: bool) -> None:
    _library.set_reversed(ctypes.c_bool(value))


def round_to_tf32(x: np.ndarray) -> np.ndarray:
    """float32 with 10 fraction bits instead of 23, as tensor cores read it."""
    return ((x.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


class Stream:
    """A stream of copies; what it holds is done when an event recorded after it is waited for."""

    def __init__(self, non_blocking: bool = False) -> None:
        self.waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self.has_waited = False

    def wait_event(self, event: Event) -> None:
        event.finish()
        self.has_waited = True


class Event:
    """A place in a stream."""

    def __init__(self, disable_timing: bool = False) -> None:
        self._before: list[tuple[np.ndarray, np.ndarray]] = []
        self._read_from: list[np.ndarray] = []

    def record(self, stream: Stream) -> None:
        self._before += stream.waiting
        stream.waiting.clear()

    def finish(self) -> None:
        """Do what was started before this event."""
        for device, host in self._before:
            np.copyto(device, host)
            self._read_from.append(host)
        self._before.clear()

    def synchronize(self) -> None:
        self.finish()
        for host in self._read_from:
            host.flags.writeable = True
        self._read_from.clear()


class OutOfMemoryError(MemoryError):
    """CuPy's, raised where an allocation fails."""


class CUDARuntimeError(RuntimeError):
    """CuPy's, whose message is CUDA's name for the error and its description."""


class Memory:
    """The memory of the device, in bytes: its size, and how much is in use."""

    size, used = 80_000_000_000, 0

    def take(self, x: Any) -> None:
        if self.used + x.nbytes > self.size:
            gc.collect()  # as CuPy's pool does before it gives up
        if self.used + x.nbytes > self.size:
            raise OutOfMemoryError(f"Out of memory allocating {x.nbytes:,} bytes")
        self.used += x.nbytes
        weakref.finalize(x, self._give_back, x.nbytes)

    def _give_back(self, n: int) -> None:
        self.used -= n


class _Math:
    mode = 0

    def setMathMode(self, handle: int, mode: int) -> None:
        self.mode = mode


_library: Any = None
chosen = [0]  # the devices that were set
_current_stream = Stream()
guard, memory, _math = Guard(), Memory(), _Math()
__version__ = "emulated"
cublas = types.SimpleNamespace(gemm=_gemm)
cuda = types.SimpleNamespace(
    runtime=types.SimpleNamespace(
        getDeviceCount=lambda: 2,
        getDevice=lambda: chosen[-1],
        setDevice=lambda device: chosen.append(device),
        getDeviceProperties=lambda device: {"name": b"g++"},
        driverGetVersion=lambda: 13020,
        runtimeGetVersion=lambda: 13020,
        memGetInfo=lambda: (memory.size - memory.used, memory.size),
        CUDARuntimeError=CUDARuntimeError,
    ),
    alloc_pinned_memory=bytearray,
    get_current_stream=lambda: _current_stream,
    Stream=Stream,
    Event=Event,
    Device=lambda: types.SimpleNamespace(compute_capability="80"),
    device=types.SimpleNamespace(get_cublas_handle=lambda: 1),
    cublas=_math,
    memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
)
