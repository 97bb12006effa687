"""Trainings that something happens to, each in a process of its own. Every function gives (tried, survived, remark)."""

import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from gan.runs.checkpoint import read_checkpoint
from gan.data.locations import sample_folder
from gan.errors import RunError
from nn import load_weights

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = ROOT / "examples" / "train_mnist_gan.py"
SAMPLE = sample_folder()
STEPS = 240  # three epochs, the last one cut short, with a checkpoint every fifty steps
OPTIONS = (
    "--recipe",
    "mlp-leaky",
    "--batch-size",
    "100",
    "--steps",
    str(STEPS),
    "--checkpoint-minutes",
    "1e-9",
    "--seed",
    "5",
)
FIXED = ("--dataset", "mnist-sample", "--device", "cpu", *OPTIONS)
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = (
    24,
    1,
)  # of Linux: what lets root write where permissions forbid it
SLOW = 2  # seconds until the mirror answers: all trainings want a file before any has it
LONGEST = 600  # seconds: a training takes two, but others may keep it waiting
CLOCK_BACK = (
    "import time; t = iter(range(2_000_000_000, 0, -3600)); time.time = lambda: float(next(t))\n"
)
LIMITED = "import resource; resource.setrlimit(resource.{kind}, ({n},) * 2)\n"
POISONED = """
import numpy, gan.training.trainer as training
step = training.Trainer.step
def poisoned(self):
    if self.step_count == {step}:
        self.generator.parameters.value.flat[3] = numpy.nan
    step(self)
training.Trainer.step = poisoned
"""
MIRRORED = """
from dataclasses import replace
from gan.data import sources
sources.SOURCES["mnist-sample"] = replace(sources.SOURCES["mnist-sample"], mirrors=({url!r},), bundled=False)
"""


class Runs:
    """A folder for the trainings of one fault, and one training in it that nothing happens to."""

    def __init__(self, folder):
        self.folder = Path(folder)
        began = time.monotonic()
        process = self.start("whole")
        self.until_checkpoint("whole", process)
        begun = time.monotonic()
        self.end(process)
        self.longest = time.monotonic() - begun  # from the first checkpoint to the end
        self.seconds = time.monotonic() - began
        self.weights, self.history = self.result("whole")

    def start(self, out, *words, before="", preexec_fn=None):
        """A training in the folder `out`; `before`, Python, runs ahead of it in its process."""
        code = f"{before}\nimport runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
        words = words or (*FIXED, "--out", out)
        own = {
            "PYTHONPATH": str(ROOT),
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "agg",
        }
        return subprocess.Popen(
            [sys.executable, "-c", code, COMMAND, *words, "--quiet"], cwd=self.folder, text=True, env={**os.environ, **own},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=preexec_fn,
        )  # fmt: skip

    def resume(self, out, **how):
        return self.start(out, "--resume", out, **how)

    def end(self, process):
        """-> status, stderr. `RunError` for a training that hangs."""
        try:
            _, err = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise RunError(f"a training hangs: {process.args}") from None
        return process.returncode, err

    def until_checkpoint(self, out, process):
        path = self.folder / out / "checkpoint.npz"
        while not path.exists() and process.poll() is None:
            time.sleep(0.001)

    def result(self, out):
        """The bytes of the weights, and the history without what the clock decides."""
        folder = self.folder / out
        rows = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
        return (folder / "weights.npz").read_bytes(), [
            [row[i] for i in (0, 1, *range(4, len(row)))] for row in rows
        ]

    def went_on(self, out):
        """Whether a resume ends well, with the bytes of the training that nothing happened to."""
        status, err = self.end(self.resume(out))
        weights, history = self.result(out) if status == 0 else (None, None)
        if (status, err, weights, history) == (0, "", self.weights, self.history):
            return True
        same = f"{'the same' if weights == self.weights else 'other'} weights, history {history} for {self.history}"
        print(f"{out} is lost: exit status {status}, {same}, on stderr: {err}", file=sys.stderr)
        return False

    def clear_error(self, ended, *words):
        """Whether it ended with one line that says what is wrong."""
        status, err = ended
        return (
            status == 2
            and err.startswith("error: ")
            and err.count("\n") == 1
            and all(word in err for word in words)
        )


def kills(folder, count, rng=None):
    """kill -9 at a random moment, every other time as soon as one of the writes of a checkpoint has begun."""
    runs, rng, survived, inside = Runs(folder), rng or random.Random(0), 0, 0
    done = 0
    while done < count:
        out = f"run-{done}"
        process = runs.start(out)
        runs.until_checkpoint(out, process)
        if done % 2:
            time.sleep(rng.uniform(0, runs.longest))
        else:
            wait_for_write(runs.folder / out, process, rng.uniform(0, runs.longest / 2))
        process.send_signal(signal.SIGKILL)
        if runs.end(process)[0] == -signal.SIGKILL:  # else it was over before
            done += 1
            inside += any(runs.folder.glob(f"{out}/.checkpoint.npz.*"))
            survived += runs.went_on(out)
        shutil.rmtree(runs.folder / out)
    return count, survived, f"{inside} of them inside the write of a checkpoint"


def wait_for_write(folder, process, seconds):
    time.sleep(seconds)
    while process.poll() is None and not any(
        name.startswith(".checkpoint.npz.") for name in os.listdir(folder)
    ):
        pass


def full_disks(folder, count):
    """No file can grow beyond a limit that lies within the checkpoint: the error names the folder, the old one is whole."""
    runs, survived = Runs(folder), 0
    n_bytes = (runs.folder / "whole" / "checkpoint.npz").stat().st_size
    for k in range(count):
        out = f"run-{k}"
        process = runs.start(out)
        runs.until_checkpoint(out, process)
        process.kill()
        runs.end(process)
        path = runs.folder / out / "checkpoint.npz"
        before = path.read_bytes()
        limit = LIMITED.format(kind="RLIMIT_FSIZE", n=10_000 + k * (n_bytes - 20_000) // count)
        failed = runs.clear_error(
            runs.end(runs.resume(out, before=limit)), out, "File too large", "whole"
        )
        survived += failed and path.read_bytes() == before and runs.went_on(out)
    return count, survived, f"limits up to the {n_bytes:,} bytes of a checkpoint"


def folders(folder, count):
    """Removed, made read-only, told to two runs; and the clock set back."""
    runs, survived = Runs(folder), 0
    for k in range(count):
        names = [f"{what}-{k}" for what in ("removed", "read-only", "twice", "clock")]
        survived += removed(runs, names[0]) + read_only(runs, names[1]) + twice(runs, names[2])
        survived += (
            runs.end(runs.start(names[3], before=CLOCK_BACK)) == (0, "")
            and runs.result(names[3])[0] == runs.weights
        )
    return 4 * count, survived, f"{count} each of removed, read-only, told to two, clock set back"


def removed(runs, out):
    process = runs.start(out)
    runs.until_checkpoint(out, process)
    os.rename(runs.folder / out, runs.folder / f"{out}-gone")
    shutil.rmtree(runs.folder / f"{out}-gone", ignore_errors=True)
    return runs.clear_error(runs.end(process), out, "No such file")


def read_only(runs, out):
    process = runs.start(out, preexec_fn=as_others if os.geteuid() == 0 else None)
    runs.until_checkpoint(out, process)
    (runs.folder / out).chmod(0o555)
    failed = runs.clear_error(runs.end(process), out, "Permission denied", "whole")
    (runs.folder / out).chmod(0o755)
    return failed and runs.went_on(out)


def as_others():
    """Permissions bind this process, though it is root's."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def twice(runs, out):
    """The second run is refused while the first is held still, which then ends as it would have."""
    process = runs.start(out)
    runs.until_checkpoint(out, process)
    process.send_signal(signal.SIGSTOP)
    refused = runs.clear_error(runs.end(runs.start(out)), out) and runs.clear_error(
        runs.end(runs.resume(out)), out, "another run"
    )
    process.send_signal(signal.SIGCONT)
    return (
        refused
        and runs.end(process) == (0, "")
        and runs.result(out) == (runs.weights, runs.history)
    )


def numbers(folder, count):
    """A weight becomes NaN, and a batch is far too large for memory; what was saved before is whole."""
    runs, survived = Runs(folder), 0
    for k in range(count):
        out = f"nan-{k}"
        ended = runs.end(
            runs.start(out, before=POISONED.format(step=101 + k * (STEPS - 102) // count))
        )
        told = runs.clear_error(
            ended, "step ", "last known to be good", "try a learning rate"
        )
        load_weights(runs.folder / out / "weights.npz")
        read_checkpoint(runs.folder / out / "checkpoint.npz")
        survived += told and runs.went_on(out)
        big = (
            "--recipe",
            "dcgan",
            "--dataset",
            "mnist-sample",
            "--device",
            "cpu",
            "--batch-size",
            "10000",
            "--steps",
            "3",
        )
        limit = "import numpy, gan.training.trainer\n" + LIMITED.format(
            kind="RLIMIT_AS", n=3_000_000_000
        )
        before = runs.result("whole")
        ended = runs.end(runs.start(f"big-{k}", *big, "--out", f"big-{k}", before=limit))
        survived += (
            runs.clear_error(ended, "not enough memory", "smaller batch size")
            and runs.result("whole") == before
        )
    return 2 * count, survived, f"{count} weights made NaN, {count} batches of 10,000 in 3 GB"


def together(folder, count):
    """Trainings that begin at once with one empty cache folder and a mirror on this machine."""
    runs, served = Runs(folder), []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            time.sleep(SLOW)
            super().do_GET()

        def log_message(self, *_):
            served.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=SAMPLE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        before = MIRRORED.format(url=f"http://127.0.0.1:{server.server_port}/")
        cache, outs = runs.folder / "cache", [f"run-{k}" for k in range(count)]
        started = [
            runs.start(out, *FIXED, "--data-dir", str(cache), "--out", out, before=before)
            for out in outs
        ]
        ends = [runs.end(process) for process in started]
        server.shutdown()
    survived = sum(
        end == (0, "") and runs.result(out) == (runs.weights, runs.history)
        for end, out in zip(ends, outs)
    )
    files = {
        path.name: sha256(path.read_bytes()).digest() for path in (cache / "mnist-sample").iterdir()
    }
    whole = all(
        (SAMPLE / name).is_file() and sha256((SAMPLE / name).read_bytes()).digest() == d
        for name, d in files.items()
    )
    return (
        count,
        survived if whole else 0,
        f"{len(files)} files in the cache, {'all' if whole else 'NOT all'} whole; {len(served)} fetched",
    )


def in_a_folder(fault, *args):
    with tempfile.TemporaryDirectory() as folder:
        return fault(folder, *args)
