"""How many threads share a loop or a product, and why not more."""

from __future__ import annotations

import os

import numba
import numpy.ma  # noqa: F401  (else Numba's first call imports it; a fork meanwhile would leave it half imported)
from numba import config
from numba.core.compiler_lock import global_compiler_lock

from nn import launcher, waiting
from nn.ops.blas import find_blas, threads_of
from nn.ops.fork import hold_during_fork
from nn.ops.numba.contention import Contention
from nn.ops.threads import cores, in_words

DEFAULT_PRIORITY = ["tbb", "omp", "workqueue"]  # Numba's own


class Pool:
    """The threads of GCC's OpenMP, the only ones of Numba's that wake within microseconds.

    Attributes
    ----------
    parts : int
        How many parts work is cut into where the cut affects rounding. Constant in a process and
        its forked children, so that all of them give the same bytes.
    threads : int
        How many threads may take the parts: `parts`, or 1.
    contention : Contention
        Whether other programs want the cores; one thread takes all parts then.
    reason : str
        Why there are fewer threads than cores, or "".
    note : str
        A remark about several threads, or "".
    """

    def __init__(self, threads: int, reason: str, note: str = "") -> None:
        self.parts = self.threads = threads
        self.reason, self.note = reason, note
        self.contention = Contention(threads)
        self._started = False

    def __repr__(self) -> str:
        return in_words(self.threads, self.reason, self.note)

    def ready(self) -> bool:
        """Whether a loop is to be shared between threads; the first call starts them."""
        if self.threads > 1 and not self._started:
            self._start()
        return self.threads > 1 and not self.contention.is_present()

    def limit(self, reason: str) -> None:
        """Let one thread take all parts from now on."""
        self.threads, self.reason = 1, reason

    def _start(self) -> None:
        """Launch Numba's threads, unless the program has. Its choice of a layer stays."""
        with global_compiler_lock:
            chosen = config.THREADING_LAYER
            try:
                if chosen == "default":  # nobody has chosen
                    config.THREADING_LAYER = "omp"
                numba.get_num_threads()
                if numba.threading_layer() != "omp":
                    self.limit(f"Numba's threading layer is {numba.threading_layer()}")
            except Exception as problem:  # settings that Numba does not know
                self.limit(f"Numba's threads do not start ({problem})")
            finally:
                config.THREADING_LAYER = chosen
            self._started = True

    def after_fork(self) -> None:
        """In a forked child, which has no such threads: Numba ends a process that uses them."""
        if self.threads > 1 and launched():
            self.limit("forked after the threads were started")


def launched() -> str | None:
    """The threading layer that Numba's loops run on, or None where none has run yet."""
    try:
        return numba.threading_layer()
    except ValueError:
        return None


def other_layer() -> str:
    """Load OpenMP; why Numba's threads are, or will be, other than OpenMP's, or ""."""
    try:
        with waiting.settings(waiting.GNU_OPENMP):
            from numba.np.ufunc import omppool  # type: ignore[attr-defined]  # noqa: F401
    except ImportError:
        return "Numba has no OpenMP here"
    if launched():
        return "" if launched() == "omp" else f"Numba's threading layer is {launched()}"
    if config.THREADING_LAYER != "default":
        return (
            ""
            if config.THREADING_LAYER == "omp"
            else f"NUMBA_THREADING_LAYER={config.THREADING_LAYER}"
        )
    priority = list(config.THREADING_LAYER_PRIORITY)
    chosen = priority != DEFAULT_PRIORITY and priority[:1] != ["omp"]
    return f"NUMBA_THREADING_LAYER_PRIORITY={' '.join(priority)}" if chosen else ""


def how_many() -> tuple[int, str]:
    """(how many threads a loop may take, why not more), by the strictest setting."""
    if other:
        return 1, other
    n: int = config.NUMBA_NUM_THREADS
    limits = [(cores(), launcher.in_words(launcher.cores())), (n, f"NUMBA_NUM_THREADS={n}")]
    return min([*limits, threads_of(BLAS)] if BLAS else limits, key=lambda limit: limit[0])


openmp_is_late = waiting.is_loaded("libgomp.so.1")
other = other_layer()
BLAS = find_blas(openmp=not other)
POOL = Pool(*how_many(), note="" if other else waiting.too_late("OpenMP", openmp_is_late))
hold_during_fork(global_compiler_lock)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.after_fork)
