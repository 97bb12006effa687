"""benchmarks/gpu.sh, on machines without a GPU: what it says there, and what it would run."""

import os
import shutil
import subprocess
import sys

import pytest

from benchmarks import gpu_floors, step
from gan.recipes import DEFAULT
from tests.support.small import CHECKOUT, example

pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="needs a POSIX shell")
STAND_IN = """#!/bin/sh
echo "$*" >> "$LOG"
case "$1 $2" in
    "-c "*) exec "$REAL" "$@";;
    "- ") cat > /dev/null;;
    "-m $FAILS") echo "one test failed"; exit 1;;
esac
"""


def gpu_sh(folder, **environment):
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHON": sys.executable, **environment}
    command = ["sh", str(CHECKOUT / "benchmarks" / "gpu.sh"), str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def stand_in(tmp_path):
    """The environment in which a program that only notes down its words takes Python's place."""
    program, log = tmp_path / "python", tmp_path / "log"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    return {"PYTHON": str(program), "LOG": str(log), "REAL": sys.executable, "FAILS": "nothing"}


def test_without_a_gpu_it_says_so_and_makes_nothing(tmp_path):
    done = gpu_sh(tmp_path / "out")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: device 'cuda' ") and done.stderr.count("\n") == 1
    assert "device 'cpu'" in done.stderr and not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path, stand_in):
    (tmp_path / "out").mkdir()
    done = gpu_sh(tmp_path / "out", **stand_in)
    assert done.returncode == 2 and "it exists already; name another folder" in done.stderr


def test_tests_that_fail_end_it(tmp_path, stand_in):
    done = gpu_sh(tmp_path / "out", **{**stand_in, "FAILS": "pytest"})
    assert done.returncode == 1 and "one test failed" in done.stderr
    assert "benchmarks.step" not in (tmp_path / "log").read_text()


def test_it_runs_the_tests_the_tables_and_two_trainings_and_installs_nothing(tmp_path, stand_in, monkeypatch):
    out = tmp_path / "out"
    done = gpu_sh(out, **stand_in)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"done: {out}\n") and {path.name for path in out.iterdir()} == {
        "tests.txt", "step-float32.md", "step-float32.txt", "step-tf32.md", "step-tf32.txt",
        "floors.md", "floors.txt",
    }  # fmt: skip
    commands = [line.split() for line in (tmp_path / "log").read_text().splitlines() if not line.startswith("-c")]
    assert [words[:3] for words in commands[:2]] == [["-"], ["-m", "pytest", "-n0"]] and "gpu" in commands[1]
    tables, floors, examples = commands[2:4], commands[4], commands[5:]
    for words, tf32 in zip(tables, (False, True), strict=True):
        assert words[:2] == ["-m", "benchmarks.step"]
        args = parsed(step, words[2:], monkeypatch)
        assert (args.device, args.tf32, args.recipe, args.peers) == ("cuda", tf32, None, "tuned")
    assert floors[:2] == ["-m", "benchmarks.gpu_floors"] and parsed(gpu_floors, floors[2:], monkeypatch).recipe is None
    for i, recipe in enumerate(("mlp-dropout", DEFAULT)):
        training, judging = examples[2 * i : 2 * i + 2]
        args = parsed(example("train_mnist_gan"), training[1:], monkeypatch)
        assert (args.recipe, args.device, args.out) == (recipe, "cuda", f"{out}/{recipe}")
        assert args.epochs is args.steps is args.minutes is None  # to its full length
        args = parsed(example("evaluate"), judging[1:], monkeypatch)
        assert (args.weights, args.device) == (f"{out}/{recipe}/weights.npz", "cuda")
    assert len(examples) == 4


def parsed(module, words, monkeypatch):
    """What a command line makes of these words; it ends the test if it refuses them."""
    monkeypatch.setattr(sys, "argv", ["command", *words])
    return module.arguments()
