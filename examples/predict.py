"""Draw new digits with a trained generator.

    python examples/predict.py --weights runs/mlp-dropout-20260101-120000/weights.npz
    python examples/predict.py --weights weights.npz --interpolate --out walk.png
"""

import argparse
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from gan.command_line import Parser, positive_int, run, seed
from gan.pictures import grid, save_picture
from gan.sampling import load_sampler
from nn import RunError
from nn.files import atomic_write
from nn.ops import DEVICES, get_ops

MOST = 100_000  # images in one call: 300 MB
MOST_SHOWN = 2_400  # images in one picture, whole rows of STEPS too
WALKS, STEPS = 8, 12  # rows and columns of --interpolate


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--weights", required=True, help="weights.npz of a training")
    add("--count", type=positive_int, help=f"how many digits (default: 64); with --interpolate, walks (default: {WALKS})")
    add("--seed", type=seed, help="equal seeds give equal digits (default: a new one each time)")
    add("--out", help="picture to write, a .png (default: digits.png, digits-2.png ...)")
    add("--save-samples", metavar="FILE", help="write the images, float32 (N, 28, 28) in [0, 1], to an .npz")
    add("--interpolate", action="store_true", help="each row a walk between two points of the latent space")
    add("--show", action="store_true", help="open the picture in a window")
    add("--device", default="auto", choices=DEVICES, help="where to compute (default: %(default)s)")
    return parser.parse_args()


def main():
    args = arguments()
    out = free_name(Path("digits.png")) if args.out is None else checked(args.out, ".png")
    samples = args.save_samples and checked(args.save_samples, ".npz")
    count = args.count or (WALKS if args.interpolate else 64)
    most = MOST // (STEPS if args.interpolate else 1)
    if count > most:
        raise RunError(f"--count: expected at most {most:,} at once, got {count:,}; call again with another --seed")
    sampler = load_sampler(args.weights, get_ops(args.device))
    images = sampler.walks(count, STEPS, args.seed) if args.interpolate else sampler.images(sampler.noise(count, args.seed))
    sheet = grid(images[:MOST_SHOWN], STEPS if args.interpolate else None)
    with named(out):
        save_picture(out, sheet)
    if samples:
        with named(samples), atomic_write(samples) as file:
            np.savez_compressed(file, images=images)
    print(f"{out}: {min(len(images), MOST_SHOWN):,} digits" + (f"; {samples}: {len(images):,} images" if samples else ""))
    if args.show:
        Image.fromarray(sheet).show()
    return 0


def checked(name, suffix):
    """A path that may be written: with the right ending, and nothing there that would be lost."""
    path = Path(name)
    if path.suffix != suffix:
        raise RunError(f"{path}: expected a name that ends in {suffix}")
    with named(path):
        path.parent.stat()  # a folder that is not there shows now, not after the work
        if path.exists():
            raise RunError(f"{path}: it exists already; name another file, or remove it first")
    return path


@contextmanager
def named(path):
    """Make what the system says inside the block an error that names the path."""
    try:
        yield
    except OSError as problem:
        raise RunError(f"{path}: cannot be written ({problem.strerror}); name another file") from None


def free_name(path):
    """The path, or the first of path-2, path-3 ... that is not taken."""
    name, k = path, 1
    while name.exists():
        k += 1
        name = path.with_stem(f"{path.stem}-{k}")
    return name


if __name__ == "__main__":
    run(main)
