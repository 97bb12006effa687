"""The command `byhand`, the scripts in examples/, and the command lines that they print."""

import configparser
import os
import pkgutil
import re
import shlex
import subprocess
import sys

import pytest

import gan
import nn
from gan.commands import main as byhand
from nn.waiting import USER_SETTINGS
from tests.project.test_documents import check_byhand
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
        ([], "required: COMMAND; byhand --help"),
        (["paint"], "expected one of train, predict, evaluate, classify, "),
        (["trian"], "got 'trian'; did you mean train? byhand --help"),
        (["--versio"], "unknown option --versio; did you mean --version?"),
        (["--paint"], "unknown option --paint; byhand --help"),
        (["train", "--paint"], "unknown option --paint; byhand train --help lists the options"),
        (["train", "--epoch", 3], "unknown option --epoch; did you mean --epochs?"),
        (["train", "-epochs", 3], "unknown option -epochs; did you mean --epochs?"),
        (["train", "--check=3"], "unknown option --check; did you mean --checkpoint-minutes?"),
        (["train", "--s", 3], "unknown option --s; did you mean --steps or --size or --seed?"),
        (["train", "--recipe", "conv-cluster"], "did you mean conv-clusters or"),
        (["train", "--recipe", "dgcan"], "got 'dgcan'; did you mean dcgan?"),
        (["train", "--dataset", "mnst"], "got 'mnst'; did you mean mnist?"),
        (["train", "--device", "gpu"], "one of auto, cpu, numpy, cuda, got 'gpu'; byhand train"),
        (["evaluate", "--weight", "w.npz"], "unknown option --weight; did you mean --weights?"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_nearest(call, words, message):
    assert_refused(call(*words), message)


def test_recipes_prints_what_list_recipes_prints(call):
    assert call("recipes") == call("train", "--list-recipes")


def help_lines(call, monkeypatch, words):
    """The lines of a help text, with each option's help on one line."""
    monkeypatch.setenv("COLUMNS", "1000")
    return call(*words, "--help")[1].splitlines()


HELP = [[], *([name] for name in byhand.COMMANDS)]


@pytest.mark.parametrize("words", HELP, ids=str)
def test_help_ends_with_three_examples_that_parse(call, monkeypatch, capsys, words):
    start, *examples = help_lines(call, monkeypatch, words)[-5:]
    assert (start, examples.pop(0)) == ("For example:", "")
    for line in examples:
        program, *arguments = shlex.split(line)
        if program == "byhand":
            check_byhand([program, *arguments], monkeypatch, capsys)
        else:
            assert program == "python"


@pytest.mark.parametrize("words", HELP, ids=str)
def test_the_help_of_an_option_is_one_plain_sentence(call, monkeypatch, words):
    text = "\n".join(help_lines(call, monkeypatch, words)).split("options:\n")[1]
    sentences = re.findall(r"^  -.*?\S\s{2,}(.*)$", text.split("\n\n")[0], re.MULTILINE)
    assert len(sentences) == len(re.findall(r"^  -", text, re.MULTILINE)) >= 1
    for sentence in sentences:
        told = sentence.partition(" (default: ")[0]
        assert re.fullmatch(r"[a-z]+ [^;:]{8,110}[^.;:]", told), sentence


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


# imports each module in a child, which ends where it imports NumPy; prints those that are too early
IMPORT_UP_TO_NUMPY = """
import importlib, os, sys

class Numpy:
    def find_spec(self, name, path, target=None):
        if name == "numpy":
            waiting = sys.modules.get("nn.waiting")
            os._exit(waiting is None or waiting.OPENBLAS_IS_LATE)

sys.meta_path.insert(0, Numpy())
for name in sys.argv[1:]:
    if (child := os.fork()) == 0:
        importlib.import_module(name)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print(name)
"""


def test_every_module_loads_nn_before_numpy():
    """Each module alone, since the settings of `nn.waiting` must reach OpenBLAS."""
    env = {key: value for key, value in os.environ.items() if key not in USER_SETTINGS}
    words = [sys.executable, "-c", IMPORT_UP_TO_NUMPY, *MODULES]
    done = subprocess.run(words, cwd=CHECKOUT, env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "") and len(MODULES) > 40
