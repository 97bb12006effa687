"""How the default was chosen: short trainings of variants of it, each on one core, and the FID of what they draw.

    python -m benchmarks.search
    python -m benchmarks.search --steps 12000 --variant default --variant "R1 and R2 of 1" --markdown

All of MNIST's training images, one seed; 10,000 images judged. The default 5,000 steps are two minutes each. FID is taken
against the test images, which the choice therefore has seen: the published figures of the default may flatter it by so much.
"""

import argparse
import sys
import time
from dataclasses import replace

from tqdm import tqdm

from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, positive_int, run, seed
from gan.data.datasets import load
from gan.errors import RunError
from gan.evaluation.fid_callback import FIDCallback
from gan.latent import Latent
from gan.objectives.objectives import Relativistic
from gan.objectives.penalties import ZeroCentered
from gan.recipes import CONV_CLUSTERS, CONV_R1R2
from gan.training.callback import Callback
from gan.training.trainer import Trainer


def clustered(clusters, size):
    """The default with so many clusters, and so many numbers of noise."""
    return replace(
        CONV_CLUSTERS,
        clusters=clusters,
        latent=Latent(size),
    )


VARIANTS = {
    "default": CONV_CLUSTERS,
    "no clusters": CONV_R1R2,
    **{f"{k} clusters, {size} of noise": clustered(k, size) for k, size in ((20, 64), (50, 64), (100, 64), (200, 64), (400, 64))},
    "R1 and R2 of 1": replace(CONV_CLUSTERS, penalty=ZeroCentered(1.0, every=8)),
    "R1 alone": replace(CONV_CLUSTERS, penalty=ZeroCentered(0.2, fake=False, every=8)),
    "learning rate 5e-4": replace(CONV_CLUSTERS, learning_rate=5e-4),
    "batches of 64": replace(CONV_CLUSTERS, batch_size=64),
    "relativistic pairs": replace(CONV_CLUSTERS, objective=Relativistic()),
}


class Bar(Callback):
    def __init__(self, bar):
        self.bar = bar

    def on_log(self, trainer, record):
        self.bar.update(trainer.step_count - self.bar.n)


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--variant", action="append", metavar="V", help=f"may be given several times, of: {', '.join(VARIANTS)} (default: all)")
    add("--steps", type=positive_int, default=5000, help="of each training (default: %(default)s)")
    add("--seed", type=seed, default=0, help="equal seeds give equal results (default: %(default)s)")
    add("--data-dir", help="folder that holds the data files, or gets them (default: data/)")
    add("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def tried(name, args, images, measure):
    """The variant's row: milliseconds a step, and FID."""
    trainer, began = Trainer(VARIANTS[name], images, seed=args.seed), time.monotonic()
    with tqdm(desc=name, total=args.steps, unit="step", leave=False) as bar:
        trainer.fit(steps=args.steps, callbacks=[Bar(bar)])
    milliseconds = 1000 * (time.monotonic() - began) / args.steps
    return name, f"{milliseconds:.1f}", f"{measure(trainer, 1):.2f}"


def main():
    args = arguments()
    names = args.variant or list(VARIANTS)
    if unknown := sorted(set(names) - set(VARIANTS)):
        raise RunError(f"--variant: expected some of {', '.join(VARIANTS)}, got {', '.join(unknown)}")
    images, _ = load("mnist", "train", data_dir=args.data_dir, flat=False)
    measure = FIDCallback(load("mnist", "test", data_dir=args.data_dir, flat=False)[0], every=1)
    print(machine(), file=sys.stderr)
    rows = [tried(name, args, images, measure) for name in names]
    print(render(("variant", "ms a step", f"FID after {args.steps:,} steps"), rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
