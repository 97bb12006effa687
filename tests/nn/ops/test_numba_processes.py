"""The tests of `NumbaOps` with two threads and as plain Python, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nn
from nn.ops import NumpyOps, get_ops
from tests.support.threads import TWO_THREADS

numba = pytest.importorskip("numba")

from numba import prange  # noqa: E402

from nn.ops.numba.compiling import shared  # noqa: E402
from nn.ops.numba.ops import NumbaOps  # noqa: E402
from nn.ops.numba.threads import POOL  # noqa: E402

ROOT = Path(nn.__file__).parent.parent
PYTEST = [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider"]
MORE = "numba_processes", "ops", "threads", "contention"
NUMBA_TESTS = [f"tests/nn/ops/test_numba{part}.py" for part in ("", "_conv", "_products")]


@shared(least=100)
def note_threads(ids):
    for i in prange(ids.size):
        ids[i] = numba.get_thread_id()


@pytest.mark.needs_threads
def test_threads_share_what_is_large(monkeypatch):
    """Both forms of a kernel are compiled. On disk they are separate, for the next process."""
    monkeypatch.setattr(POOL.contention, "next", float("inf"))  # whatever other programs do
    for contention, n, threads in (  # the first starts the threads
        (False, 1000, 2),
        (True, 1000, 1),
        (False, 99, 1),
    ):
        monkeypatch.setattr(POOL.contention, "present", contention)
        ids = np.full(n, -1)
        note_threads(ids)
        assert len(set(ids.tolist())) == threads


def test_two_threads_do_the_same():
    """Tests of this backend, of the primitives and of threads, in a process with two threads."""
    env = {**os.environ, **TWO_THREADS}
    code = "from nn.ops.numba.threads import POOL; assert POOL.threads == 2, POOL"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True)
    more = [f"tests/nn/ops/test_{name}.py" for name in MORE]
    left_out = "two_threads or plain_python or emulated or strict or import or trainings"
    command = [*PYTEST, *NUMBA_TESTS, *more, "-k", f"not ({left_out})"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_as_plain_python_the_kernels_do_the_same_and_stay_within_their_arrays():
    """Compiled kernels check no index. Integers wrap around in them, but not in Python."""
    plain = {"NUMBA_DISABLE_JIT": "1", "OPENBLAS_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "2"}
    env = {**os.environ, **plain}
    left_out = "stream or emulated or strict or import or dropout or draws or computed_transposed"
    tests = [*NUMBA_TESTS, "tests/nn/ops/test_ops.py", "-k", f"numba and not ({left_out})"]
    options = ["-p", "tests.support.interpreted", "-W", "ignore::RuntimeWarning"]
    command = [*PYTEST, *options, *tests]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_device_selects_the_backend():
    assert type(get_ops("cpu")) is NumbaOps and type(get_ops("numpy")) is NumpyOps
    assert "Numba" in repr(get_ops("cpu")) and "Numba" not in repr(get_ops("numpy"))
    assert get_ops("numpy").device == get_ops("cpu").device == "cpu"


def test_importing_the_package_does_not_import_numba():
    code = """
import sys, nn
assert "numba" not in sys.modules
nn.Dense(2, 3).build(seed=0)
assert "numba" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
