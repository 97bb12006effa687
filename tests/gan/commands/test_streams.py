"""Commands whose stdin, stdout or stderr is closed, full or cannot encode a character.

Most tests run a small command that prints as the real ones do; some run the real ones.
"""

import fcntl
import itertools
import os
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

import pytest

from nn import load_weights
from tests.support.small import CHECKOUT

COMMAND = """
import os, sys
from tqdm import tqdm
from gan.commands.shared.command_line import run

def main():
    with open(sys.argv[1], "w") as data:
        for k in tqdm(range(3)):
            tqdm.write("to stdout")
            tqdm.write("to stderr", file=sys.stderr)
            print("a line of each step", flush=True)
            data.write(f"{k}\\n")
            data.flush()
        print("Gr\\xf6\\xdfe \\u6570", sys.argv[1])
    return int(sys.argv[2]) if sys.argv[2:] else 0

run(main)
"""
SURROGATE = b"odd-\xff.txt"
STREAMS = {0: "<&-", 1: ">&-", 2: "2>&-"}
CLOSED = [c for n in (1, 2, 3) for c in itertools.combinations(STREAMS, n)]


def shell(redirections, *words, cwd, env=None, **more):
    """Run Python with streams redirected by a shell; return the completed process."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, *map(os.fsdecode, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **(env or {})},
        capture_output=True,
        timeout=300,
        **more,
    )


def small(redirections, tmp_path, name="data", *words, **more):
    done = shell(redirections, "-c", COMMAND, name, *words, cwd=tmp_path, **more)
    assert (tmp_path / os.fsdecode(name)).read_text() == "0\n1\n2\n", (
        "the data file contains printed text, or is incomplete"
    )
    return done


@pytest.mark.parametrize("closed", CLOSED, ids=lambda closed: "".join(map(str, closed)))
def test_closed_streams_change_nothing(tmp_path, closed):
    done = small(" ".join(STREAMS[number] for number in closed), tmp_path)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr and (b"3/3" in done.stderr) == (2 not in closed)
    assert (b"a line of each step" in done.stdout) == (1 not in closed)


def test_closed_streams_are_open_in_child_processes(tmp_path):
    """The data files of a child are safe too."""
    code = "import subprocess, sys\nfrom gan.commands.shared.command_line import run\n"
    code += "child = 'import os; [os.fstat(n) for n in range(3)]'\n"
    code += "run(lambda: subprocess.call([sys.executable, '-c', child]))"
    assert shell("<&- >&- 2>&-", "-c", code, cwd=tmp_path).returncode == 0


def test_a_run_with_all_streams_closed(tmp_path):
    words = "--recipe", "mlp-dropout", "--steps", "3", "--dataset", "mnist-sample", "--out", "run"
    words += "--device", "numpy"  # where the run ends without measuring FID
    done = shell("<&- >&- 2>&-", CHECKOUT / "examples" / "train_mnist_gan.py", *words, cwd=tmp_path)
    assert done.returncode == 0
    assert load_weights(tmp_path / "run" / "weights.npz")[1]["training"]["steps_done"] == 3


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_device_is_reported_once_and_ends_nothing(tmp_path, unbuffered):
    done = small(">/dev/full", tmp_path, env={"PYTHONUNBUFFERED": unbuffered})
    assert done.returncode == 2
    message = (
        b"error: stdout: cannot be written (No space left on device); everything else is done\n"
    )
    assert (
        done.stderr.endswith(message)
        and b"Traceback" not in done.stderr
        and done.stderr.count(b"error") == 1
    )


def test_a_full_device_behind_stderr_changes_nothing(tmp_path):
    done = small("2>/dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"") and b"a line of each step" in done.stdout


def test_an_error_status_is_not_replaced(tmp_path):
    assert small(">/dev/full", tmp_path, "data", "7").returncode == 7


def test_help_printed_to_a_full_device_is_an_error(tmp_path):
    done = shell(">/dev/full", CHECKOUT / "examples" / "classify.py", "--help", cwd=tmp_path)
    assert (
        done.returncode == 2
        and done.stderr.startswith(b"error: stdout: ")
        and done.stderr.count(b"\n") == 1
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_does_not_end_the_command(tmp_path, unbuffered):
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "data"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": unbuffered},
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 2 and b"Traceback" not in err and b"rror" not in err
    assert (tmp_path / "data").read_text() == "0\n1\n2\n"


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "utf-8"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "C"},
    ],
    ids=lambda env: "-".join(env.values()),
)
def test_characters_that_the_encoding_lacks_are_escaped(tmp_path, env):
    done = small("", tmp_path, SURROGATE, env=env)
    encoding = env.get("PYTHONIOENCODING") or ("ascii" if "PYTHONUTF8" in env else "utf-8")
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    assert "Größe 数 odd-\udcff.txt\n".encode(encoding, "backslashreplace") in done.stdout


def test_file_names_of_any_bytes_with_an_ascii_encoding(tmp_path):
    """As files to write, in printed lines, and in errors."""
    predict, env = CHECKOUT / "examples" / "predict.py", {"PYTHONIOENCODING": "ascii"}
    words = predict, "--seed", "0", "--count", "1", "--device", "numpy", "--out"
    for name in (b"\xff.png", "Größe.png".encode()):
        done = shell("", *words, name, cwd=tmp_path, env=env)
        assert (done.returncode, done.stderr) == (0, b"") and (
            tmp_path / os.fsdecode(name)
        ).is_file()
        assert done.stdout.endswith(b".png: 1 digits\n")
    done = shell("", *words, b"\xff.png", cwd=tmp_path, env=env)
    assert done.returncode == 2 and done.stderr.startswith(b"error: \\udcff.png: it exists already")


def test_a_terminal_that_goes_costs_no_training(tmp_path):
    """It sends SIGHUP, and from then on nothing can be printed."""
    ours, theirs = os.openpty()
    fcntl.ioctl(
        theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0)
    )  # without a size, tqdm has no room for its bar
    words = [
        "--recipe",
        "mlp-dropout",
        "--epochs",
        "1000",
        "--dataset",
        "mnist-sample",
        "--device",
        "numpy",
        "--out",
        "run",
    ]
    process = subprocess.Popen(
        [sys.executable, CHECKOUT / "examples" / "train_mnist_gan.py", *words],
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        while not (tmp_path / "run" / "history.csv").exists():
            assert os.read(ours, 10_000)  # the bar moves
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)  # as the shell does, too
        assert process.wait(timeout=300) == 128 + signal.SIGHUP
    finally:
        process.kill()
        process.wait()
    steps = load_weights(tmp_path / "run" / "weights.npz")[1]["training"]["steps_done"]
    history = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert dict(zip(history[0].split(","), history[-1].split(",")))["step"] == str(steps) != "0"
    assert (tmp_path / "run" / "progress.gif").is_file()


def test_a_nonblocking_pipe_gets_everything(tmp_path):
    """Another process that shares a terminal or pipe may have made it nonblocking."""
    code = "from gan.commands.shared.command_line import run\nrun(lambda: print('x' * 1_000_000))"
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETFL, os.O_NONBLOCK)
    parts = []

    def read():
        time.sleep(0.5)  # the pipe is full by then
        while part := os.read(ours, 1 << 16):
            parts.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=CHECKOUT, stdout=theirs, stderr=subprocess.PIPE
    )
    os.close(theirs)
    _, err = process.communicate()
    reader.join()
    os.close(ours)
    assert (process.returncode, err) == (0, b"") and b"".join(parts) == b"x" * 1_000_000 + b"\n"
