"""The command lines that commands print work in a shell, in every folder."""

import os
import subprocess
import sys

import pytest

from gan.commands.shared.pasting import to_paste
from tests.support.small import CHECKOUT

BYHAND = "from gan.commands.main import main; main()"
QUICK = (  # on device numpy, a run ends without measuring FID
    *("--dataset", "mnist-sample", "--recipe", "mlp-leaky"),
    *("--batch-size", "500", "--steps", "2", "--device", "numpy"),
)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A folder to work in, another one, and a link to the checkout; each name has a space."""
    for name in ("my work", "my other"):
        (tmp_path / name).mkdir()
    (tmp_path / "my checkout").symlink_to(CHECKOUT)
    monkeypatch.chdir(tmp_path / "my work")
    return tmp_path


@pytest.fixture
def programs(folders, monkeypatch):
    """A PATH with `byhand` and `python`, in a folder whose name has a space."""
    folder = folders / "my programs"
    folder.mkdir()
    (folder / "byhand").write_text(f'#!/bin/sh\nexec {sys.executable} -c "{BYHAND}" "$@"\n')
    (folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for name in ("byhand", "python"):
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))
    return folder


def shell(line, cwd=None):
    """Run a command line in a shell and return what it prints."""
    done = subprocess.run(line, shell=True, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "start", ["byhand train", "python '../my checkout/examples/train_mnist_gan.py'"]
)
def test_a_printed_command_works_in_another_folder(folders, programs, start):
    out = shell(f"{start} {' '.join(QUICK)} --out 'my run'")
    draw, evaluate = (line for line in out.splitlines() if line.startswith("  "))
    assert evaluate.replace("evaluate", "predict") == draw
    assert shell(draw, folders / "my other") == "digits.png: 64 digits\n"
    assert (folders / "my other" / "digits.png").is_file()


def write_program(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    "argv0, script",
    [
        ("examples/train_mnist_gan.py", "my work/examples/predict.py"),
        ("../my checkout/examples/evaluate.py", "my work/../my checkout/examples/predict.py"),
        ("examples/train_mnist_classifier.py", "my work/examples/predict.py"),
        ("/usr/bin/byhand", None),
        ("byhand train", None),
    ],
)
def test_it_starts_with_the_program_that_runs(folders, monkeypatch, argv0, script):
    write_program(folders / "bin" / "python")
    write_program(folders / "bin" / "byhand")
    monkeypatch.setenv("PATH", str(folders / "bin"))
    monkeypatch.setattr(sys, "executable", str(folders / "bin" / "python3.99"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(folders / "bin"))
    monkeypatch.setattr(sys, "argv", [argv0])
    start = f"python '{folders}/{script}'" if script else "byhand predict"
    assert to_paste("predict", "--count", 3) == f"{start} --count 3"


def test_a_program_that_a_shell_would_not_find_is_named_by_its_path(folders, monkeypatch):
    write_program(folders / "own" / "byhand")
    write_program(folders / "other" / "byhand")
    write_program(folders / "other" / "python")
    own = folders / "own"
    monkeypatch.setattr(sys, "executable", str(own / "python"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(own))
    for path in (folders / "other", folders / "empty"):
        monkeypatch.setenv("PATH", str(path))
        monkeypatch.setattr(sys, "argv", ["byhand train"])
        assert to_paste("predict") == f"{own}/byhand predict"
        monkeypatch.setattr(sys, "argv", ["/examples/predict.py"])
        assert to_paste("predict") == f"{own}/python /examples/predict.py"
