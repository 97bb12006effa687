"""The BLAS behind the CPU's products, as addresses of C functions that compiled code can call.

It is Intel's MKL where that is installed, an optional extra, else the OpenBLAS that comes inside NumPy's wheels.
"""

import ctypes
import os
from importlib.metadata import PackageNotFoundError, files
from typing import NamedTuple

import numpy as np


class Blas(NamedTuple):
    """Addresses of C functions; integers of matrices are 64 bits wide, those of threads 32."""

    name: str
    sgemm: int  # cblas_sgemm
    get_threads: int  # how many threads a product takes; int()
    set_threads: int  # void(int)


def find_blas(openmp):
    """The `Blas` to use; None where NumPy was built with another one, as on a Mac. openmp: whether GCC's OpenMP is there."""
    return mkl(openmp) or openblas()


def mkl(openmp):
    """MKL, with its threads, if any, those of OpenMP as GCC has it, which are Numba's, too: one pool for all, so that none waits
    for another's to let go of a core."""
    try:
        found = [file.locate() for file in files("mkl") or () if file.name.startswith("libmkl_rt.")]
    except PackageNotFoundError:
        return None
    if not found:
        return None
    os.environ.setdefault("MKL_THREADING_LAYER", "GNU" if openmp else "SEQUENTIAL")  # read when the first product is asked for
    return addresses("MKL", os.path.realpath(found[0]), "cblas_sgemm_64", "MKL_Get_Max_Threads", "MKL_Set_Num_Threads")


def openblas():
    """NumPy's own; its extension for linear algebra is linked with it."""
    prefix, suffix = "scipy_", "64_"  # as NumPy's wheels rename its functions
    names = (f"{prefix}cblas_sgemm{suffix}", *(f"{prefix}openblas_{act}_num_threads{suffix}" for act in ("get", "set")))
    return addresses("OpenBLAS", getattr(np.linalg, "_umath_linalg").__file__, *names)


def addresses(name, path, *functions):
    """The functions in that library, or in those that it is linked with; None where one is not there."""
    try:
        library = ctypes.CDLL(path)
        return Blas(name, *(ctypes.cast(library[function], ctypes.c_void_p).value for function in functions))
    except (AttributeError, OSError):
        return None
