"""The BLAS behind the CPU's products, as addresses of C functions that compiled code can call.

It is Intel's MKL where that is installed, an optional extra, else the OpenBLAS that comes inside NumPy's wheels.
"""

import ctypes
import os
from importlib.metadata import PackageNotFoundError, files
from typing import NamedTuple

import numpy as np

from nn.ops.threads import cores


class Blas(NamedTuple):
    """Addresses of C functions; integers of matrices are 64 bits wide, those of threads 32."""

    name: str
    sgemm: int  # cblas_sgemm
    saxpy: int  # cblas_saxpy
    get_threads: int  # how many threads a product takes; int()
    set_threads: int  # int(int): MKL's is for the calling thread and returns what was; OpenBLAS's for all, and returns nothing

    @property
    def sets_each_thread(self):
        """Whether `set_threads` is for the calling thread only."""
        return self.name == "MKL"


VARIABLES = {  # that say how many threads a product may take, the first that is set
    "OpenBLAS": ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
    "MKL": ("MKL_NUM_THREADS", "OMP_NUM_THREADS"),
}


def threads_of(blas):
    """(how many threads a product takes now, why fewer than cores or "")."""
    threads = ctypes.CFUNCTYPE(ctypes.c_int)(blas.get_threads)()
    if threads >= cores():
        return threads, ""
    given = [f"{name}={threads}" for name in VARIABLES[blas.name] if os.environ.get(name, "").strip() == str(threads)]
    return threads, given[0] if given else f"{blas.name} is set to {threads}"


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
    os.environ.setdefault("MKL_THREADING_LAYER", "GNU" if openmp else "SEQUENTIAL")  # read at the first product
    names = "cblas_sgemm_64", "cblas_saxpy_64", "MKL_Get_Max_Threads", "MKL_Set_Num_Threads_Local"
    return addresses("MKL", os.path.realpath(found[0]), *names)


def openblas():
    """NumPy's own; its extension for linear algebra is linked with it."""
    names = "cblas_sgemm", "cblas_saxpy", "openblas_get_num_threads", "openblas_set_num_threads"
    renamed = (f"scipy_{name}64_" for name in names)  # as NumPy's wheels do it
    return addresses("OpenBLAS", getattr(np.linalg, "_umath_linalg").__file__, *renamed)


def addresses(name, path, *functions):
    """The functions in that library, or in those that it is linked with; None where one is not there."""
    try:
        library = ctypes.CDLL(path)
        return Blas(name, *(ctypes.cast(library[function], ctypes.c_void_p).value for function in functions))
    except (AttributeError, OSError):
        return None
