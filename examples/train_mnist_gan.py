"""Train a GAN on handwritten digits and watch them appear.

python examples/train_mnist_gan.py
python examples/train_mnist_gan.py --recipe mlp-dropout --epochs 10 --dataset fashion-mnist
python examples/train_mnist_gan.py --resume runs/NAME
"""

import _signal as signal  # the same, without the 4 ms of imports in which Ctrl-C would still show a traceback

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # until `run` takes over: Ctrl-C ends the imports without a traceback

import argparse
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from gan.runs.checkpoint import digest
from gan.commands.command_line import (
    Parser,
    free_folder,
    free_name,
    on_signals,
    positive_float,
    positive_int,
    run,
    seed,
)
from gan.data.clusters import ClusterIds
from gan.data.datasets import load
from gan.evaluation.fid_callback import FIDCallback
from gan.recipes import DEFAULT, DIGITS, get_recipe, table
from gan.runs.resume import length_left, open_run, restore, same_data, settings, stand_in
from gan.runs.run import RunFolder, check_new
from gan.errors import RunError
from gan.evaluation.collapse import CollapseWarning, digit_counter
from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn.ops import DEVICES, get_ops


class Bar(Callback):
    """Moves a progress bar on, with losses and images a second."""

    def __init__(self, bar):
        self.bar = bar

    def on_log(self, trainer, record):
        self.bar.set_postfix_str(
            f"D {record['d_loss']:.3f}, G {record['g_loss']:.3f}, {record['images_per_second']:,.0f} images/s",
            refresh=False,
        )
        if trainer.last_step != float("inf"):
            self.bar.total = trainer.last_step
        self.bar.update(trainer.step_count - self.bar.n)


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--recipe", help=f"networks and settings; --list-recipes names them (default: {DEFAULT})")
    add("--list-recipes", action="store_true", help="print the recipes and exit")
    add(
        "--epochs",
        type=positive_int,
        help="train for so many epochs (default: the recipe's length)",
    )
    add("--steps", type=positive_int, help="train for so many steps")
    add(
        "--minutes",
        type=positive_float,
        help="train for so many minutes; what comes first ends the training",
    )
    add("--batch-size", type=positive_int, help="images a step (default: the recipe's)")
    add(
        "--learning-rate",
        type=positive_float,
        help="of Adam, for both networks (default: the recipe's)",
    )
    add("--dataset", help="mnist, fashion-mnist or kmnist (default: mnist)")
    add("--data-dir", help="folder that holds the data files, or gets them (default: data/)")
    add("--device", choices=DEVICES, help="where to compute (default: auto)")
    add(
        "--tf32",
        action="store_true",
        default=None,
        help="on a GPU: products of factors rounded to TF32, which are faster",
    )
    add(
        "--evaluate-every",
        type=positive_int,
        metavar="N",
        help="measure FID every N epochs, and keep the best weights: best.npz",
    )
    add("--seed", type=seed, help="equal seeds give equal results (default: 0)")
    add("--out", help="folder for what the training makes (default: runs/RECIPE-TIME)")
    add(
        "--resume",
        metavar="RUN",
        help="go on with the training in this folder; what the options say is changed, such as a length",
    )
    add(
        "--checkpoint-minutes",
        type=positive_float,
        metavar="M",
        help="save all that --resume needs so often (default: 2)",
    )
    add("--quiet", action="store_true", help="print errors and warnings only")
    return parser.parse_args()


def main():
    args = arguments()
    if args.list_recipes:
        print(table())
        return 0
    say = (lambda *words: None) if args.quiet else print
    lock = checkpoint = None
    if args.resume is not None:
        out = Path(args.resume)
        lock, checkpoint = open_run(out)
    config = settings(args, checkpoint)
    recipe, ops = get_recipe(config["recipe"], DIGITS), get_ops(config["device"], config["tf32"])
    if not checkpoint:
        out = Path(args.out or f"runs/{recipe.name}-{time.strftime('%Y%m%d-%H%M%S')}")
        check_new(out if args.out else free_name(out))  # before the data are fetched
    digits = config["dataset"] in ("mnist", "mnist-sample")
    if config["evaluate_every"] and not digits:
        raise RunError(
            f"--evaluate-every: expected a dataset of digits, which FID is measured on here, got {config['dataset']}"
        )
    data_dir = args.data_dir or (checkpoint.data_dir if checkpoint else None)
    images, labels = load(
        config["dataset"], "train", data_dir=data_dir, flat=False, quiet=args.quiet
    )
    if sample := stand_in(checkpoint, digest(images)):
        images, labels = load(sample, "train", flat=False)
    same_data(checkpoint, digest(images))
    given = {
        name: config[name] for name in ("batch_size", "learning_rate") if config[name] is not None
    }
    if checkpoint and checkpoint.clusters is not None:
        labels = ClusterIds(checkpoint.clusters)
    trainer = Trainer(replace(recipe, **given), images, labels, seed=config["seed"], device=ops)
    config |= {
        "images": len(images), "data": digest(images), "batch_size": trainer.batch_size,
        "learning_rate": trainer.learning_rate, "device": ops.device if config["device"] == "auto" else config["device"],
    }  # fmt: skip
    fid = None
    if config["evaluate_every"]:
        test_images, _ = load(
            config["dataset"], "test", data_dir=data_dir, flat=False, quiet=args.quiet
        )
        fid = FIDCallback(test_images, config["evaluate_every"], ops)
    keeping = {
        "minutes": config["checkpoint_minutes"],
        "data_dir": data_dir and str(Path(data_dir).absolute()),
    }
    if checkpoint:
        restore(trainer, checkpoint, out)
    caught = []

    def stop(signum):
        caught.append(signum)
        trainer.stop()

    with on_signals(
        stop
    ):  # from here on there is a folder, which --resume must be able to go on with
        if checkpoint:
            folder = RunFolder.resumed(out, lock, checkpoint, config, fid, **keeping)
        else:
            folder = RunFolder(out if args.out else free_folder(out), config, fid, **keeping)
        say(
            f"{recipe.name} on {len(images):,} images of {config['dataset']}, on {ops!r}; pictures in {folder.path}/samples"
        )
        standstill = CollapseWarning(
            partial(tqdm.write, file=sys.stderr), digit_counter() if digits else None
        )
        try:
            with tqdm(unit="step", disable=args.quiet, initial=trainer.step_count) as bar:
                if left := length_left(config, trainer, folder.history):
                    trainer.fit(**left, callbacks=[folder, Bar(bar), standstill])
        finally:
            folder.finish(trainer)
    if caught:
        say(f"stopped after {trainer.step_count:,} steps; go on with")
        say(f"  python examples/train_mnist_gan.py --resume {folder.path}")
        return 128 + caught[0]
    say(f"done after {trainer.step_count:,} steps; draw digits with")
    say(f"  python examples/predict.py --weights {folder.path}/weights.npz")
    return 0


if __name__ == "__main__":
    run(main)
