"""SIGINT, SIGTERM and SIGHUP end a command at any time, from its imports to its exit."""

import json
import os
import runpy
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from gan.commands.shared.command_line import run
from gan.commands.shared.signals import on_signals
from gan.runs import folder as folder_module
from gan.runs import pictures
from gan.runs import run as run_module
from gan.training.trainer import Trainer
from nn import load_weights
from nn.serialization.files import atomic_write
from tests.support.small import CHECKOUT, command, example  # noqa: F401

train = example("train_mnist_gan")
QUICK = "--dataset", "mnist-sample", "--recipe", "mlp-leaky", "--quiet"
SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
EXAMPLES = (
    "classify",
    "evaluate",
    "predict",
    "train_mnist_classifier",
    "train_mnist_gan",
)


@pytest.fixture(autouse=True)
def handlers():
    """The handlers of an ordinary process; those of the test runner are restored afterwards."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def status(main):
    with pytest.raises(SystemExit) as end:
        run(main)
    return end.value.code


# ---- the imports


@pytest.fixture
def numpy_that_interrupts(tmp_path):
    """An environment in which SIGINT arrives while NumPy is imported."""
    code = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(0.1)\n"
    code += "print('imported')\nos._exit(0)\n"
    (tmp_path / "numpy.py").write_text(code)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(CHECKOUT)])}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_interrupt_while_an_example_is_imported_is_no_traceback(numpy_that_interrupts, name):
    words = [sys.executable, CHECKOUT / "examples" / f"{name}.py", "--help"]
    done = subprocess.run(
        words, env=numpy_that_interrupts, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")  # 130 in a shell


def test_an_ignored_interrupt_stays_ignored_while_an_example_is_imported(numpy_that_interrupts):
    words = [
        "sh",
        "-c",
        "trap '' INT; exec \"$@\"",
        "sh",
        sys.executable,
        CHECKOUT / "examples" / "predict.py",
    ]
    done = subprocess.run(
        words, env=numpy_that_interrupts, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "imported\n", "")


def test_importing_an_example_changes_no_handler():
    for name in EXAMPLES:
        runpy.run_path(CHECKOUT / "examples" / f"{name}.py", run_name=name)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ---- on_signals


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_handled_and_the_handlers_are_restored(number):
    before, caught = [signal.getsignal(each) for each in SIGNALS], []
    with on_signals(caught.append):
        signal.raise_signal(number)
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == [
            signal.SIG_DFL
        ] * 2  # the next one ends the process at once
        signal.raise_signal(signal.SIGHUP)  # a closing terminal and its shell both send it
    assert caught == [number] and [signal.getsignal(each) for each in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_is_ignored_stays_ignored(number):
    """As after `nohup`, after `trap '' INT`, and in background jobs of a shell script."""
    signal.signal(number, signal.SIG_IGN)
    caught = []
    with on_signals(caught.append):
        for _ in range(2):
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_IGN
        other = next(each for each in SIGNALS if each != number)
        signal.raise_signal(other)
        assert signal.getsignal(number) is signal.SIG_IGN
    assert caught == [other] and signal.getsignal(number) is signal.SIG_IGN


def test_outside_the_main_thread_nothing_is_handled():
    def work():
        with on_signals(results.append):
            results.append([signal.getsignal(number) for number in SIGNALS])
        results.append(status(lambda: 3))

    results, before = [], [signal.getsignal(number) for number in SIGNALS]
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results == [before, 3]


# ---- run


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_command_quietly_and_removes_partial_files(capsys, tmp_path, number):
    def main():
        with atomic_write(tmp_path / "a.bin") as file:
            file.write(b"half")
            signal.raise_signal(number)

    assert status(main) == 128 + number
    assert capsys.readouterr() == ("", "") and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("became", [ImportError, SystemError, OSError, MemoryError])
def test_an_interrupt_that_became_another_error_still_counts(capsys, became):
    """During an import, C code may replace the exception."""

    def main():
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise became("something else") from None

    assert status(main) == 128 + signal.SIGTERM
    assert capsys.readouterr() == ("", "")


def test_an_interrupt_while_main_imports_ends_it_at_once(tmp_path):
    """An exception during an import may be printed or dropped, or crash the module."""
    code = "import signal\ntry:\n    signal.raise_signal(signal.SIGTERM)\n"
    code += "except BaseException:\n    print('raised')\n"
    (tmp_path / "slow.py").write_text(code)
    code = "from gan.commands.shared.command_line import run\n"
    code += "def main():\n    import slow\nrun(main)"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(CHECKOUT)])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGTERM, "", "")


def test_a_keyboard_interrupt_raised_by_python_counts(capsys):
    def main():
        raise KeyboardInterrupt

    assert status(main) == 130 and capsys.readouterr() == ("", "")


# ---- a run


@pytest.fixture
def quick(command, monkeypatch):  # noqa: F811
    monkeypatch.setattr(
        "gan.runs.history.save_curves", lambda path, history: path.write_bytes(b"curves")
    )
    return lambda *words: command(train, *QUICK, *words)


def raising(number, real):
    """Call `real` and then raise the signal."""

    def wrapped(*args, **kwargs):
        result = real(*args, **kwargs)
        signal.raise_signal(number)
        return result

    return wrapped


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "module, where", [(folder_module, "RunLock"), (run_module, "write_config")]
)
def test_a_signal_while_the_folder_is_made_leaves_a_resumable_run(
    quick, monkeypatch, number, module, where
):
    with monkeypatch.context() as patch:
        patch.setattr(module, where, raising(number, getattr(module, where)))
        assert quick("--steps", 2, "--out", "here") == (128 + number, "", "")
    assert load_weights("here/weights.npz")[1]["training"]["steps_done"] == 0
    assert quick("--resume", "here") == (0, "", "")
    assert load_weights("here/weights.npz")[1]["training"]["steps_done"] == 2


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_there_is_a_folder_leaves_nothing(quick, tmp_path, monkeypatch, number):
    monkeypatch.setattr(Trainer, "__init__", raising(number, Trainer.__init__))
    assert quick("--steps", 2, "--out", "here") == (128 + number, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_last_files_are_written_leaves_them_complete(
    quick, tmp_path, monkeypatch, number
):
    monkeypatch.setattr(pictures, "save_gif", raising(number, pictures.save_gif))
    assert quick("--steps", 2, "--out", "here") == (128 + number, "", "")
    with np.load("here/fixed_samples.npz") as arrays:
        assert arrays["images"].shape == (3, 64, 28, 28)  # untrained, and after each step


def test_a_run_that_ignores_signals_continues(quick, monkeypatch):
    step = Trainer.step

    def interrupted(self):
        step(self)
        for number in SIGNALS:
            signal.raise_signal(number)

    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    monkeypatch.setattr(Trainer, "step", interrupted)
    assert quick("--steps", 3, "--out", "here") == (0, "", "")
    assert load_weights("here/weights.npz")[1]["training"]["steps_done"] == 3


def test_a_run_in_another_thread_completes(quick, tmp_path, monkeypatch):
    """A program may call `main` from a thread."""
    results = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [train.__file__, *QUICK, "--steps", "2", "--out", "here"])
    thread = threading.Thread(target=lambda: results.append(train.main()))
    thread.start()
    thread.join()
    assert (
        results == [0] and json.loads((tmp_path / "here" / "config.json").read_text())["steps"] == 2
    )
