"""A Numba that does not start gives way to NumPy; a program's own settings of Numba stay what they are; what came of it is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nn

numba = pytest.importorskip("numba")

ROOT = Path(nn.__file__).parent.parent
PASS = "net = nn.Dense(256, 256).build(seed=0); net(np.ones((256, 256), np.float32)); "  # two threads share it, where it has them
ALONE = {
    name: ""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
}


def say(code, **environment):
    """What a program writes. The backend believes that there are two cores."""
    begin = "import os; os.sched_getaffinity = lambda pid: {0, 1}\nimport numba, numpy as np, nn\n"
    two = {
        "OPENBLAS_NUM_THREADS": "2",
        "MKL_NUM_THREADS": "2",
        "NUMBA_NUM_THREADS": "2",
        "OMP_WAIT_POLICY": "passive",
    }
    env = {**os.environ, **ALONE, **two, **environment}
    env = {name: value for name, value in env.items() if value}
    if "stub" in environment:
        begin = "import numpy as np, nn\n"
    done = subprocess.run(
        [sys.executable, "-c", begin + code],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "error",
    ["OSError", "ImportError", "ValueError", "RuntimeError", "AttributeError", "SyntaxError"],
)
def test_a_numba_that_is_broken(tmp_path, error):
    (tmp_path / "numba.py").write_text(f"raise {error}('Could not load\\nshared object file')\n")
    said = say(
        "print(nn.get_ops(), nn.Dense(2, 2).build(seed=0).ops)", stub="1", PYTHONPATH=str(tmp_path)
    )
    assert said.count("; Numba cannot start: Could not load)") == 2
    assert said.startswith("cpu (NumPy")


def test_no_numba_is_nothing_to_speak_of(tmp_path):
    (tmp_path / "numba.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'numba'\", name='numba')\n"
    )
    said = say(
        "print(type(nn.get_ops()).__name__, nn.get_ops())", stub="1", PYTHONPATH=str(tmp_path)
    )
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
def test_settings_that_numba_does_not_start_with(setting, why):
    assert say("print(nn.get_ops()); " + PASS, stub="1", **setting).endswith(f"; {why})")


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
    assert say(PASS + "print(net.ops)", **setting).endswith(f", {said})")


def test_numpys_backend_says_it_too():
    assert say("print(nn.get_ops('numpy'))").endswith(", 2 threads)")
    assert say("print(nn.get_ops('numpy'))", OPENBLAS_NUM_THREADS="1").endswith(
        ", 1 thread: OPENBLAS_NUM_THREADS=1)"
    )


@pytest.mark.parametrize(
    "layer", ["forksafe", "workqueue", "safe", "no such layer", "omp", "default"]
)
def test_a_layer_that_the_program_chooses_stays_chosen(layer):
    """Before the first network, or after it and before its first pass."""
    choose, look = (
        f"numba.config.THREADING_LAYER = {layer!r}; ",
        "print(numba.config.THREADING_LAYER)",
    )
    assert say(choose + PASS + look) == say("nn.get_ops(); " + choose + PASS + look) == layer


def test_threads_that_the_program_has_launched_stay_its_own():
    """Other than OpenMP's may not be entered by two threads at once: one thread does our part."""
    launch = "numba.config.THREADING_LAYER = 'workqueue'; numba.set_num_threads(1); "
    for first in (launch + PASS, "nn.get_ops(); " + launch + PASS):
        said = say(first + "print(numba.threading_layer(), numba.get_num_threads(), net.ops)")
        assert said.startswith("workqueue 1 cpu")
        assert said.endswith("1 thread: Numba's threading layer is workqueue)")


def test_a_number_of_threads_that_the_program_sets_stays():
    assert (
        say(
            "numba.config.THREADING_LAYER = 'omp'; numba.set_num_threads(1); "
            + PASS
            + "print(numba.get_num_threads())"
        )
        == "1"
    )
    assert (
        say(
            PASS
            + "numba.set_num_threads(1); net(np.ones((256, 256), np.float32)); print(numba.get_num_threads())"
        )
        == "1"
    )
