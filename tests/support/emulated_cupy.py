"""A stand-in for CuPy: the very kernels of `CupyOps`, compiled by g++ and run on the CPU.

It has what `nn/ops/cuda/ops.py` uses of CuPy and no more. Arrays are the strict double's, so that a host read or an
allocation inside a primitive is found too. The kernels' sources are wrapped as CuPy wraps them and compiled together:

- the body of an `ElementwiseKernel` runs once for each element, its parameters being references at the element's place;
- a thread of a `RawModule`'s kernel is a fiber (ucontext and longjmp); `__syncthreads` hands over to the block's next thread.

``reverse(True)`` runs elements and threads from the last to the first: a kernel whose result then differs has a race, such
as a missing barrier. What this cannot show: rounding of CUDA's own functions, and anything of speed.
"""

import ctypes
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import types
import weakref
from pathlib import Path

import numpy as np

from nn.ops.cuda.elementwise import ELEMENTWISE, PHILOX
from nn.ops.cuda.reductions import REDUCTIONS, SOURCE
from tests.support.strict import Guard, StrictArray, unwrap

C_TYPES = {"float64": "double", "int64": "long long", "uint64": "unsigned long long", "uint8": "unsigned char", "bool": "bool"}
NUMBERS = {int: lambda x: ("long long", ctypes.c_longlong(x)), float: lambda x: ("double", ctypes.c_double(x))}
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
        for (int d = ndim - 1; d >= 0; --d) { place += i % shape[d] * strides[argument * ndim + d]; i /= shape[d]; }
        return *(T*)place;
    }
};

// ---- one thread of a block after another, from barrier to barrier
struct Index { unsigned x, y; };
static Index threadIdx, blockIdx;
static jmp_buf scheduler;
struct Fiber { jmp_buf place; };  // where it waits; it is made once, and then a thread of every block that comes
static std::vector<Fiber*> fibers;
static std::vector<char> finished;
static int running;
static void (*entry)(void**);
static void** arguments;
static void __syncthreads() { if (!_setjmp(fibers[running]->place)) _longjmp(scheduler, 1); }
static void fiber() { for (;;) { entry(arguments); finished[running] = 1; __syncthreads(); } }

// hand over to a fiber, until its next barrier; jumps, since swapcontext would ask the system at each
static void run_fiber() {
    if (_setjmp(scheduler)) return;
    if (fibers[running]) _longjmp(fibers[running]->place, 1);
    fibers[running] = new Fiber;
    ucontext_t start;
    getcontext(&start);
    start.uc_stack.ss_size = 32768; start.uc_stack.ss_sp = new char[start.uc_stack.ss_size]; start.uc_link = nullptr;
    makecontext(&start, fiber, 0);
    setcontext(&start);
}

// 0, or 1 where some threads of a block wait at a barrier that others never reach
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


def parameters(text):
    """[(raw, type, name), ...] of CuPy's notation: "T x, raw float64 clock"."""
    return [("raw" in p.split(), *p.split()[-2:]) for p in text.split(",") if p.strip()]


def wrap_elementwise(name, T):
    """C++ of one elementwise kernel, as CuPy's own wrapper has it: const references for inputs, others for outputs."""
    inputs, outputs, body = ELEMENTWISE[name]
    lines = []
    for k, (raw, kind, p) in enumerate(parameters(inputs) + parameters(outputs)):
        const, kind = "const " * (k < len(parameters(inputs))), C_TYPES.get(kind, kind)
        lines.append(f"{const}{kind}* {p} = ({const}{kind}*)e.data[{k}];" if raw else f"{const}{kind}& {p} = e.at<{kind}>({k}, i);")
    return f"""extern "C" void elementwise_{name}_{T}(Elements e) {{
        typedef {T} T;
        for (long long k = 0; k < e.size; ++k) {{
            ptrdiff_t i = reversed ? e.size - 1 - k : k;
            {" ".join(lines)}
            {body};
        }}
    }}"""


def declaration(name):
    """The types of a CUDA template's parameters: ["const T*", "T*", "long long", ...]."""
    declared = re.search(rf"__global__ void {name}\((.*?)\)", SOURCE, re.DOTALL)[1]
    return [" ".join(p.split()[:-1]) for p in declared.split(",")]


def wrap_reduction(name, T):
    """C++ that calls one CUDA template the way the driver does: with the address of each argument."""
    values = ", ".join(f"*({kind.replace('T*', f'{T}*')}*)a[{k}]" for k, kind in enumerate(declaration(name)))
    return f"""static void call_{name}_{T}(void** a) {{ {name}<{T}>({values}); }}
    extern "C" int reduction_{name}_{T}(const int* grid, const int* block, void** a) {{
        return launch(grid, block, call_{name}_{T}, a);
    }}"""


def compile_kernels(folder):
    """All kernels as one shared library, kept in `folder` under the hash of its source."""
    parts = [wrap_elementwise(name, T) for name in ELEMENTWISE for T in FLOATS]
    parts += [wrap_reduction(name, T) for name in REDUCTIONS for T in FLOATS]
    source = "\n".join([PRELUDE, PHILOX, SOURCE, *parts])
    library = Path(folder, f"kernels-{hashlib.sha256(source.encode()).hexdigest()[:16]}.so")
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            # a jump between stacks is what a fortified longjmp takes for a mistake
            options = ["-std=c++17", "-O1", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-shared", "-fPIC"]
            command = ["g++", "-x", "c++", *options, "-", "-o", f"{scratch}/k.so"]
            result = subprocess.run(command, input=source, text=True, capture_output=True)
            if result.returncode:
                raise RuntimeError(f"g++ cannot compile the kernels:\n{result.stderr}")
            os.replace(f"{scratch}/k.so", library)  # whole or not there: other processes look for it too
    return ctypes.CDLL(str(library))


class ndarray(StrictArray):
    """The strict array, with the one method that `CupyOps` calls."""

    def fill(self, value):
        self._host.fill(value)


class ElementwiseKernel:
    """Broadcasts, checks dtypes and shapes as CuPy does, and runs the compiled loop."""

    def __init__(self, in_params, out_params, operation, name="kernel", *, preamble=""):
        self._name = name.removeprefix("byhand_")
        if ELEMENTWISE[self._name] != (in_params, out_params, operation) or preamble != PHILOX * ("philox" in operation):
            raise ValueError(f"{name} was not compiled in this form")
        self._parameters = parameters(in_params) + parameters(out_params)
        self._n_inputs = len(parameters(in_params))

    def __call__(self, *args, size=None):
        if len(args) != len(self._parameters):
            raise TypeError(f"{self._name}: expected {len(self._parameters)} arguments, got {len(args)}")
        hosts = [unwrap(self._name, x) for x in args]
        T = self._float_type(hosts)
        shape = np.broadcast_shapes(*[x.shape for x, (raw, *_) in zip(hosts, self._parameters) if _is_array(x) and not raw])
        if (size is None) != any(_is_array(x) and not raw for x, (raw, *_) in zip(hosts, self._parameters)):
            raise ValueError(f"{self._name}: size must be given where every array is raw, and only there")
        shape = shape if size is None else (size,)
        data, strides = [], []
        for k, (x, (raw, kind, name)) in enumerate(zip(hosts, self._parameters)):
            if k >= self._n_inputs and not (_is_array(x) and (raw or x.shape == shape)):
                raise ValueError(f"{self._name}: output {name} does not have shape {shape}")
            if raw and not x.flags.c_contiguous:
                raise ValueError(f"{self._name}: raw array {name} is not in C order; this stand-in needs it")
            x = x if _is_array(x) else np.array(x, T if kind == "T" else kind)
            hosts[k] = x  # keeps its memory until the call is over
            data.append(x.ctypes.data)
            strides += [0] * len(shape) if raw else np.broadcast_to(x, shape).strides
        call = getattr(_library, f"elementwise_{self._name}_{'float' if T == np.float32 else 'double'}")
        call(_Elements(int(np.prod(shape)), len(shape), _int64s(shape), (ctypes.c_void_p * len(data))(*data), _int64s(strides)))

    def _float_type(self, hosts):
        types = {"T": None}
        for x, (_, kind, name) in zip(hosts, self._parameters):
            wanted = types.get(kind) or (None if kind == "T" else np.dtype(kind))
            if _is_array(x):
                if wanted not in (None, x.dtype):
                    raise TypeError(f"Type is mismatched. {name} {x.dtype} {wanted}")
                types[kind] = x.dtype
        return types["T"] or np.dtype("float32")  # no array of type T: either will do


class RawModule:
    def __init__(self, *, code, options=(), name_expressions=()):
        if code != SOURCE:
            raise ValueError("this module was not compiled in this form")
        self._names = name_expressions

    def get_function(self, expression):
        if expression not in self._names:
            raise ValueError(f"{expression} is not among the name expressions")
        name, T = re.fullmatch(r"(\w+)<(\w+)>", expression).groups()
        function = getattr(_library, f"reduction_{name}_{T}")
        declared = declaration(name)

        def call(grid, block, args):
            held = [as_driver_argument(name, x, kind) for x, kind in zip(args, declared, strict=True)]
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


def _is_array(x):
    return isinstance(x, np.ndarray)


def _int64s(values):
    return (ctypes.c_longlong * max(1, len(values)))(*values)


def as_driver_argument(name, x, declared):
    """What CuPy hands to the driver: a pointer, or 64 bits of Python's int or float, whatever the kernel declares."""
    x = unwrap(name, x)
    given, value = (declared, ctypes.c_void_p(x.ctypes.data)) if _is_array(x) and "*" in declared else NUMBERS[type(x)](x)
    if given != declared:
        raise TypeError(f"{name}: expected {declared}, got {x!r}")
    return value


def _gemm(transa, transb, a, b, out=None, alpha=1.0, beta=0.0):
    a, b, c = (unwrap("gemm", x) for x in (a, b, out))
    if not all(x.ndim == 2 and x.dtype == c.dtype for x in (a, b, c)) or np.may_share_memory(a, c) or np.may_share_memory(b, c):
        raise ValueError("gemm: expected matrices of one dtype, and out apart from the others")
    if not all(x.flags.c_contiguous or x.flags.f_contiguous for x in (a, b, c)):
        guard.refuse("a copy of a matrix with gaps, which cupy.cublas.gemm makes,")
    if _math.mode == 3 and a.dtype == np.float32:
        a, b = round_to_tf32(a), round_to_tf32(b)
    product = (a.T if transa == "T" else a) @ (b.T if transb == "T" else b)
    c[...] = alpha * product + (beta * c if beta else 0)
    return out


def _new(host):
    guard.allocate()
    memory.take(host)
    return ndarray(host, guard)


def empty(shape, dtype):
    host = np.empty(shape, dtype)
    host.reshape(-1).view(np.uint8).fill(0xFF)  # NaN, so that nobody counts on what memory happens to hold
    return _new(host)


def zeros(shape, dtype):
    return _new(np.zeros(shape, dtype))


def array(host):
    return _new(np.array(host))


def asnumpy(x):
    guard.read("asnumpy")
    return np.array(unwrap("asnumpy", x))


def copyto(y, x):
    np.copyto(unwrap("copyto", y), unwrap("copyto", x))


def load(folder):
    """Compile, and return the module that can take the place of `cupy` in `sys.modules`."""
    global _library
    _library = compile_kernels(folder)
    return sys.modules[__name__]


def reverse(value):
    _library.set_reversed(ctypes.c_bool(value))


def round_to_tf32(x):
    """float32 with 10 bits behind the point instead of 23, as tensor cores read it."""
    return ((x.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


class OutOfMemoryError(MemoryError):
    def __init__(self, size, total, limit):
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes).")
        self._size, self._total, self._limit = size, total, limit


class CUDARuntimeError(RuntimeError):
    """CuPy's, whose text is CUDA's name of the error and what CUDA says of it."""


class Memory:
    """What arrays take, and how much there is."""

    size, used = 80_000_000_000, 0

    def take(self, x):
        if self.used + x.nbytes > self.size:
            raise OutOfMemoryError(x.nbytes, self.used, self.size)
        self.used += x.nbytes
        weakref.finalize(x, self._give_back, x.nbytes)

    def _give_back(self, n):
        self.used -= n


class _Math:
    mode = 0

    def setMathMode(self, handle, mode):
        self.mode = mode


_library = None
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
