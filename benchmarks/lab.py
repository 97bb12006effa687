"""The lab: how fast a slider is answered, frames of a run on points, and the server's memory.

    python -m benchmarks.lab
    python -m benchmarks.lab --minutes 60 --looks 20 --train
    python -m benchmarks.lab --points --markdown

It starts `byhand lab` in an empty folder, opens the digits that come with the package through a
websocket, as the page does, and moves a point: each answer holds the image, the classifier's
probabilities and the nearest training images. Every row has the median and the 95th percentile of
ANSWERS answers, in ms from request to answer, and what the server holds in MiB. In between, the
page draws 64 images, walks and searches. --train also trains `mlp-dropout` on the bundled sample
meanwhile. The time that a browser takes to draw is not in the figures.

--points watches a run on eight Gaussians instead: how many pictures of the plane reach a page in a
second, and how many steps are made meanwhile. The last line says how fast the memory grows, by a
straight line through all rows but those of the first quarter, when caches fill.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect

from benchmarks.harness.options import add_count, add_markdown
from benchmarks.harness.processes import resident_memory
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, positive_float, run
from gan.errors import RunError

ANSWERS = 200  # in a row
WEIGHTS, LATENT = "package/digits.npz", 16
WARM_UP_SECONDS = 300  # for kernels to be compiled and images to be read
WARM_UP_STEPS, WARM_UP_TURNS = 200, 4
FEWEST_ROWS, SHORTEST = 3, 1.0  # minutes; of the memory's growth
SERVER = "from gan.commands.main import main; main()"


def arguments() -> Any:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--minutes", type=positive_float, default=1.0, help="how long to go on (default: 1)"
    )
    add_count(parser, "--looks", 4, "rows of the table")
    runs = parser.add_mutually_exclusive_group()
    runs.add_argument("--train", action="store_true", help="train a run meanwhile")
    runs.add_argument("--points", action="store_true", help="watch a run on points instead")
    add_markdown(parser)
    return parser.parse_args()


class Page:
    """A page without a browser: it asks, and leaves out what it is shown in between."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._id = socket, 0
        self.planes, self.step = 0, 0  # pictures of the plane so far, and the step of the latest

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The header of the answer; `RunError` if it is an error."""
        self._id += 1
        self._socket.send(json.dumps({"kind": kind, "id": self._id, **fields}))
        while True:
            header = self._next()
            if header.get("to") == self._id:
                if header["kind"] == "error":
                    raise RunError(f"lab: expected an answer to {kind!r}, got {header['message']}")
                return header

    def _next(self) -> dict[str, Any]:
        """The header of the next message."""
        message = self._socket.recv(timeout=WARM_UP_SECONDS)
        header = json.loads(message[4 : 4 + int.from_bytes(message[:4], "little")])
        if header["kind"] == "plane":
            self.planes, self.step = self.planes + 1, header["step"]
        return header

    def watch(self, until: float) -> None:
        """Take what is shown until this time of `time.monotonic`."""
        while time.monotonic() < until:
            self._next()

    def look(self, rng: np.random.Generator) -> float:
        """Milliseconds that a point of random noise takes."""
        z = rng.standard_normal((1, LATENT)).round(4).tolist()
        began = time.perf_counter()
        self.ask("look", weights=WEIGHTS, z=z, labels=[int(rng.integers(200))])
        return (time.perf_counter() - began) * 1e3


@contextmanager
def opened(link: str) -> Iterator[Page]:
    """A page at the link that a lab printed."""
    origin, _, token = link.partition("/?token=")
    cookie = f"byhand-lab-{origin.rpartition(':')[2]}={token}"
    with connect(
        origin.replace("http", "ws") + "/socket",
        origin=origin,  # type: ignore[arg-type]
        additional_headers={"Cookie": cookie},
        max_size=None,
    ) as socket:
        yield Page(socket)


@contextmanager
def serving() -> Iterator[tuple[subprocess.Popen, str]]:
    """The process of a lab, and its link."""
    with TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, "lab", "--no-browser"],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process, process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait()


def rows(minutes: float, looks: int, trains: bool) -> Iterator[tuple[str, str, str, str, str]]:
    """Rows of the table."""
    rng = np.random.default_rng(0)
    with serving() as (process, link), opened(link) as page:
        page.ask("open", weights=WEIGHTS)
        if trains:
            page.ask("start", recipe="mlp-dropout", dataset="mnist-sample", steps=10_000_000)
        z = rng.standard_normal((1, LATENT)).tolist()
        while "why_no_neighbours" in page.ask("look", weights=WEIGHTS, z=z, labels=[0]):
            time.sleep(0.5)
        for _ in range(WARM_UP_TURNS):  # each of the server's threads gets its work memory
            others(page, rng)
        began, first = time.monotonic(), None
        for k in range(1, looks + 1):
            others(page, rng)
            times = [page.look(rng) for _ in range(ANSWERS)]
            while time.monotonic() < began + 60 * minutes * k / looks:
                page.look(rng)
                time.sleep(0.02)
            held = resident_memory(process.pid)
            first = held if first is None else first
            yield (
                f"{(time.monotonic() - began) / 60:.1f}",
                f"{statistics.median(times):.1f}",
                f"{np.percentile(times, 95):.1f}",
                f"{held:.0f}",
                f"{held - first:+.1f}",
            )


def plane_rows(minutes: float, looks: int) -> Iterator[tuple[str, str, str, str, str]]:
    """Rows of the table of a run on points."""
    with serving() as (process, link), opened(link) as page:
        page.ask("start", recipe="points", dataset="eight-gaussians", steps=10_000_000)
        while page.step < WARM_UP_STEPS:
            page.watch(time.monotonic() + 0.1)
        began, first = time.monotonic(), None
        for k in range(1, looks + 1):
            since, planes, step = time.monotonic(), page.planes, page.step
            page.watch(began + 60 * minutes * k / looks)
            seconds, held = time.monotonic() - since, resident_memory(process.pid)
            first = held if first is None else first
            yield (
                f"{(time.monotonic() - began) / 60:.1f}",
                f"{(page.planes - planes) / seconds:.1f}",
                f"{(page.step - step) / seconds:.0f}",
                f"{held:.0f}",
                f"{held - first:+.1f}",
            )


def growth(table: Sequence[Sequence[str]]) -> str:
    """How fast the memory grows, in words."""
    late = [(float(row[0]), float(row[-1])) for row in table[len(table) // 4 :]]
    if len(late) < FEWEST_ROWS or late[-1][0] - late[0][0] < SHORTEST:
        return "memory: a longer measurement, with more --looks, says how it grows"
    slope = 60 * np.polyfit(*zip(*late), 1)[0]
    return f"memory: {slope:+.1f} MiB an hour, over {late[-1][0] - late[0][0]:.1f} minutes"


def others(page: Page, rng: np.random.Generator) -> None:
    """What a page asks for besides: images, a walk and a search."""
    points = {"z": rng.standard_normal((3, LATENT)).tolist(), "labels": [0, 1, 2]}
    for _ in range(5):
        seed = int(rng.integers(1_000_000))
        page.ask("draw", weights=WEIGHTS, count=64, seed=seed, truncation=1)
        page.ask("walk", weights=WEIGHTS, steps=24, **points)
        image = rng.integers(0, 256, (28, 28)).tolist()
        page.ask("find", weights=WEIGHTS, image=image)
        page.ask("stop finding")


def main() -> int:
    args = arguments()
    print(machine(), file=sys.stderr)
    measured = ["frames a second", "steps a second"] if args.points else ["median, ms", "95 %, ms"]
    header = ["minutes", *measured, "held, MiB", "since the first, MiB"]
    if args.points:
        table = list(plane_rows(args.minutes, args.looks))
    else:
        table = list(rows(args.minutes, args.looks, args.train))
    print(render(header, table, args.markdown))
    print(growth(table))
    return 0


if __name__ == "__main__":
    run(main)
