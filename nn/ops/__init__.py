"""The backends: one set of primitives, on NumPy arrays or on CuPy arrays.

`nn.ops.base` is the contract. `NumpyOps` is the reference. `NumbaOps` compiles long loops and
shares products between threads. `CudaOps`, in the only file that imports CuPy, has fused kernels.
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
    """Return the backend of a device.

    Parameters
    ----------
    device : str or Ops
        "cpu": `NumbaOps`, or `NumpyOps` where Numba is not installed or cannot start.
        "numpy": `NumpyOps`.
        "cuda": `CudaOps`, on a GPU through CuPy.
        "auto": "cuda" where CuPy and a GPU are available, otherwise "cpu".
        A backend is returned unchanged.
    tf32 : bool
        Whether a GPU rounds the factors of float32 products to TF32.

    Returns
    -------
    Ops
        The primitives.

    Raises
    ------
    DeviceError
        If the name is unknown, if "cuda" finds no CuPy or no usable GPU, or if `tf32` is set
        without a GPU that supports it.
    """
    if isinstance(device, Backend):
        return cast(Ops[Any], device)  # `Backend` itself has no primitives
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


Backend.get_ops = staticmethod(get_ops)


def cpu_ops() -> NumpyOps:
    """`NumbaOps`, or, where Numba is not installed or cannot start, `NumpyOps` that says why."""
    numba_ops, problem = find_numba()
    return numba_ops() if numba_ops else NumpyOps(problem)


@functools.cache  # a failed import takes as long as one that succeeds
def find_numba() -> tuple[type[NumpyOps] | None, str]:
    """(`NumbaOps`, ""), or (None, what is wrong with the installed Numba).

    This imports Numba, which takes a third of a second.
    """
    try:
        import numba

        if numba.config.DISABLE_JIT:  # plain Python cannot call the kernels' C functions
            return None, "Numba is switched off: NUMBA_DISABLE_JIT"
        from nn.ops.numba.ops import NumbaOps

        return NumbaOps, ""
    except ModuleNotFoundError as problem:
        if problem.name == "numba":
            return None, ""
        return None, f"Numba cannot start: {first_line(problem)}"
    except Exception as problem:  # a library that does not load, an invalid NUMBA_... setting
        return None, f"Numba cannot start: {first_line(problem)}"
