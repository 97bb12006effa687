"""The BLAS library behind the CPU's products, as addresses that compiled code can call.

MKL where it is installed (an optional extra), otherwise the OpenBLAS inside NumPy's wheels.
"""

from __future__ import annotations

import ctypes
import os
from typing import NamedTuple

import numpy as np

from nn.ops.threads import cores


class Blas(NamedTuple):
    """Addresses of C functions. Matrix sizes are 64-bit integers, thread counts 32-bit."""

    name: str
    sgemm: int  # cblas_sgemm
    saxpy: int  # cblas_saxpy
    get_threads: int  # int(void): how many threads a product takes
    # MKL: int(int), for the calling thread, returns the old number; OpenBLAS: void(int), for all
    # threads
    set_threads: int
    core: str = ""  # for whose processors OpenBLAS's kernels in use were written

    @property
    def sets_each_thread(self) -> bool:
        """Whether `set_threads` applies to the calling thread only."""
        return self.name == "MKL"


VARIABLES = {  # that set the number of threads; the first that is set wins
    "OpenBLAS": ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
    "MKL": ("MKL_NUM_THREADS", "OMP_NUM_THREADS"),
}


def threads_of(blas: Blas) -> tuple[int, str]:
    """(how many threads a product takes now, why fewer than cores or "")."""
    threads = ctypes.CFUNCTYPE(ctypes.c_int)(blas.get_threads)()
    if threads >= cores():
        return threads, ""
    for name in VARIABLES[blas.name]:
        if os.environ.get(name, "").strip() == str(threads):
            return threads, f"{name}={threads}"
    return threads, f"{blas.name} is set to {threads}"


def find_blas(openmp: bool) -> Blas | None:
    """The `Blas` to use, or None where NumPy was built with another one, as on a Mac.

    openmp: GCC's OpenMP is available.
    """
    return mkl(openmp) or openblas()


def mkl(openmp: bool) -> Blas | None:
    """MKL on the threads of GCC's OpenMP, or on none.

    Numba uses the same OpenMP threads: with one pool for both, neither waits for the other's to
    release a core.
    """
    from importlib.metadata import PackageNotFoundError, files  # slow to import

    try:
        installed = [f.locate() for f in files("mkl") or () if f.name.startswith("libmkl_rt.")]
    except PackageNotFoundError:
        return None
    if not installed:
        return None
    # read at the first product
    os.environ.setdefault("MKL_THREADING_LAYER", "GNU" if openmp else "SEQUENTIAL")
    names = "cblas_sgemm_64", "cblas_saxpy_64", "MKL_Get_Max_Threads", "MKL_Set_Num_Threads_Local"
    return addresses("MKL", os.path.realpath(str(installed[0])), *names)


def openblas() -> Blas | None:
    """NumPy's own OpenBLAS."""
    names = "cblas_sgemm", "cblas_saxpy", "openblas_get_num_threads", "openblas_set_num_threads"
    # as renamed in NumPy's wheels
    blas = addresses("OpenBLAS", numpy_linalg(), *(f"scipy_{name}64_" for name in names))
    return blas and blas._replace(core=core_of(numpy_linalg()))


def core_of(path: str) -> str:
    """The name of the processors for which OpenBLAS has chosen its kernels, such as Haswell."""
    try:
        name = ctypes.CDLL(path).scipy_openblas_get_corename64_
    except (AttributeError, OSError):
        return ""
    name.restype = ctypes.c_char_p
    return str((name() or b"").decode())


def numpy_linalg() -> str:
    """The path of NumPy's extension module for linear algebra, which is linked with its BLAS."""
    return getattr(np.linalg, "_umath_linalg").__file__  # noqa: B009  (private, and the only handle on the library)


def addresses(name: str, path: str | os.PathLike[str], *functions: str) -> Blas | None:
    """The functions in that library or those it is linked with; None where one is missing."""
    try:
        library = ctypes.CDLL(str(path))
        found = [
            ctypes.cast(library[function], ctypes.c_void_p).value or 0 for function in functions
        ]
    except (AttributeError, OSError):
        return None
    sgemm, saxpy, get_threads, set_threads = found
    return Blas(name, sgemm, saxpy, get_threads, set_threads)
