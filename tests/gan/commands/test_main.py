"""The command `byhand`, the scripts in examples/, and the command lines that they print."""

import configparser
import os
import pkgutil
import subprocess
import sys

import pytest

import gan
import nn
from gan.commands import main as byhand
from gan.commands.shared.command_line import to_paste
from nn.waiting import USER_SETTINGS
from tests.support.small import CHECKOUT, SCRIPTS, assert_refused

BYHAND = "from gan.commands.main import main; main()"


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run `byhand` in this process, in an empty folder; return status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(byhand, "end_quietly_on_interrupt", lambda: None)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["byhand", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            byhand.main()
        return end.value.code, *capsys.readouterr()

    return run


def test_the_package_declares_the_command():
    settings = configparser.ConfigParser()
    settings.read(CHECKOUT / "setup.cfg")
    scripts = settings["options.entry_points"]["console_scripts"].split("\n")
    assert "byhand = gan.commands.main:main" in scripts and callable(byhand.main)


def test_the_version_is_printed(call):
    assert nn.__version__ == gan.__version__
    for words in (["--version"], ["version"]):
        assert call(*words) == (0, f"byhand {nn.__version__}\n", "")


@pytest.mark.parametrize("name", byhand.COMMANDS)
def test_each_command_prints_its_own_help(call, name):
    status, out, err = call(name, "--help")
    assert status == 0 and err == "" and out.startswith(f"usage: byhand {name} ")


def test_help_lists_the_commands(call):
    status, out, err = call("--help")
    assert (status, err) == (0, "") and all(text in out for text in byhand.COMMANDS.values())


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "COMMAND"),
        (["paint"], "paint"),
        (["--paint"], "COMMAND"),
        (["train", "--paint"], "--paint"),
    ],
)
def test_an_unknown_command_is_one_line(call, words, message):
    assert_refused(call(*words), message)


def test_recipes_prints_what_list_recipes_prints(call):
    assert call("recipes") == call("train", "--list-recipes")


def test_printed_commands_work_in_the_users_folder(call, tmp_path, monkeypatch):
    """Train, resume and draw, with the command lines that the command prints."""
    monkeypatch.setattr("gan.commands.shared.closing.measured_fid", lambda trainer: 12.3)
    sample = "--dataset", "mnist-sample", "--recipe", "mlp-leaky", "--batch-size", 500
    status, out, _ = call("train", *sample, "--steps", 2)
    assert status == 0
    (run,) = (tmp_path / "runs").iterdir()
    (line,) = (line.split() for line in out.splitlines() if line.startswith("  "))
    assert line == ["byhand", "predict", "--weights", f"runs/{run.name}/weights.npz"]
    assert call(*line[1:])[:2] == (0, "digits.png: 64 digits\n")
    assert call("train", "--resume", f"runs/{run.name}", "--steps", 3, "--quiet") == (0, "", "")


@pytest.mark.parametrize(
    "argv0, start",
    [
        ("examples/train_mnist_gan.py", "python examples/predict.py"),
        ("../my examples/evaluate.py", "python '../my examples/predict.py'"),
        ("../my examples/train_mnist_gan.py", "python '../my examples/predict.py'"),
        ("/usr/bin/byhand", "byhand predict"),
        ("byhand train", "byhand predict"),
    ],
)
def test_a_printed_command_starts_with_byhand_or_the_script(monkeypatch, argv0, start):
    monkeypatch.setattr(sys, "argv", [argv0])
    assert to_paste("predict", "--weights", "a b/w.npz") == f"{start} --weights 'a b/w.npz'"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_its_module(monkeypatch, script):
    ran = []
    monkeypatch.setattr(byhand, "run_script", ran.append)
    code = (CHECKOUT / "examples" / f"{script}.py").read_text()
    exec(compile(code, script, "exec"), {"__name__": "__main__"})
    assert ran == [SCRIPTS[script]]


# ---- imports


def test_an_interrupt_while_byhand_is_imported_is_no_traceback(tmp_path):
    code = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(0.1)\n"
    (tmp_path / "numpy.py").write_text(code + "print('imported')\nos._exit(0)\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(CHECKOUT)])}
    words = [sys.executable, "-c", BYHAND, "train"]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (-2, "", "")


def test_the_entry_point_imports_neither_numpy_nor_nn():
    code = "import sys, gan.commands.main; print({'numpy', 'nn'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert done.stdout == "set()\n"


MODULES = sorted(
    name for _, name, _ in pkgutil.walk_packages(gan.__path__, "gan.") if ".commands" not in name
)


def test_every_module_loads_nn_before_numpy():
    """Each module alone, since the settings of `nn.waiting` must reach OpenBLAS."""
    env = {key: value for key, value in os.environ.items() if key not in USER_SETTINGS}
    code = (
        "import importlib, os, sys\n"
        "for name in sys.argv[1:]:\n"
        "    if (child := os.fork()) == 0:\n"
        "        importlib.import_module(name)\n"
        "        waiting = sys.modules.get('nn.waiting')\n"
        "        late = waiting and waiting.OPENBLAS_IS_LATE\n"
        "        os._exit(bool(late or 'numpy' in sys.modules and not waiting))\n"
        "    if os.waitpid(child, 0)[1]:\n"
        "        print(name)\n"
    )
    words = [sys.executable, "-c", code, *MODULES]
    done = subprocess.run(words, cwd=CHECKOUT, env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "") and len(MODULES) > 40
