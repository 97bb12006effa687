"""How many threads share a loop or a product, and why no more."""

import os

import numba
import numpy.ma  # noqa: F401  (Numba imports it at the first call; a fork in the middle would leave it half imported)
from numba import config
from numba.core.compiler_lock import global_compiler_lock

from nn import waiting
from nn.ops.numba.blas import find_blas, threads_of
from nn.ops.fork import hold_during_fork
from nn.ops.threads import cores, in_words

DEFAULT_PRIORITY = ["tbb", "omp", "workqueue"]  # Numba's own


class Pool:
    """Numba's threads of GCC's OpenMP, the only ones that start within microseconds.

    parts: how many parts work is cut into where the cut affects rounding; constant in the process and its forked children,
    whose bytes are therefore the same.
    threads: how many threads compute the parts now: `parts`, or 1, which computes them in order.
    reason: why there are fewer threads than cores, or "". note: what else to say of several threads, or "".
    """

    def __init__(self, threads, reason, note=""):
        self.parts = self.threads = threads
        self.reason, self.note = reason, note
        self._started = False

    def __repr__(self):
        return in_words(self.threads, self.reason, self.note)

    def ready(self):
        """Whether loops are shared now; the first call starts the threads."""
        if self.threads > 1 and not self._started:
            self._start()
        return self.threads > 1

    def limit(self, reason):
        """From now on one thread computes all parts."""
        self.threads, self.reason = 1, reason

    def _start(self):
        """Launch Numba's threads unless the program has. It may have chosen another layer since `how_many`."""
        with global_compiler_lock:
            chosen = config.THREADING_LAYER
            try:
                if chosen == "default":  # nobody has chosen
                    config.THREADING_LAYER = "omp"
                numba.get_num_threads()
                if numba.threading_layer() != "omp":
                    self.limit(f"Numba's threading layer is {numba.threading_layer()}")
            except Exception as problem:  # of settings that Numba does not know
                self.limit(f"Numba's threads do not start ({problem})")
            finally:
                config.THREADING_LAYER = chosen
            self._started = True

    def after_fork(self):
        """In a forked child: the parent's threads do not exist, and Numba kills a child that enters them."""
        if self.threads > 1 and launched():
            self.limit("forked after the threads were started")


def launched():
    """The threading layer that Numba's loops run on, or None where none has run yet."""
    try:
        return numba.threading_layer()
    except ValueError:
        return None


def other_layer():
    """Load OpenMP's threads; why Numba's loops do not run on OpenMP's threads, or "" where they do."""
    try:
        with waiting.settings(waiting.GNU_OPENMP):
            from numba.np.ufunc import omppool  # noqa: F401
    except ImportError:
        return "Numba has no OpenMP here"
    if launched():
        return "" if launched() == "omp" else f"Numba's threading layer is {launched()}"
    if config.THREADING_LAYER != "default":
        return "" if config.THREADING_LAYER == "omp" else f"NUMBA_THREADING_LAYER={config.THREADING_LAYER}"
    priority = list(config.THREADING_LAYER_PRIORITY)
    chosen = priority != DEFAULT_PRIORITY and priority[:1] != ["omp"]
    return f"NUMBA_THREADING_LAYER_PRIORITY={' '.join(priority)}" if chosen else ""


def how_many():
    """(how many threads a loop may take, why no more): the fewest that any of the settings allows."""
    if other:
        return 1, other
    limits = [(cores(), ""), (config.NUMBA_NUM_THREADS, f"NUMBA_NUM_THREADS={config.NUMBA_NUM_THREADS}")]
    return min([*limits, threads_of(BLAS)] if BLAS else limits, key=lambda limit: limit[0])


openmp_is_late = waiting.is_loaded("libgomp.so.1")
other = other_layer()
BLAS = find_blas(openmp=not other)
POOL = Pool(*how_many(), note="" if other else waiting.too_late("OpenMP", openmp_is_late))
hold_during_fork(global_compiler_lock)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.after_fork)
