"""Time to results: imports, a first step, and the first picture and peak memory of a default run.

    python -m benchmarks.startup
    python -m benchmarks.startup --steps 2000 --data-dir some/folder

Every start is timed in new processes, in interleaved rounds. `above NumPy` is the median of the
differences to `import numpy` in the same round. A ratio is the median of the ratios of the rounds,
with its quartiles: `import torch` to our imports, and PyTorch's first step to ours. The step is
one of `mlp-dropout` on 10,000 images of random bytes; `numpy` is without Numba; PyTorch's is
harness/pytorch/first_step.py, which imports nothing of ours.

The run is examples/train_mnist_gan.py with its defaults, for a number of steps. The time to its
first picture counts from the start of the process and includes finding the data. If no mirror can
be reached, it includes the time to find that out.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness.options import add_count, add_markdown
from benchmarks.harness.processes import ROOT, poll_peak_memory
from benchmarks.harness.ratios import ratio_cell
from benchmarks.harness.requirements import has_torch, versions
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, run
from gan.errors import RunError

FIRST_STEP = """
from gan.recipes import get_recipe
from gan.training.trainer import Trainer
import numpy
images = numpy.random.default_rng(0).integers(0, 256, (10_000, 784), "uint8")
Trainer(get_recipe("mlp-dropout"), images, device={!r}).step()
"""
IMPORTS = {
    f"import {name}": f"import {name}" for name in ("numpy", "nn", "gan.training.trainer", "torch")
}
STEPS = {
    "first step, ours": FIRST_STEP.format("cpu"),
    "first step, numpy": FIRST_STEP.format("numpy"),
    "first step, PyTorch": "exec(open('benchmarks/harness/pytorch/first_step.py').read())",
}
STARTS = {"python alone": "pass", **IMPORTS, **STEPS}
PEERS = {  # what each is compared with
    "import nn": "import torch",
    "import gan.training.trainer": "import torch",
    "first step, ours": "first step, PyTorch",
    "first step, numpy": "first step, PyTorch",
}
POLL_SECONDS = 0.01  # between two checks for the picture


def start_time(code: str) -> float:
    """Milliseconds that a new Python process takes to run the code."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    return (time.perf_counter() - began) * 1e3


def start_rows(rounds: int, starts: dict[str, str]) -> Iterator[tuple[str, str, str, str]]:
    """A row for each start: its name, median ms, median ms above NumPy, PyTorch's ratio to it."""
    for code in starts.values():
        start_time(code)  # the first run reads from the disk and may write bytecode and kernels
    times: dict[str, list[float]] = {name: [] for name in starts}
    for _ in range(rounds):
        for name, code in starts.items():
            times[name].append(start_time(code))
    for name, mine in times.items():
        above = statistics.median(a - b for a, b in zip(mine, times["import numpy"]))
        peer = times.get(PEERS.get(name, ""))
        ratio = ratio_cell(peer, mine) if peer else ""
        yield name, f"{statistics.median(mine):.0f}", f"{above:+.0f}", ratio


def default_run(steps: int, data_dir: str | None) -> tuple[float, float, float]:
    """Run the default recipe.

    Parameters
    ----------
    steps : length of the run
    data_dir : absolute path of the folder with the data files, or None for the run's default

    Returns
    -------
    seconds to the first picture, seconds in all, peak memory in MiB
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        command = [sys.executable, "examples/train_mnist_gan.py", "--quiet"]
        command += ["--steps", str(steps), "--out", str(out)]
        command += ["--data-dir", data_dir] if data_dir else []
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT)
        picture = memory = None
        while memory is None:
            time.sleep(POLL_SECONDS)
            memory = poll_peak_memory(process)
            if picture is None and any(out.glob("samples/*.png")):
                picture = time.perf_counter() - began
        if process.returncode or picture is None:
            raise RunError(
                f"startup: expected a picture from {' '.join(command[1:])}, "
                f"it ended with status {process.returncode}"
            )
        return picture, time.perf_counter() - began, memory


def main() -> int:
    parser = Parser(description=__doc__)
    add_count(parser, "--rounds", 15, "new processes for each start")
    add_count(parser, "--steps", 1000, "length of the run")
    parser.add_argument(
        "--data-dir", help="folder that contains the data files (default: the run's default)"
    )
    add_markdown(parser)
    args = parser.parse_args()
    print(f"{machine()}; {args.rounds} rounds", file=sys.stderr)
    with_torch = has_torch()
    starts = {name: code for name, code in STARTS.items() if with_torch or "torch" not in code}
    header = ["start", "ms", "above NumPy, ms", "PyTorch / it"]
    rows = start_rows(args.rounds, starts)
    print(render(header, rows, args.markdown, versions("torch")), end="\n\n", flush=True)
    data_dir = str(Path(args.data_dir).resolve()) if args.data_dir else None
    picture, total, memory = default_run(args.steps, data_dir)
    header = ["default training", "first picture, s", "all, s", "peak memory, MiB"]
    row = f"{args.steps} steps", f"{picture:.1f}", f"{total:.1f}", f"{memory:.0f}"
    print(render(header, [row], args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
