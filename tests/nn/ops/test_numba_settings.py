"""NumPy replaces a Numba that does not start, and a program's own settings of Numba stay in effect.

`repr` of a backend says what happened.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nn
from tests.support.threads import TWO_THREADS

numba = pytest.importorskip("numba")

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

ROOT = Path(nn.__file__).parent.parent
# a pass that is large enough for two threads
PASS = "net = nn.Dense(256, 256).build(seed=0); net(np.ones((256, 256), np.float32)); "
PRINT_THREADS = "print(numba.get_num_threads())"
TWO_CORES = "import os; os.sched_getaffinity = lambda pid: {0, 1}\nimport numba\n"


def output_of(code, *arguments, begin=TWO_CORES, **environment):
    """What a program prints. It believes that there are two cores. "" unsets a variable."""
    env = {**os.environ, "OMP_NUM_THREADS": "", **TWO_THREADS, **environment}
    env = {name: value for name, value in env.items() if value}
    command = [sys.executable, "-c", f"{begin}import numpy as np, nn\n{code}", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.strip()


# runs each argument in a child of its own, which inherits what is imported
IN_CHILDREN = """
import sys, traceback
for code in sys.argv[1:]:
    if (child := os.fork()) == 0:
        status = 1
        try:
            exec(code)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0, code
"""


def outputs_of(*programs):
    """The line that each program prints; all have the same environment."""
    return output_of(IN_CHILDREN, *programs).splitlines()


@pytest.mark.parametrize(
    "error",
    ["OSError", "ImportError", "ValueError", "RuntimeError", "AttributeError", "SyntaxError"],
)
def test_a_numba_that_is_broken(tmp_path, error):
    (tmp_path / "numba.py").write_text(f"raise {error}('Could not load\\nshared object file')\n")
    code = "print(nn.get_ops(), nn.Dense(2, 2).build(seed=0).ops)"
    said = output_of(code, begin="", PYTHONPATH=str(tmp_path))
    assert said.count("; Numba cannot start: Could not load)") == 2
    assert said.startswith("cpu (NumPy")


def test_a_missing_numba_is_not_mentioned(tmp_path):
    missing = "raise ModuleNotFoundError(\"No module named 'numba'\", name='numba')\n"
    (tmp_path / "numba.py").write_text(missing)
    code = "print(type(nn.get_ops()).__name__, nn.get_ops())"
    said = output_of(code, begin="", PYTHONPATH=str(tmp_path))
    assert said.startswith("NumpyOps cpu (NumPy") and "Numba" not in said


@pytest.mark.parametrize(
    "setting, why",
    [
        (
            {"NUMBA_NUM_THREADS": "0"},
            "Numba cannot start: Number of threads specified must be > 0.",
        ),
        ({"NUMBA_DISABLE_JIT": "1"}, "Numba is switched off: NUMBA_DISABLE_JIT"),
    ],
)
def test_settings_with_which_numba_does_not_start(setting, why):
    assert output_of("print(nn.get_ops()); " + PASS, begin="", **setting).endswith(f"; {why})")


@pytest.mark.parametrize(
    "setting, said",
    [
        ({}, "2 threads"),
        ({"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": ""}, "1 thread: OPENBLAS_NUM_THREADS=1"),
        (
            {"OPENBLAS_NUM_THREADS": "", "MKL_NUM_THREADS": "", "OMP_NUM_THREADS": "1"},
            "1 thread: OMP_NUM_THREADS=1",
        ),
        ({"NUMBA_NUM_THREADS": "1"}, "1 thread: NUMBA_NUM_THREADS=1"),
        ({"NUMBA_THREADING_LAYER": "workqueue"}, "1 thread: NUMBA_THREADING_LAYER=workqueue"),
        ({"NUMBA_THREADING_LAYER": "omp"}, "2 threads"),
        (
            {"NUMBA_THREADING_LAYER_PRIORITY": "workqueue omp tbb"},
            "1 thread: NUMBA_THREADING_LAYER_PRIORITY=workqueue omp tbb",
        ),
        ({"NUMBA_THREADING_LAYER_PRIORITY": "omp workqueue tbb"}, "2 threads"),
    ],
    ids=str,
)
def test_how_many_threads_and_why(setting, said):
    if "MKL" in repr(nn.get_ops()) and "MKL_NUM_THREADS" in setting:
        pytest.skip("MKL's number is another variable's")
    assert output_of(PASS + "print(net.ops)", **setting).endswith(f", {said})")


def test_the_repr_of_numpys_backend_tells_the_threads():
    code = "print(nn.get_ops('numpy'))"
    assert output_of(code).endswith(", 2 threads)")
    alone = output_of(code, OPENBLAS_NUM_THREADS="1")
    assert alone.endswith(", 1 thread: OPENBLAS_NUM_THREADS=1)")


LAYERS = ["forksafe", "workqueue", "safe", "no such layer", "omp", "default"]


@needs_fork
@pytest.mark.parametrize("first", ["", "nn.get_ops(); "])
def test_the_threading_layer_that_the_program_chooses_stays(first):
    """Whether it chooses before or after the backend exists."""
    chosen = (f"{first}numba.config.THREADING_LAYER = {layer!r}; {PASS}" for layer in LAYERS)
    assert outputs_of(*(f"{code}print(numba.config.THREADING_LAYER)" for code in chosen)) == LAYERS


@needs_fork
def test_with_other_threads_than_openmps_the_backend_takes_one():
    """Two threads at once may not enter the other layers of Numba."""
    launch = "numba.config.THREADING_LAYER = 'workqueue'; numba.set_num_threads(1); "
    state = "print(numba.threading_layer(), numba.get_num_threads(), net.ops)"
    both = outputs_of(launch + PASS + state, "nn.get_ops(); " + launch + PASS + state)
    assert len(both) == 2
    for said in both:
        assert said.startswith("workqueue 1 cpu")
        assert said.endswith("1 thread: Numba's threading layer is workqueue)")


@needs_fork
def test_the_number_of_threads_that_the_program_sets_stays():
    launch = "numba.config.THREADING_LAYER = 'omp'; numba.set_num_threads(1); "
    again = "numba.set_num_threads(1); net(np.ones((256, 256), np.float32)); "
    before, after = launch + PASS + PRINT_THREADS, PASS + again + PRINT_THREADS
    assert outputs_of(before, after) == ["1", "1"]
