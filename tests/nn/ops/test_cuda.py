"""The CUDA backend on a machine without a GPU: its kernels compile for CUDA, and run, emulated, without races."""

import ast
import inspect
import json
import operator
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import benchmarks.harness.clocks
import nn.ops
from nn.errors import DeviceError, DeviceMemoryError, DtypeError, ShapeError
from nn.ops import get_ops
from nn.ops.cuda.elementwise import ELEMENTWISE
from nn.ops.cuda.reductions import REDUCTIONS, SOURCE, TYPES
from tests.support import primitives
from tests.support.gan_step import GanStep

# ---- compiled by NVRTC, where CuPy and it are installed; neither needs a GPU

NDARRAY, INDEXER, SCALAR = 1, 2, 3  # CuPy's _ArgKind


def cuda_code(name, T, numbers):
    """CUDA C++ of an elementwise kernel, by CuPy's own generator: with numbers for its inputs, or with strided arrays."""
    import cupy
    from cupy._core import _carray, _kernel, _scalar

    inputs, outputs, body, _ = ELEMENTWISE[name]
    preamble = ELEMENTWISE[name].preamble
    kernel = cupy.ElementwiseKernel(
        inputs, outputs, body, f"{name}_{T}_{numbers:d}", preamble=preamble
    )
    infos, ndim = [], 1 if numbers else 3
    for p in kernel.in_params + kernel.out_params:
        dtype = np.dtype(T if p.dtype is None else p.dtype)
        if p.raw:
            infos.append(_kernel._ArgInfo(NDARRAY, cupy.ndarray, dtype, 1, True, True))
        elif p.is_const and (numbers or p.dtype is not None):
            infos.append(_kernel._ArgInfo(SCALAR, _scalar.CScalar, dtype, 0, True, True))
        else:
            infos.append(_kernel._ArgInfo(NDARRAY, cupy.ndarray, dtype, ndim, numbers, numbers))
    infos.append(_kernel._ArgInfo(INDEXER, _carray.Indexer, None, ndim, True, True))
    type_map = _kernel._TypeMap((("T", np.dtype(T)),))
    return _kernel._get_elementwise_kernel_code(
        tuple(infos), type_map, kernel.params, body, kernel.name, preamble
    )


def compile_for_cuda(source, names):
    """PTX of the source, with CuPy's headers and options; the compiler's own words as an error."""
    from cupy._core import core
    from cupy.cuda import nvrtc

    program = nvrtc.createProgram(
        "".join(f"#include <{h}>\n" for h in core._cupy_header_list) + source, "kernels.cu", (), ()
    )
    for name in names:
        nvrtc.addNameExpression(program, name)
    try:
        nvrtc.compileProgram(
            program, (*core.assemble_cupy_compiler_options(("-std=c++17",)), "-arch=compute_80")
        )
    except nvrtc.NVRTCError:
        raise AssertionError(nvrtc.getProgramLog(program)[:5000]) from None
    return nvrtc.getPTX(program).decode()


def test_every_kernel_compiles_for_cuda():
    pytest.importorskip("cupy")
    from cupy.cuda import nvrtc

    try:
        nvrtc.getVersion()
    except Exception as problem:  # CuPy's own type of error for a library that is not there
        pytest.skip(f"needs NVRTC: {problem}")
    codes = [
        cuda_code(name, T, n)
        for name in ELEMENTWISE
        for T in ("float32", "float64")
        for n in (False, True)
    ]
    spaces = "\n".join(f"namespace n{i} {{ {code} }}" for i, code in enumerate(codes))
    names = [f"{name}<{T}>" for name in REDUCTIONS for T in TYPES]
    ptx = compile_for_cuda(SOURCE + spaces, names)
    assert ptx.count(".entry") == len(codes) + len(names)
    with pytest.raises(AssertionError, match="identifier"):  # the check can fail
        compile_for_cuda(SOURCE.replace("sum_of_column(sum)", "sum_of_colum(sum)"), names)


def names_of_cupy(source):
    """Each name that the source takes from CuPy: "cuda.runtime.memGetInfo"."""
    chains = [
        ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)
    ]
    return {chain.removeprefix("cupy.") for chain in chains if re.fullmatch(r"cupy(\.\w+)+", chain)}


def test_cupy_has_every_name_that_is_used():
    """The stand-in has them because they were written into it; CuPy itself needs no GPU to be asked."""
    cupy, cublas = pytest.importorskip("cupy"), pytest.importorskip("cupy.cublas")
    files = Path(nn.ops.__path__[0], "cuda", "ops.py"), Path(benchmarks.harness.clocks.__file__)
    used = set().union(*(names_of_cupy(file.read_text()) for file in files))
    assert {
        "ElementwiseKernel",
        "cuda.runtime.memGetInfo",
        "cuda.cublas.setMathMode",
        "cuda.Event",
    } <= used
    for name in used:
        operator.attrgetter(name)(cupy)
    assert cupy.cuda.memory.OutOfMemoryError(3, 2, 1)._size == 3
    inspect.signature(cublas.gemm).bind("N", "T", None, None, out=None, beta=1.0)


# ---- emulated


@pytest.fixture
def ops(emulated_cupy_ops, emulated_cupy):
    yield emulated_cupy_ops.CudaOps()
    emulated_cupy.guard.frozen = False
    emulated_cupy.reverse(False)


@pytest.mark.parametrize("name", primitives.NAMES)
def test_no_primitive_depends_on_the_order_of_threads(ops, emulated_cupy, name):
    for case, given in primitives.of(name, "float32"):
        emulated_cupy.reverse(False)
        forwards = primitives.run(ops, name, given)
        emulated_cupy.reverse(True)
        backwards = primitives.run(ops, name, given)
        for key in forwards:
            np.testing.assert_array_equal(forwards[key], backwards[key], err_msg=f"{case}: {key}")


@pytest.mark.parametrize("name", primitives.NAMES)
def test_no_primitive_reads_or_allocates_once_warm(ops, emulated_cupy, name):
    for _, given in primitives.of(name, "float32"):
        here = {key: ops.asarray(x) if isinstance(x, np.ndarray) else x for key, x in given.items()}
        getattr(ops, name)(**here)
        emulated_cupy.guard.frozen = True
        getattr(ops, name)(**here)
        emulated_cupy.guard.frozen = False


def test_draws_neither_read_nor_allocate_once_warm_and_have_no_race(ops, emulated_cupy):
    results = []
    for backwards in (False, True):
        emulated_cupy.reverse(backwards)
        stream, x, index = (
            ops.stream(np.random.SeedSequence(3)),
            ops.empty((7, 9), "float32"),
            ops.asarray(np.arange(50)),
        )
        stream.shuffle_(index)
        emulated_cupy.guard.frozen = True
        for _ in range(2):
            (
                stream.normal_(x),
                stream.uniform_(x),
                stream.dropout_mask_(x, 0.5),
                stream.shuffle_(index),
                stream.normal_(x),
            )
        emulated_cupy.guard.frozen = False
        results.append((ops.to_host(x), ops.to_host(index), stream.state))
    for first, second in zip(*results):
        np.testing.assert_equal(first, second)


def philox(key, counter):
    """Philox 4x32-10 as the paper has it, in Python's integers: four words from two and four."""
    k, c = list(key), list(counter)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b & 0xFFFFFFFF, a >> 32 ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def test_the_stream_is_philox(ops):
    # the paper's authors' own vectors (Random123, kat_vectors)
    assert philox([0, 0], [0, 0, 0, 0]) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    key, counter = [0xA4093822, 0x299F31D0], [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
    assert philox(key, counter) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]

    def word(low, high):
        return high << 32 | low

    stream = ops.stream(np.random.SeedSequence(0))
    state = {
        "bit_generator": "Philox4x32-10",
        "key": word(*key),
        "stream": word(*counter[2:]),
        "position": word(*counter[:2]),
    }
    stream.state = state
    drawn = ops.to_host(stream.uniform_(ops.empty((3,), "float64")))
    words = [philox(key, [counter[0] + i, *counter[1:]]) for i in range(3)]
    assert drawn.tolist() == [(word(w[1], w[0]) >> 11) / 2**53 for w in words]
    assert (
        stream.state
        == {**state, "position": state["position"] + 3}
        == json.loads(json.dumps(stream.state))
    )


def test_streams_of_different_seeds_share_neither_key_nor_counter(ops):
    states = [ops.stream(seed).state for seed in np.random.SeedSequence(1).spawn(20)]
    assert (
        len({state["key"] for state in states}) == len({state["stream"] for state in states}) == 20
    )


def test_a_state_of_another_device_is_refused(ops):
    here, cpu = (backend.stream(np.random.SeedSequence(0)) for backend in (ops, get_ops("cpu")))
    with pytest.raises(DeviceError, match="expected one of Philox4x32-10.*got SFC64"):
        here.state = cpu.state
    with pytest.raises(DeviceError, match="expected one of SFC64.*got Philox4x32-10"):
        cpu.state = here.state


def test_kernels_of_raw_pointers_refuse_what_they_cannot_read(ops):
    x = ops.zeros((4, 4), "float32")
    with pytest.raises(DtypeError, match="sum_rows: expected arrays of float32, got float64"):
        ops.sum_rows(x, out=ops.zeros((4,), "float64"))
    with pytest.raises(ShapeError, match="sum_rows: expected arrays in C order, got one of shape"):
        ops.sum_rows(x.transpose(1, 0), out=ops.zeros((4,), "float32"))


def test_kernels_are_made_once(emulated_cupy_ops, ops):
    assert emulated_cupy_ops.elementwise("sigmoid") is emulated_cupy_ops.elementwise("sigmoid")
    assert emulated_cupy_ops.reductions() is emulated_cupy_ops.reductions()


def test_a_step_starts_the_same_kernels_with_the_same_numbers_each_time(ops, monkeypatch):
    """Step count, learning rate, bias corrections and random counters lie on the device: what the host hands over is, from step
    to step, the same, and yet every step takes other numbers and goes on."""
    step, launches = GanStep(ops, "bce-adam"), []

    def noting(name, start):
        def call(*args, **kwargs):
            launches.append(
                (name, *(x if isinstance(x, (int, float)) else x.host.ctypes.data for x in args))
            )
            return start(*args, **kwargs)

        return call

    kernel, launch = ops.kernel, ops.launch
    monkeypatch.setattr(ops, "kernel", lambda name: noting(name, kernel(name)), raising=False)
    monkeypatch.setattr(
        ops,
        "launch",
        lambda name, grid, block, arrays, *rest: (
            launches.append(
                (name, grid, block, *(x.host.ctypes.data for x in arrays), *map(str, rest))
            )
            or launch(name, grid, block, arrays, *rest)
        ),
    )
    step()
    steps, results = [], []
    for _ in range(3):
        launches.clear()
        step()
        steps.append(list(launches))
        results.append(step.results()[1])
    assert steps[0] == steps[1] == steps[2]
    assert {
        "adam",
        "adam_schedule",
        "dropout_mask",
        "normal",
    } <= {x[0] for x in steps[0]}
    assert not np.array_equal(results[0], results[1]) and not np.array_equal(results[1], results[2])
    assert ops.to_host(step.g_optimizer.step_state)[0] == 4


# ---- errors


def runtime(monkeypatch, emulated_cupy, problem=None, driver=13020, **more):
    """CUDA's runtime, which raises that problem of its own as soon as it is asked for anything."""

    def fail(*_):
        raise emulated_cupy.CUDARuntimeError(problem)

    broken = {"getDeviceCount": fail} if problem else {}
    for name, replacement in (broken | {"driverGetVersion": lambda: driver} | more).items():
        monkeypatch.setattr(emulated_cupy.cuda.runtime, name, replacement)


OLD_DRIVER = (
    "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version"
)
BUSY = "cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy or unavailable"
PROBLEMS = {
    "no driver": (OLD_DRIVER, 0, "there is no NVIDIA driver. Install one .*'.\\[cuda13\\]'"),
    "another CUDA": (
        OLD_DRIVER,
        12040,
        "CuPy is built for CUDA 13.2, and the driver is for CUDA 12.4. .*pip uninstall cupy-cuda13x .*'.\\[cuda12\\]'",
    ),
    "no GPU": (
        "cudaErrorNoDevice: no CUDA-capable device is detected",
        13020,
        "no CUDA-capable device is detected. .*nvidia-smi",
    ),
    "in use": (BUSY, 13020, "in use by another process, in exclusive mode. .*CUDA_VISIBLE_DEVICES"),
    "full": (
        "cudaErrorMemoryAllocation: out of memory",
        13020,
        "its memory is full. Other programs hold it: nvidia-smi",
    ),
    "anything else": (
        "cudaErrorECCUncorrectable: uncorrectable ECC error",
        13020,
        "uncorrectable ECC error. It needs an NVIDIA GPU",
    ),
    "an old card": (
        "nvrtc: error: invalid value for --gpu-architecture (-arch)",
        13000,
        "invalid value for --gpu-architecture .*older than Turing needs CUDA 12.*'.\\[cuda12\\]'",
    ),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_gpu_that_cannot_be_used_is_an_error_that_says_what_to_do(
    emulated_cupy_ops, emulated_cupy, monkeypatch, case
):
    problem, driver, said = PROBLEMS[case]
    runtime(monkeypatch, emulated_cupy, problem, driver)
    with pytest.raises(
        DeviceError, match=f"^device 'cuda' cannot be used: .*{said}.*; or use device 'cpu'$"
    ):
        emulated_cupy_ops.CudaOps()


def test_no_device_among_those_that_are_visible(emulated_cupy_ops, emulated_cupy, monkeypatch):
    runtime(monkeypatch, emulated_cupy, getDeviceCount=lambda: 0)
    with pytest.raises(DeviceError, match="CUDA finds no device. It needs an NVIDIA GPU"):
        emulated_cupy_ops.CudaOps()


def test_where_cuda_cannot_even_tell_its_version(emulated_cupy_ops, emulated_cupy, monkeypatch):
    runtime(monkeypatch, emulated_cupy, OLD_DRIVER)
    monkeypatch.setattr(
        emulated_cupy.cuda.runtime, "driverGetVersion", emulated_cupy.cuda.runtime.getDeviceCount
    )
    with pytest.raises(
        DeviceError, match="cannot be used: cudaErrorInsufficientDriver: .*nvidia-smi"
    ):
        emulated_cupy_ops.CudaOps()


def test_memory_that_runs_out_is_an_error_that_says_how_much_was_asked(
    emulated_cupy_ops, emulated_cupy, monkeypatch
):
    ops = emulated_cupy_ops.CudaOps()
    monkeypatch.setattr(emulated_cupy.memory, "size", 8_000_000_000)
    said = "out of memory: 80 GB were asked for, (8|7.99|7.98|7.97) GB of 8 GB are free; nvidia-smi"
    eighty = types.SimpleNamespace(nbytes=80 * 10**9)
    monkeypatch.setattr(
        emulated_cupy, "empty", lambda shape, dtype: emulated_cupy.memory.take(eighty)
    )
    with pytest.raises(DeviceMemoryError, match=said):
        ops.empty((10**10,), "float64")
    with pytest.raises(DeviceError, match="cannot be used: its memory is full. Other programs"):
        emulated_cupy_ops.CudaOps()


# ---- products in TF32


def test_products_are_float32_unless_tf32_is_asked_for(emulated_cupy_ops):
    x, y = np.random.default_rng(0).standard_normal((2, 30, 30)).astype(np.float32)
    errors = []
    for tf32 in (False, True, False):
        ops = emulated_cupy_ops.CudaOps(tf32)
        assert ("TF32" if tf32 else "float32") + " products" in repr(ops)
        product = ops.to_host(
            ops.gemm(ops.asarray(x), ops.asarray(y), out=ops.empty((30, 30), "float32"))
        )
        errors.append(np.abs(product - x.astype(np.float64) @ y).max() / np.abs(x @ y).max())
    assert errors[0] == errors[2] < 1e-6 and 1e-5 < errors[1] < 2**-10


def test_backends_of_either_kind_may_stand_side_by_side(emulated_cupy_ops):
    rough, fine = emulated_cupy_ops.CudaOps(tf32=True), emulated_cupy_ops.CudaOps()
    third = np.full((1, 1), 1 / 3, np.float32)
    one = np.ones((1, 1), np.float32)
    for _ in range(2):
        for ops, same in ((rough, False), (fine, True)):
            product = ops.gemm(
                ops.asarray(third), ops.asarray(one), out=ops.empty((1, 1), "float32")
            )
            assert (ops.to_host(product) == third).all() == same


def test_double_precision_stays_double_in_tf32(emulated_cupy_ops):
    ops, third = emulated_cupy_ops.CudaOps(tf32=True), np.full((1, 1), 1 / 3)
    product = ops.gemm(
        ops.asarray(third), ops.asarray(np.ones((1, 1))), out=ops.empty((1, 1), "float64")
    )
    assert (ops.to_host(product) == third).all()


def test_a_gpu_without_tf32_is_an_error(emulated_cupy_ops, emulated_cupy, monkeypatch):
    monkeypatch.setattr(
        emulated_cupy.cuda, "Device", lambda: types.SimpleNamespace(compute_capability="75")
    )
    emulated_cupy_ops.CudaOps()
    with pytest.raises(
        DeviceError,
        match="TF32: expected a GPU of compute capability 8.0 or more, this one has 7.5; leave it out",
    ):
        emulated_cupy_ops.CudaOps(tf32=True)


def test_tf32_without_a_gpu_is_an_error(monkeypatch):
    with pytest.raises(
        DeviceError, match="TF32: expected device 'cuda'.*got 'cpu', which multiplies in float32"
    ):
        get_ops("cpu", tf32=True)
    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", None)
    with pytest.raises(
        DeviceError, match="device 'cuda' needs CuPy"
    ):  # 'auto' does not fall back: it was asked for a GPU
        get_ops("auto", tf32=True)


# ---- no CuPy


def test_no_cupy_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", None)  # makes its import fail
    with pytest.raises(DeviceError, match=r"needs CuPy.*pip install -e '\.\[cuda13\]'"):
        get_ops("cuda")
    assert get_ops("auto").device == "cpu"
