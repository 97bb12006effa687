"""benchmarks/gpu.sh on machines without a GPU: its error, and the commands that it would run."""

import os
import shutil
import subprocess
import sys

import pytest

from benchmarks import gpu_floors, step
from gan.recipes import DEFAULT
from tests.benchmarks.support import parse
from tests.support.small import CHECKOUT, example

pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="needs a POSIX shell")
FAKE_PYTHON = """#!/bin/sh
echo "$*" >> "$LOG"
case "$1 $2" in
    "-c "*) exec "$REAL" "$@";;
    "- ") cat > /dev/null;;
    "-m $FAILS") echo "one test failed"; exit 1;;
esac
"""


def gpu_sh(folder, **environment):
    own = {"CUDA_VISIBLE_DEVICES": "", "PYTHON": sys.executable, **environment}
    return subprocess.run(
        ["sh", str(CHECKOUT / "benchmarks" / "gpu.sh"), str(folder)],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def fake_python(tmp_path):
    """An environment in which Python is a program that only records its arguments."""
    program, log = tmp_path / "python", tmp_path / "log"
    program.write_text(FAKE_PYTHON)
    program.chmod(0o755)
    return {"PYTHON": str(program), "LOG": str(log), "REAL": sys.executable, "FAILS": "nothing"}


def test_without_a_gpu_it_ends_with_an_error_and_makes_nothing(tmp_path):
    done = gpu_sh(tmp_path / "out")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: device 'cuda' ") and done.stderr.count("\n") == 1
    assert "device 'cpu'" in done.stderr and not (tmp_path / "out").exists()


def test_an_existing_folder_is_refused(tmp_path, fake_python):
    (tmp_path / "out").mkdir()
    done = gpu_sh(tmp_path / "out", **fake_python)
    assert done.returncode == 2 and "it exists already; name another folder" in done.stderr


def test_failing_tests_end_it(tmp_path, fake_python):
    done = gpu_sh(tmp_path / "out", **{**fake_python, "FAILS": "pytest"})
    assert done.returncode == 1 and "one test failed" in done.stderr
    assert "benchmarks.step" not in (tmp_path / "log").read_text()


def test_it_runs_tests_tables_and_two_trainings_and_installs_nothing(
    tmp_path, fake_python, monkeypatch
):
    out = tmp_path / "out"
    done = gpu_sh(out, **fake_python)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"done: {out}\n")
    assert {path.name for path in out.iterdir()} == {
        "tests.txt",
        "step-float32.md",
        "step-float32.txt",
        "step-tf32.md",
        "step-tf32.txt",
        "floors.md",
        "floors.txt",
    }
    lines = (tmp_path / "log").read_text().splitlines()
    commands = [line.split() for line in lines if not line.startswith("-c")]
    assert [words[:3] for words in commands[:2]] == [["-"], ["-m", "pytest", "-n0"]]
    assert "gpu" in commands[1]
    tables, floors, examples = commands[2:4], commands[4], commands[5:]
    for words, tf32 in zip(tables, (False, True), strict=True):
        assert words[:2] == ["-m", "benchmarks.step"]
        args = parse(step, words[2:], monkeypatch)
        assert (args.device, args.tf32, args.recipe, args.peers) == ("cuda", tf32, None, "tuned")
    assert floors[:2] == ["-m", "benchmarks.gpu_floors"]
    assert parse(gpu_floors, floors[2:], monkeypatch).recipe is None
    assert len(examples) == 4
    for i, recipe in enumerate(("mlp-dropout", DEFAULT)):
        training, evaluation = examples[2 * i : 2 * i + 2]
        args = parse(example("train_mnist_gan"), training[1:], monkeypatch)
        assert (args.recipe, args.device, args.out) == (recipe, "cuda", f"{out}/{recipe}")
        assert args.epochs is args.steps is args.minutes is None  # to its full length
        args = parse(example("evaluate"), evaluation[1:], monkeypatch)
        assert (args.weights, args.device) == (f"{out}/{recipe}/weights.npz", "cuda")
