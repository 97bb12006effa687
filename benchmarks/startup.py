"""How long until something is there: imports, a first training step, the first picture of a default training, its peak memory.

    python -m benchmarks.startup
    python -m benchmarks.startup --steps 2000 --data-dir some/folder

Every start is timed in a fresh process, all of them in turns; `above NumPy` is the median of the differences in one round, and
a ratio is the median of the rounds' own, with its quartiles: `import torch` over our imports, and PyTorch's first step over
ours. The step is one of `mlp-dropout` on 10,000 images of random bytes, `numpy` without Numba; PyTorch's is
torch_first_step.py, which imports nothing of ours. The training is examples/train_mnist_gan.py with its defaults, ended
after some steps. Its first picture counts from the start of the process and includes finding the data: where no mirror can be
reached, the time to find that out.
"""

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness.tables import machine, render
from benchmarks.harness.rounds import ratio
from gan.commands.command_line import Parser, positive_int, run
from gan.errors import RunError

ROOT = Path(__file__).resolve().parent.parent
FIRST_STEP = """
from gan.recipes import get_recipe
from gan.training.trainer import Trainer
import numpy
Trainer(get_recipe("mlp-dropout"), numpy.random.default_rng(0).integers(0, 256, (10_000, 784), "uint8"), device={!r}).step()
"""
IMPORTS = {f"import {name}": f"import {name}" for name in ("numpy", "nn", "gan.training.trainer", "torch")}
STEPS = {
    "first step, ours": FIRST_STEP.format("cpu"),
    "first step, numpy": FIRST_STEP.format("numpy"),
    "first step, PyTorch": "exec(open('benchmarks/harness/pytorch/first_step.py').read())",
}
STARTS = {"python alone": "pass", **IMPORTS, **STEPS}
OF_PYTORCH = {  # what each is compared with
    **dict.fromkeys(["import nn", "import gan.training.trainer"], "import torch"),
    **dict.fromkeys(["first step, ours", "first step, numpy"], "first step, PyTorch"),
}
LOOK_EVERY = 0.01  # seconds between two looks for the picture
KIB = 1024 if sys.platform == "darwin" else 1  # ru_maxrss counts bytes there, KiB elsewhere


def start_time(code):
    """Milliseconds that a fresh Python needs to run the code."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    return (time.perf_counter() - began) * 1e3


def start_rows(rounds, starts):
    """(what, median ms, median ms above NumPy, PyTorch's over it) of each start."""
    for code in starts.values():
        start_time(code)  # the first run reads from the disk and may write bytecode, and what Numba has compiled
    times = {name: [] for name in starts}
    for _ in range(rounds):
        for name, code in starts.items():
            times[name].append(start_time(code))
    for name, mine in times.items():
        above = statistics.median(a - b for a, b in zip(mine, times["import numpy"]))
        peer = times.get(OF_PYTORCH.get(name))
        over = "{:.2f} ({:.2f}-{:.2f})".format(*ratio(peer, mine)) if peer else ""
        yield name, f"{statistics.median(mine):.0f}", f"{above:+.0f}", over


def training(steps, data_dir):
    """(seconds to the first picture, seconds in all, peak memory in MiB) of a default training of so many steps."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        command = [sys.executable, "examples/train_mnist_gan.py", "--quiet", "--steps", str(steps), "--out", str(out)]
        command += ["--data-dir", data_dir] if data_dir else []
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT)
        picture, ended = None, 0
        while not ended:
            time.sleep(LOOK_EVERY)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if picture is None and any(out.glob("samples/*.png")):
                picture = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or picture is None:
            raise RunError(f"startup: {' '.join(command[1:])} ended with status {process.returncode} and no picture")
        return picture, time.perf_counter() - began, usage.ru_maxrss / KIB / 1024


def main():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rounds", type=positive_int, default=15, help="fresh processes for each start (default: %(default)s)")
    add("--steps", type=positive_int, default=1000, help="length of the training (default: %(default)s)")
    add("--data-dir", help="folder that holds the data files (default: as the training's)")
    add("--markdown", action="store_true", help="print the tables as Markdown")
    args = parser.parse_args()
    print(f"{machine()}; {args.rounds} rounds", file=sys.stderr)
    has_torch = importlib.util.find_spec("torch") is not None
    starts = {name: code for name, code in STARTS.items() if has_torch or "torch" not in code}
    header = ["start", "ms", "above NumPy, ms", "PyTorch / it"]
    print(render(header, start_rows(args.rounds, starts), args.markdown), end="\n\n", flush=True)
    picture, total, memory = training(args.steps, args.data_dir and str(Path(args.data_dir).resolve()))
    header = ["default training", "first picture, s", "all, s", "peak memory, MiB"]
    print(render(header, [(f"{args.steps} steps", f"{picture:.1f}", f"{total:.1f}", f"{memory:.0f}")], args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
