"""Errors for a GPU that cannot be used, with what the user can do about it.

This module does not import CuPy, so that its messages can be tested without it.
"""

from __future__ import annotations

from nn.errors import DeviceError, DeviceMemoryError
from nn.ops.backend import first_line

INSTALL = "pip install -e '.[cuda13]'  or  '.[cuda12]', never both"
ALTERNATIVE = "or use device 'cpu'"


def cannot_use(problem: Exception, driver: int | None, runtime: int | None) -> DeviceError:
    """Describe why the backend did not start.

    Parameters
    ----------
    problem : Exception
        The error. Its message begins with CUDA's name for it.
    driver : int or None
        The CUDA version of the driver, 1000 major + 10 minor; 0 without a driver, None if unknown.
    runtime : int or None
        The CUDA version of CuPy, in the same form; None if unknown.

    Returns
    -------
    DeviceError
        The error to raise.
    """
    message = first_line(problem)
    name, _, _ = message.partition(":")
    if driver == 0:
        what = "there is no NVIDIA driver"
        remedy = (
            "Install one (nvidia-smi then lists the GPU), with CuPy for the CUDA version that it "
            f"names:  {INSTALL}"
        )
    elif driver and runtime and driver // 1000 < runtime // 1000:
        what = (
            f"CuPy is built for CUDA {version(runtime)}, and the driver is for CUDA "
            f"{version(driver)}"
        )
        remedy = (
            f"Update the driver, or exchange CuPy:  pip uninstall cupy-cuda{runtime // 1000}x  and "
            f" pip install -e '.[cuda{driver // 1000}]'"
        )
    elif name == "cudaErrorDevicesUnavailable":
        what = "the GPU is in use by another process, in exclusive mode"
        remedy = (
            "Wait until it ends (nvidia-smi names it), choose another GPU with CUDA_VISIBLE_DEVICES"
        )
    elif isinstance(problem, DeviceMemoryError) or name == "cudaErrorMemoryAllocation":
        what = "its memory is full"
        remedy = (
            "Other programs hold it: nvidia-smi lists them; wait until they end, "
            "choose another GPU with CUDA_VISIBLE_DEVICES"
        )
    else:
        what = message
        remedy = (
            "It needs an NVIDIA GPU with a driver (nvidia-smi lists it) and CuPy with CUDA's "
            "libraries, for that driver and card (one older than Turing needs CUDA 12):  " + INSTALL
        )
    return DeviceError(f"device 'cuda' cannot be used: {what}. {remedy}; {ALTERNATIVE}")


def version(number: int) -> str:
    """13020 -> "13.2"."""
    return f"{number // 1000}.{number % 1000 // 10}"


def out_of_memory(requested: int, free: int, total: int) -> DeviceMemoryError:
    """The `DeviceMemoryError` for a failed allocation, with all sizes in bytes."""
    return DeviceMemoryError(
        f"device 'cuda' is out of memory: {requested / 1e9:.3g} GB were requested, "
        f"{free / 1e9:.3g} GB of {total / 1e9:.3g} GB are free; "
        "nvidia-smi lists the programs that use the rest"
    )
