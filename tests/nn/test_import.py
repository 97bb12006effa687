"""Importing nn has no side effects."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nn.ops.threads import cores
from nn.waiting import GNU_OPENMP, OPENBLAS, USER_SETTINGS

ROOT = Path(__file__).parent.parent.parent
IMPORT_NN = """
import json, os, sys, threading
before = set(os.listdir("."))
import nn
files = sorted(set(os.listdir(".")) - before)
seen = {"modules": sorted(sys.modules), "threads": threading.active_count(), "files": files}
print(json.dumps(seen))
"""


def after_importing():
    """What a new process has loaded and written after importing nn."""
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_NN], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == "" and result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def test_importing_nn_imports_only_numpy_and_the_standard_library():
    seen = after_importing()
    imported = {name.partition(".")[0] for name in seen["modules"]}
    assert {"nn", "numpy"} <= imported
    assert not imported & {
        "matplotlib",
        "cupy",
        "cupyx",
        "pooch",
        "tqdm",
        "requests",
        "PIL",
        "scipy",
        "torch",
        "onnx",
        "safetensors",
        "gan",
        "hypothesis",
    }
    assert seen["threads"] == 1 and set(seen["files"]) <= {"__pycache__"}


def test_all_public_names_exist():
    import nn

    assert len(nn.__all__) == len(set(nn.__all__)) > 25
    for name in (
        "Dense",
        "Sequential",
        "BCE",
        "Adam",
        "gradcheck",
        "save_weights",
        "TorchDefault",
        "WeightsError",
        "get_ops",
    ):
        assert name in nn.__all__ and callable(getattr(nn, name))


ENVIRONMENT = {
    key: value
    for key, value in os.environ.items()
    if key not in USER_SETTINGS and "NUM_THREADS" not in key
}


def output_of(code, **env):
    """The lines that a new process prints; no thread settings but these are set."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT | env,
        check=True,
    )
    return result.stdout.split("\n")


@pytest.mark.parametrize(
    "module", ["nn", "gan.training.trainer", "benchmarks.harness.contenders.steps"]
)
def test_openblas_timeout_is_set_before_numpy_is_imported(module):
    code = (
        "import builtins, os, sys\n"
        "real = builtins.__import__\n"
        "def spy(name, *rest, **more):\n"
        "    if name == 'numpy' and 'numpy' not in sys.modules:\n"
        "        print(os.environ.get('OPENBLAS_THREAD_TIMEOUT'))\n"
        "    return real(name, *rest, **more)\n"
        "builtins.__import__ = spy\n"
        f"import {module}\n"
        "print(os.environ.get('OPENBLAS_THREAD_TIMEOUT'))"
    )
    assert output_of(code)[:2] == [OPENBLAS["OPENBLAS_THREAD_TIMEOUT"], "None"]
    assert output_of(code, OPENBLAS_THREAD_TIMEOUT="26")[:2] == ["26", "26"]
    assert output_of(code, OMP_WAIT_POLICY="active")[:2] == ["None", "None"]


def test_only_gnu_openmp_sees_its_spin_count():
    pytest.importorskip("numba.np.ufunc.omppool")
    code = (
        "import os, sys\n"
        "class Spy:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'numba.np.ufunc.omppool':\n"
        "            print(os.environ.get('GOMP_SPINCOUNT'))\n"
        "sys.meta_path.insert(0, Spy())\n"
        "import nn\n"
        "nn.get_ops('cpu')\n"
        "print(os.environ.get('GOMP_SPINCOUNT'))"
    )
    assert output_of(code)[:2] == [GNU_OPENMP["GOMP_SPINCOUNT"], "None"]
    assert output_of(code, GOMP_SPINCOUNT="0")[:2] == ["0", "0"]


@pytest.mark.skipif(cores() < 2, reason="needs two cores")
@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_repr_names_a_library_that_was_loaded_before_nn(device):
    if device == "cpu":
        pytest.importorskip("numba.np.ufunc.omppool")
    libraries = {"numpy": ("numpy", "NumPy"), "cpu": ("numba.np.ufunc.omppool", "OpenMP")}
    module, library = libraries[device]
    in_time = f"import nn; print(nn.get_ops('{device}'))"
    late = f"import {module}; {in_time}"
    note = f"{cores()} threads; {library} was loaded before nn, so its idle threads spin"
    assert note in output_of(late)[0]
    assert "spin" not in output_of(in_time)[0]
    assert "spin" not in output_of(late, OMP_WAIT_POLICY="passive")[0]
