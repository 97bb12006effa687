"""The backends: one set of primitives, on NumPy arrays or on CuPy arrays.

`nn.ops.base` is the contract. `NumpyOps` is the reference; `NumbaOps` compiles long loops and
shares products between threads; `CudaOps`, in the one file that imports CuPy, has fused kernels.
"""

from __future__ import annotations

import functools
from typing import Any, cast

from nn.errors import DeviceError
from nn.ops.backend import Backend, first_line
from nn.ops.base import Ops
from nn.ops.numpy.ops import NumpyOps

DEVICES = ("auto", "cpu", "numpy", "cuda")


def get_ops(device: str | Ops[Any] = "cpu", tf32: bool = False) -> Ops[Any]:
    """Return the primitives of a device.

    Parameters
    ----------
    device : str or Ops
        "cpu": `NumbaOps`, or `NumpyOps` where Numba is not installed or cannot start.
        "numpy": the CPU without Numba.
        "cuda": a GPU, through CuPy.
        "auto": "cuda" where CuPy and a GPU are available, otherwise "cpu".
        A backend is returned as it is.
    tf32 : bool
        Whether a GPU rounds the factors of float32 products to TF32.

    Raises
    ------
    DeviceError
        For an unknown name, for "cuda" without CuPy or a usable GPU, and for tf32 without a GPU
        that has it.
    """
    if isinstance(device, Backend):
        return cast(Ops[Any], device)  # its primitives are the subclass's
    if device not in DEVICES:
        raise DeviceError(f"device: expected one of {', '.join(DEVICES)}, got {device!r}")
    if device in ("cpu", "numpy") and tf32:
        raise DeviceError(
            f"TF32: expected device 'cuda', whose tensor cores have it, got {device!r}, "
            "which multiplies in float32"
        )
    if device == "numpy":
        return NumpyOps()
    if device == "cpu":
        return cpu_ops()
    try:
        from nn.ops.cuda.ops import CudaOps

        return CudaOps(tf32)
    except (ImportError, DeviceError) as problem:
        if device == "auto" and not tf32:
            return cpu_ops()
        if isinstance(problem, DeviceError):
            raise
        raise DeviceError(
            f"device 'cuda' needs CuPy, which cannot be imported ({first_line(problem)}); "
            "install it with  pip install -e '.[cuda13]'  (or '.[cuda12]'), or use device 'cpu'"
        ) from None


def cpu_ops() -> NumpyOps:
    """`NumbaOps`, or `NumpyOps` where Numba is not installed or cannot start; its repr says why."""
    numba_ops, problem = find_numba()
    return numba_ops() if numba_ops else NumpyOps(problem)


@functools.cache  # a failure takes as long as an import
def find_numba() -> tuple[type[NumpyOps] | None, str]:
    """(`NumbaOps`, ""), or (None, what is wrong with the installed Numba).

    Importing Numba takes a third of a second.
    """
    try:
        import numba

        if numba.config.DISABLE_JIT:  # kernels would be plain Python, which cannot call C functions
            return None, "Numba is switched off: NUMBA_DISABLE_JIT"
        from nn.ops.numba.ops import NumbaOps

        return NumbaOps, ""
    except ModuleNotFoundError as problem:
        if problem.name == "numba":
            return None, ""
        return None, f"Numba cannot start: {first_line(problem)}"
    except (
        Exception
    ) as problem:  # a library that does not load, a NUMBA_... setting that it refuses
        return None, f"Numba cannot start: {first_line(problem)}"
