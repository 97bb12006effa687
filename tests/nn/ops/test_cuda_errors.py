"""TF32, and errors of the CUDA backend, with the emulation in place of CuPy."""

import sys
import types

import numpy as np
import pytest

from nn.errors import DeviceError, DeviceMemoryError
from nn.ops import get_ops


def runtime(monkeypatch, emulated_cupy, problem=None, driver=13020, **more):
    """Replace functions of CUDA's runtime. With a problem, the first call raises it."""

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
        "CuPy is built for CUDA 13.2, and the driver is for CUDA 12.4. .*"
        "pip uninstall cupy-cuda13x .*'.\\[cuda12\\]'",
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
def test_an_unusable_gpu_is_an_error_that_says_what_to_do(
    emulated_cupy_ops, emulated_cupy, monkeypatch, case
):
    problem, driver, cause = PROBLEMS[case]
    runtime(monkeypatch, emulated_cupy, problem, driver)
    message = f"^device 'cuda' cannot be used: .*{cause}.*; or use device 'cpu'$"
    with pytest.raises(DeviceError, match=message):
        emulated_cupy_ops.CudaOps()


def test_no_visible_device_is_an_error(emulated_cupy_ops, emulated_cupy, monkeypatch):
    runtime(monkeypatch, emulated_cupy, getDeviceCount=lambda: 0)
    with pytest.raises(DeviceError, match="CUDA finds no device. It needs an NVIDIA GPU"):
        emulated_cupy_ops.CudaOps()


def test_an_unknown_version_of_the_driver_is_an_error(
    emulated_cupy_ops, emulated_cupy, monkeypatch
):
    runtime(monkeypatch, emulated_cupy, OLD_DRIVER)
    cuda = emulated_cupy.cuda.runtime
    monkeypatch.setattr(cuda, "driverGetVersion", cuda.getDeviceCount)
    message = "cannot be used: cudaErrorInsufficientDriver: .*nvidia-smi"
    with pytest.raises(DeviceError, match=message):
        emulated_cupy_ops.CudaOps()


def test_out_of_memory_is_an_error_with_sizes(emulated_cupy_ops, emulated_cupy, monkeypatch):
    ops = emulated_cupy_ops.CudaOps()
    monkeypatch.setattr(emulated_cupy.memory, "size", 8_000_000_000)
    eighty = types.SimpleNamespace(nbytes=80 * 10**9)
    take = emulated_cupy.memory.take
    monkeypatch.setattr(emulated_cupy, "empty", lambda shape, dtype: take(eighty))
    message = "out of memory: 80 GB were requested, (8|7.9.) GB of 8 GB are free; nvidia-smi"
    with pytest.raises(DeviceMemoryError, match=message):
        ops.empty((10**10,), "float64")
    with pytest.raises(DeviceError, match="cannot be used: its memory is full. Other programs"):
        emulated_cupy_ops.CudaOps()


# ---- TF32


def product_on(ops, x, y):
    """x y, computed on the device."""
    out = ops.empty((len(x), y.shape[1]), x.dtype)
    return ops.to_host(ops.gemm(ops.asarray(x), ops.asarray(y), out=out))


def test_products_are_float32_unless_tf32_is_set(emulated_cupy_ops):
    x, y = np.random.default_rng(0).standard_normal((2, 30, 30)).astype(np.float32)
    errors = []
    for tf32 in (False, True, False):
        ops = emulated_cupy_ops.CudaOps(tf32)
        assert ("TF32" if tf32 else "float32") + " products" in repr(ops)
        product = product_on(ops, x, y)
        errors.append(np.abs(product - x.astype(np.float64) @ y).max() / np.abs(x @ y).max())
    assert errors[0] == errors[2] < 1e-6 and 1e-5 < errors[1] < 2**-10


def test_backends_with_and_without_tf32_coexist(emulated_cupy_ops):
    rough, fine = emulated_cupy_ops.CudaOps(tf32=True), emulated_cupy_ops.CudaOps()
    third = np.full((1, 1), 1 / 3, np.float32)
    one = np.ones((1, 1), np.float32)
    for _ in range(2):
        for ops, same in ((rough, False), (fine, True)):
            assert (product_on(ops, third, one) == third).all() == same


def test_double_precision_stays_double_in_tf32(emulated_cupy_ops):
    ops, third = emulated_cupy_ops.CudaOps(tf32=True), np.full((1, 1), 1 / 3)
    assert (product_on(ops, third, np.ones((1, 1))) == third).all()


def test_a_gpu_without_tf32_is_an_error(emulated_cupy_ops, emulated_cupy, monkeypatch):
    turing = types.SimpleNamespace(compute_capability="75")
    monkeypatch.setattr(emulated_cupy.cuda, "Device", lambda: turing)
    emulated_cupy_ops.CudaOps()
    message = "TF32: expected a GPU of compute capability 8.0 or more, this one has 7.5; leave it"
    with pytest.raises(DeviceError, match=message):
        emulated_cupy_ops.CudaOps(tf32=True)


def test_tf32_without_a_gpu_is_an_error(monkeypatch):
    message = "TF32: expected device 'cuda'.*got 'cpu', which multiplies in float32"
    with pytest.raises(DeviceError, match=message):
        get_ops("cpu", tf32=True)
    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", None)
    # with tf32, 'auto' does not fall back to the CPU
    with pytest.raises(DeviceError, match="device 'cuda' needs CuPy"):
        get_ops("auto", tf32=True)


# ---- no CuPy


def test_no_cupy_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", None)  # makes its import fail
    with pytest.raises(DeviceError, match=r"needs CuPy.*pip install -e '\.\[cuda13\]'"):
        get_ops("cuda")
    assert get_ops("auto").device == "cpu"
