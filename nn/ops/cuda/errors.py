"""What CUDA says when it cannot be used, and what a user can do about it. Nothing here imports CuPy."""

from nn.errors import DeviceError, DeviceMemoryError
from nn.ops.base import first_line

INSTALL = "pip install -e '.[cuda13]'  or  '.[cuda12]', never both"
ELSE = "or use device 'cpu'"


def cannot_use(problem, driver, runtime):
    """The `DeviceError` for a problem at the start.

    problem: the exception, whose text begins with CUDA's name of the error. driver: the CUDA version that the driver is for,
    1000 major + 10 minor, 0 without a driver. runtime: the version that CuPy is built for. Both are None where nobody knows.
    """
    said = first_line(problem)
    name, _, _ = said.partition(":")
    if driver == 0:
        what = "there is no NVIDIA driver"
        remedy = "Install one (nvidia-smi then lists the GPU), with CuPy for the CUDA version that it names:  " + INSTALL
    elif driver and runtime and driver // 1000 < runtime // 1000:
        what = f"CuPy is built for CUDA {version(runtime)}, and the driver is for CUDA {version(driver)}"
        remedy = (
            f"Update the driver, or exchange CuPy:  pip uninstall cupy-cuda{runtime // 1000}x  and  "
            f"pip install -e '.[cuda{driver // 1000}]'"
        )
    elif name == "cudaErrorDevicesUnavailable":
        what = "the GPU is in use by another process, which has it to itself"
        remedy = "Wait for its end (nvidia-smi names it), choose another GPU with CUDA_VISIBLE_DEVICES"
    elif isinstance(problem, DeviceMemoryError) or name == "cudaErrorMemoryAllocation":
        what = "its memory is full"
        remedy = (
            "Other programs hold it: nvidia-smi lists them; wait for their end, choose another GPU with CUDA_VISIBLE_DEVICES"
        )
    else:
        what = said
        remedy = (
            "It needs an NVIDIA GPU with a driver (nvidia-smi lists it) and CuPy with CUDA's libraries, for that driver "
            "and card (one older than Turing needs CUDA 12):  " + INSTALL
        )
    return DeviceError(f"device 'cuda' cannot be used: {what}. {remedy}; {ELSE}")


def version(number):
    """13020 -> "13.2"."""
    return f"{number // 1000}.{number % 1000 // 10}"


def out_of_memory(asked, free, total):
    """The `DeviceMemoryError` where so many bytes were asked for."""
    return DeviceMemoryError(
        f"device 'cuda' is out of memory: {asked / 1e9:.3g} GB were asked for, "
        f"{free / 1e9:.3g} GB of {total / 1e9:.3g} GB are free; nvidia-smi lists the programs that hold the rest"
    )
