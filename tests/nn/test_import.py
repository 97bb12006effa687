"""Importing nn has no side effects."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LOOK = """
import json, os, sys, threading
before = set(os.listdir("."))
import nn
files = sorted(set(os.listdir(".")) - before)
seen = {"modules": sorted(sys.modules), "threads": threading.active_count(), "files": files}
print(json.dumps(seen))
"""


def after_importing():
    result = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == "" and result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def test_importing_nn_imports_only_numpy_and_the_standard_library():
    seen = after_importing()
    brought = {name.partition(".")[0] for name in seen["modules"]}
    assert {"nn", "numpy"} <= brought
    assert not brought & {
        "matplotlib",
        "cupy",
        "cupyx",
        "pooch",
        "tqdm",
        "requests",
        "PIL",
        "scipy",
        "torch",
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


@pytest.mark.parametrize("module", ["nn", "gan.training.trainer", "benchmarks.harness.contenders"])
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
    )
    env = {key: value for key, value in os.environ.items() if key != "OPENBLAS_THREAD_TIMEOUT"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True
    )
    assert done.stdout.split() == ["20"]
