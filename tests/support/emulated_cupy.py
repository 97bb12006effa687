"""An emulation of CuPy: the kernels of `CudaOps`, compiled by g++ and run on the CPU.

It has what `nn/ops/cuda/ops.py` uses of CuPy and no more. Arrays are the strict double's, so a host
read or an allocation inside a primitive is noticed too. The kernels' sources are wrapped as CuPy
wraps them and compiled together:

- the body of an `ElementwiseKernel` runs once for each element, with its parameters as references
  to the element;
- a thread of a `RawModule`'s kernel is a fiber (ucontext and longjmp); `__syncthreads` switches to
  the block's next thread.

``reverse(True)`` runs elements and threads from the last to the first: a kernel whose result then
differs has a race, such as a missing barrier. It shows neither the rounding of CUDA's own functions
nor anything about speed.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import types
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nn.ops.cuda.elementwise import ELEMENTWISE
from nn.ops.cuda.reductions import REDUCTIONS, SOURCE
from nn.ops.cuda.sources import source
from tests.support.strict import Guard, StrictArray, unwrap

C_TYPES = {
    "float64": "double",
    "int64": "long long",
    "uint64": "unsigned long long",
    "uint8": "unsigned char",
    "bool": "bool",
}
NUMBERS: dict[type, Callable[[Any], Any]] = {
    int: lambda x: ("long long", ctypes.c_longlong(x)),
    float: lambda x: ("double", ctypes.c_double(x)),
}
LIBRARIES = sorted({kernel.library for kernel in ELEMENTWISE.values() if kernel.library})
FLOATS = {"float": np.dtype("float32"), "double": np.dtype("float64")}

PRELUDE = r"""
#include <cmath>
#include <csetjmp>
#include <cstddef>
#include <ucontext.h>
#include <vector>
#undef INFINITY  // NVRTC has no macros of <math.h>
#undef NAN
#undef HUGE_VAL
#undef M_PI
#define __device__
#define __global__
#define __shared__ static
using namespace std;

static bool reversed = false;
extern "C" void set_reversed(bool value) { reversed = value; }

// ---- one element after another
struct Elements {
    long long size; int ndim; const long long* shape; char** data; const long long* strides;
    template <typename T> T& at(int argument, long long i) const {
        char* place = data[argument];
        for (int d = ndim - 1; d >= 0; --d) {
            place += i % shape[d] * strides[argument * ndim + d];
            i /= shape[d];
        }
        return *(T*)place;
    }
};

// ---- one thread of a block after another, from barrier to barrier
struct Index { unsigned x, y; };
static Index threadIdx, blockIdx;
static jmp_buf scheduler;
struct Fiber { jmp_buf place; };  // where it waits; made once, then used by every block
static std::vector<Fiber*> fibers;
static std::vector<char> finished;
static int running;
static void (*entry)(void**);
static void** arguments;
static void __syncthreads() { if (!_setjmp(fibers[running]->place)) _longjmp(scheduler, 1); }
static void fiber() { for (;;) { entry(arguments); finished[running] = 1; __syncthreads(); } }

// run a fiber until its next barrier; by jumps, since swapcontext makes a system call each time
static void run_fiber() {
    if (_setjmp(scheduler)) return;
    if (fibers[running]) _longjmp(fibers[running]->place, 1);
    fibers[running] = new Fiber;
    ucontext_t start;
    getcontext(&start);
    start.uc_stack.ss_size = 32768;
    start.uc_stack.ss_sp = new char[start.uc_stack.ss_size];
    start.uc_link = nullptr;
    makecontext(&start, fiber, 0);
    setcontext(&start);
}

// 1 where some threads of a block wait at a barrier that others never reach, else 0
static int launch(const int* grid, const int* block, void (*kernel)(void**), void** args) {
    const int threads = block[0] * block[1];
    entry = kernel; arguments = args;
    if (threads > (int)fibers.size()) fibers.resize(threads);
    for (int b = 0; b < grid[0]; ++b) {
        blockIdx = {(unsigned)b, 0}; finished.assign(threads, 0);
        for (int done = 0; done < threads;) {
            if (done) { fibers.clear(); return 1; }
            for (int k = 0; k < threads; ++k) {
                running = reversed ? threads - 1 - k : k;
                threadIdx = {(unsigned)(running % block[0]), (unsigned)(running / block[0])};
                run_fiber();
                done += finished[running];
            }
        }
    }
    return 0;
}
"""


def parameters(text: str) -> list[tuple[bool, str, str]]:
    """[(raw, type, name), ...] of CuPy's notation: "T x, raw float64 state"."""
    words = [p.split() for p in text.split(",") if p.strip()]
    return [("raw" in w, w[-2], w[-1]) for w in words]


def wrap_elementwise(name: str, T: str) -> str:
    """C++ of an elementwise kernel as CuPy wraps it: const references in, references out."""
    inputs, outputs, body, _ = ELEMENTWISE[name]
    lines = []
    for k, (raw, kind, p) in enumerate(parameters(inputs) + parameters(outputs)):
        const, kind = "const " * (k < len(parameters(inputs))), C_TYPES.get(kind, kind)
        if raw:
            lines.append(f"{const}{kind}* {p} = ({const}{kind}*)e.data[{k}];")
        else:
            lines.append(f"{const}{kind}& {p} = e.at<{kind}>({k}, i);")
    return f"""extern "C" void elementwise_{name}_{T}(Elements e) {{
        typedef {T} T;
        for (long long k = 0; k < e.size; ++k) {{
            ptrdiff_t i = reversed ? e.size - 1 - k : k;
            {" ".join(lines)}
            {body};
        }}
    }}"""


def declaration(name: str) -> list[str]:
    """The types of a CUDA template's parameters: ["const T*", "T*", "long long", ...]."""
    declared = re.search(rf"__global__ void {name}\((.*?)\)", SOURCE, re.DOTALL)
    assert declared, name
    return [" ".join(p.split()[:-1]) for p in declared[1].split(",")]


def wrap_reduction(name: str, T: str) -> str:
    """C++ that calls a CUDA template as the driver does: with the address of each argument."""
    values = ", ".join(
        f"*({kind.replace('T*', f'{T}*')}*)a[{k}]" for k, kind in enumerate(declaration(name))
    )
    return f"""static void call_{name}_{T}(void** a) {{ {name}<{T}>({values}); }}
    extern "C" int reduction_{name}_{T}(const int* grid, const int* block, void** a) {{
        return launch(grid, block, call_{name}_{T}, a);
    }}"""


def compile_kernels(folder: str | Path) -> ctypes.CDLL:
    """All kernels as one shared library, stored in `folder` under the hash of its source."""
    parts = [wrap_elementwise(name, T) for name in ELEMENTWISE for T in FLOATS]
    parts += [wrap_reduction(name, T) for name in REDUCTIONS for T in FLOATS]
    text = "\n".join([PRELUDE, *map(source, LIBRARIES), SOURCE, *parts])
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    library = Path(folder, f"kernels-{digest}.so")
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            options = ["-std=c++17", "-O1", "-ffp-contract=off", "-shared", "-fPIC"]
            options.append("-U_FORTIFY_SOURCE")  # its longjmp refuses to jump between stacks
            command = ["g++", "-x", "c++", *options, "-", "-o", f"{scratch}/k.so"]
            result = subprocess.run(command, input=text, text=True, capture_output=True)
            if result.returncode:
                raise RuntimeError(f"g++ cannot compile the kernels:\n{result.stderr}")
            os.replace(f"{scratch}/k.so", library)  # atomically: other processes look for it too
    return ctypes.CDLL(str(library))


class ndarray(StrictArray):
    """The strict array, with the one method that `CudaOps` calls."""

    def fill(self, value: float) -> None:
        self.host.fill(value)


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
            strides += [0] * len(shape) if raw else np.broadcast_to(x, shape).strides
        suffix = "float" if T == np.float32 else "double"
        pointers = (ctypes.c_void_p * len(data))(*data)
        sizes = int(np.prod(shape)), len(shape), _int64s(shape)
        elements = _Elements(*sizes, pointers, _int64s(strides))
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
    """Compile, and return the module that takes the place of `cupy` in `sys.modules`."""
    global _library
    _library = compile_kernels(folder)
    return sys.modules[__name__]


def reverse(value: bool) -> None:
    _library.set_reversed(ctypes.c_bool(value))


def round_to_tf32(x: np.ndarray) -> np.ndarray:
    """float32 with 10 fraction bits instead of 23, as tensor cores read it."""
    return ((x.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


class OutOfMemoryError(MemoryError):
    def __init__(self, size: int, total: int, limit: int) -> None:
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated: {total:,} bytes).")
        self._size, self._total, self._limit = size, total, limit


class CUDARuntimeError(RuntimeError):
    """CuPy's, whose text is CUDA's name of the error and its description."""


class Memory:
    """The memory in use, and its size."""

    size, used = 80_000_000_000, 0

    def take(self, x: Any) -> None:
        if self.used + x.nbytes > self.size:
            raise OutOfMemoryError(x.nbytes, self.used, self.size)
        self.used += x.nbytes
        weakref.finalize(x, self._give_back, x.nbytes)

    def _give_back(self, n: int) -> None:
        self.used -= n


class _Math:
    mode = 0

    def setMathMode(self, handle: int, mode: int) -> None:
        self.mode = mode


_library: Any = None
guard, memory, _math = Guard(), Memory(), _Math()
__version__ = "emulated"
cublas = types.SimpleNamespace(gemm=_gemm)
cuda = types.SimpleNamespace(
    runtime=types.SimpleNamespace(
        getDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        getDeviceProperties=lambda device: {"name": b"g++"},
        driverGetVersion=lambda: 13020,
        runtimeGetVersion=lambda: 13020,
        memGetInfo=lambda: (memory.size - memory.used, memory.size),
        CUDARuntimeError=CUDARuntimeError,
    ),
    Device=lambda: types.SimpleNamespace(compute_capability="80"),
    device=types.SimpleNamespace(get_cublas_handle=lambda: 1),
    cublas=_math,
    memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
)
