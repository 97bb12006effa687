"""How much memory `byhand train` takes on many images, as a multiple of their size.

    python -m benchmarks.image_memory
    python -m benchmarks.image_memory --count 200000 --size 64 --steps 200 --markdown
    python -m benchmarks.image_memory --count 20000 --recipe conv-r1r2

The images are JPEGs in colour in a .tar, which is written first, and as an .npy, which holds the
same number of random images. Each line is the process of a short run: of the .tar, the first start,
which decodes, and the second, from the cache. `peak` is the most that it has held (ru_maxrss),
memory-mapped files included; `images` is the size of the decoded images, N * H * W * C bytes.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import time
from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.harness.options import add_count, add_markdown
from benchmarks.harness.processes import ROOT, peak_memory
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, run
from gan.errors import RunError

CHANNELS = 3
DIFFERENT = 1_000  # pictures, which the archive repeats
QUALITY = 90
BLOCK = 10_000  # random images written to the .npy at once
MIB = 1024**2


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add_count(parser, "--count", 200_000, "number of images")
    add_count(parser, "--size", 64, "pixels of a side")
    add_count(parser, "--steps", 20, "steps of each run")
    parser.add_argument(
        "--recipe", default="conv-clusters", metavar="R", help="(default: %(default)s)"
    )
    add_markdown(parser)
    return parser.parse_args()


def write_tar(path: Path, count: int, size: int) -> None:
    """Write an archive of JPEGs."""
    rng = np.random.default_rng(0)
    files = []
    for _ in range(min(count, DIFFERENT)):
        file = io.BytesIO()
        pixels = rng.integers(0, 256, (size // 4, size // 4, CHANNELS), np.uint8)
        Image.fromarray(pixels).resize((size, size)).save(file, "JPEG", quality=QUALITY)
        files.append(file.getvalue())
    with tarfile.open(path, "w") as archive:
        for k in range(count):
            info = tarfile.TarInfo(f"photos/{k:07}.jpg")
            info.size = len(files[k % len(files)])
            archive.addfile(info, io.BytesIO(files[k % len(files)]))


def write_npy(path: Path, count: int, size: int) -> None:
    """Write an array of random images."""
    shape = (count, CHANNELS, size, size)
    rng = np.random.default_rng(0)
    with open(path, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, count, BLOCK):
            rows = min(BLOCK, count - first)
            file.write(rng.integers(0, 256, (rows, *shape[1:]), np.uint8).data)


def row(name: str, data: Path, out: Path, args: Namespace) -> list[str]:
    """A line of the table: a run in a process of its own."""
    command = [sys.executable, "examples/train_mnist_gan.py", "--data", str(data)]
    command += ["--recipe", args.recipe, "--steps", str(args.steps), "--quiet"]
    settings = os.environ | {"BYHAND_DATA_DIR": str(data.parent)}
    began = time.monotonic()
    process = subprocess.Popen([*command, "--out", str(out)], cwd=ROOT, env=settings)
    peak = peak_memory(process)
    if process.returncode:
        raise RunError(f"{name}: expected a run that ends, got status {process.returncode}")
    images = args.count * CHANNELS * args.size**2 / MIB
    seconds = time.monotonic() - began
    return [name, f"{images:,.0f}", f"{peak:,.0f}", f"{peak / images:.2f}", f"{seconds:.0f}"]


def main() -> int:
    args = arguments()
    print(machine(), file=sys.stderr)
    with TemporaryDirectory() as name:
        folder = Path(name)
        archive, array = folder / "photos.tar", folder / "images.npy"
        write_tar(archive, args.count, args.size)
        rows = [
            row("a .tar of JPEGs, first start", archive, folder / "a", args),
            row("a .tar of JPEGs, second start", archive, folder / "b", args),
        ]
        archive.unlink()
        write_npy(array, args.count, args.size)
        rows.append(row("an .npy", array, folder / "c", args))
    header = [f"{args.count:,} images", "images, MiB", "peak, MiB", "peak / images", "seconds"]
    print(render(header, rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
