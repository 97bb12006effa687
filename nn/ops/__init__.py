"""The backend seam: one set of primitives, on NumPy arrays or on CuPy arrays.

A layer calls ``self.ops.gemm(...)`` and never asks which backend it is on. `NumpyOps` is the reference; `NumbaOps` has
its long loops compiled and its products shared between threads; `CupyOps`, in the one file that imports CuPy, has fused kernels.
"""

import functools

from nn.errors import DeviceError
from nn.ops.base import Ops, first_line
from nn.ops.numpy.ops import NumpyOps

DEVICES = ("auto", "cpu", "numpy", "cuda")


def get_ops(device="cpu", tf32=False):
    """Return the primitives of a device: "cpu", "cuda", or "auto" (CUDA if CuPy and a GPU are there, else the CPU).

    Where Numba is installed and starts, the CPU's backend is `NumbaOps`; the device "numpy" is the same CPU without it. Importing
    Numba takes a third of a second, so it waits until here. tf32: whether a GPU rounds the factors of its float32 products to TF32. An
    object that is a backend already is returned as it is. Errors: `DeviceError` for an unknown name, for "cuda" without CuPy
    or a GPU that can be used, and for tf32 without a GPU that has it.
    """
    if isinstance(device, Ops):
        return device
    if device not in DEVICES:
        raise DeviceError(f"device: expected one of {', '.join(DEVICES)}, got {device!r}")
    if device in ("cpu", "numpy") and tf32:
        raise DeviceError(f"TF32: expected device 'cuda', whose tensor cores have it, got {device!r}, which multiplies in float32")
    if device == "numpy":
        return NumpyOps()
    if device == "cpu":
        return cpu_ops()
    try:
        from nn.ops.cuda.ops import CupyOps

        return CupyOps(tf32)
    except (ImportError, DeviceError) as problem:
        if device == "auto" and not tf32:
            return cpu_ops()
        if isinstance(problem, DeviceError):
            raise
        raise DeviceError(
            f"device 'cuda' needs CuPy, which cannot be imported ({first_line(problem)}); "
            "install it with  pip install -e '.[cuda13]'  (or '.[cuda12]'), or use device 'cpu'"
        ) from None


def cpu_ops():
    """`NumbaOps`, or `NumpyOps` where Numba is not installed or cannot start, which its repr then says."""
    numba_ops, problem = find_numba()
    return numba_ops() if numba_ops else NumpyOps(problem)


@functools.cache  # to fail takes as long as to import
def find_numba():
    """(`NumbaOps`, ""), or (None, what is wrong with the Numba that is installed)."""
    try:
        import numba

        if numba.config.DISABLE_JIT:  # its functions are then Python's, and those of C cannot be called
            return None, "Numba is switched off: NUMBA_DISABLE_JIT"
        from nn.ops.numba.ops import NumbaOps

        return NumbaOps, ""
    except ModuleNotFoundError as problem:
        if problem.name == "numba":
            return None, ""
        return None, f"Numba cannot start: {first_line(problem)}"
    except Exception as problem:  # a library that cannot be loaded, a setting NUMBA_... that it does not take
        return None, f"Numba cannot start: {first_line(problem)}"
