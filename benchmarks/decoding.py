"""How fast a folder of images is decoded, and how fast a second start finds it in the cache.

    python -m benchmarks.decoding
    python -m benchmarks.decoding --data FOLDER --rounds 5 --markdown
    python -m benchmarks.decoding --count 5000 --size 64

Without --data it writes JPEGs of quality 90 first, of smooth random pictures, in ten class folders.
`decoded` is the first start with an empty cache: listing, decoding on all cores and writing the
cache. `cached` is the second start. Both are images per second, the median over the rounds, with
the slowest and the fastest. `one core` is decoding alone, with Pillow in a plain loop.
"""

from __future__ import annotations

import statistics
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.harness.options import add_count, add_markdown
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, run
from gan.data import from_folder

CLASSES = 10
QUALITY = 90
COARSE = 4  # times smaller: the random pixels that are scaled up to a smooth picture


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    parser.add_argument("--data", metavar="FOLDER", help="decode the images in this folder")
    add_count(parser, "--count", 10_000, "without --data, write this many JPEGs")
    add_count(parser, "--size", 32, "without --data, pixels of a side")
    add_count(parser, "--rounds", 3, "measurements")
    add_markdown(parser)
    return parser.parse_args()


def write_jpegs(folder: Path, count: int, size: int) -> None:
    """Write smooth random pictures into class folders."""
    rng = np.random.default_rng(0)
    side = max(1, size // COARSE)
    for k in range(count):
        pixels = rng.integers(0, 256, (side, side, 3), np.uint8)
        path = folder / f"class-{k % CLASSES}" / f"{k:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)
        picture.save(path, quality=QUALITY)


def rate(count: int, call: Callable[[], object]) -> float:
    """Images per second of a call that reads this many."""
    began = time.perf_counter()
    call()
    return count / (time.perf_counter() - began)


def plain_loop(paths: list[Path]) -> None:
    """Decode files one after another."""
    for path in paths:
        with Image.open(path) as picture:
            np.asarray(picture.convert("RGB"))


def measure(folder: Path, rounds: int) -> list[list[str]]:
    """The rows of the table."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    rates: dict[str, list[float]] = {"decoded": [], "cached": [], "one core": []}
    for _ in range(rounds):
        with TemporaryDirectory() as cache:
            for name in ("decoded", "cached"):
                reading = rate(len(paths), lambda: from_folder(folder, cache_dir=cache))
                rates[name].append(reading)
        rates["one core"].append(rate(len(paths), lambda: plain_loop(paths)))
    return [
        [name, *(f"{each:,.0f}" for each in (statistics.median(many), min(many), max(many)))]
        for name, many in rates.items()
    ]


def main() -> int:
    args = arguments()
    print(machine(), file=sys.stderr)
    header = ["images a second", "median", "slowest", "fastest"]
    if args.data:
        print(render(header, measure(Path(args.data), args.rounds), args.markdown))
        return 0
    with TemporaryDirectory() as folder:
        write_jpegs(Path(folder), args.count, args.size)
        print(render(header, measure(Path(folder), args.rounds), args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
