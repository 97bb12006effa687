"""Train a classifier of handwritten digits.

For example:

    byhand train-classifier
    byhand train-classifier --dataset mnist-sample --epochs 3
    byhand train-classifier --resume runs/NAME
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gan.classifier.training import BATCH_SIZE, EPOCHS, ClassifierTrainer
from gan.commands.shared.command_line import Parser, positive_int
from gan.commands.shared.options import add_data, add_device, add_out, add_quiet, add_seed
from gan.commands.shared.outputs import free_folder, free_name, run_folder
from gan.commands.shared.pasting import to_paste
from gan.commands.shared.progress import printer
from gan.commands.shared.signals import Stopper, on_signals
from gan.data.datasets import load
from gan.folders import check_new
from gan.runs.classifier_run import ClassifierRun
from gan.runs.kept_settings import kept_settings
from gan.runs.resume import check_data, digest, fallback_dataset
from nn.ops import get_ops

DEFAULTS: dict[str, Any] = {
    "dataset": "mnist",
    "epochs": EPOCHS,
    "batch_size": BATCH_SIZE,
    "seed": 0,
    "device": "auto",
    "tf32": False,
}


def arguments() -> Namespace:
    """Parse the command line."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add(
        "--epochs",
        type=positive_int,
        metavar="N",
        help=f"train for N epochs (default: {EPOCHS})",
    )
    add(
        "--batch-size",
        type=positive_int,
        metavar="N",
        help=f"train on N images per step (default: {BATCH_SIZE})",
    )
    add_data(parser, default=None)
    add_device(parser, None, tf32=True)
    add_seed(parser, "use this seed, with which a run can be repeated", None)
    add_out(parser, "write the results into this folder", "runs/classifier-TIME")
    add(
        "--resume",
        metavar="RUN",
        help="continue the run in this folder with its settings",
    )
    add_quiet(parser)
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit status."""
    args = arguments()
    say = printer(args.quiet, tqdm.write)
    run = None if args.resume is None else ClassifierRun.resume(args.resume)
    checkpoint = run.checkpoint if run else None
    config = kept_settings(vars(args), DEFAULTS, checkpoint.config if checkpoint else None)
    ops = get_ops(config["device"], config["tf32"])
    out = Path(args.out) if args.out else run_folder("classifier")
    if not run:
        check_new(out if args.out else free_name(out))  # before the data are fetched
    dataset = config["dataset"]
    data_dir = args.data_dir or (checkpoint.data_dir if checkpoint else None)
    images, labels = load(dataset, "train", data_dir=data_dir, flat=False, quiet=args.quiet)
    if sample := fallback_dataset(checkpoint, digest(images, labels)):
        images, labels = load(sample, "train", flat=False)
    check_data(checkpoint, digest(images, labels))
    test = load(dataset, "test", data_dir=data_dir, flat=False, quiet=args.quiet)
    trainer = ClassifierTrainer(
        images,
        labels,
        epochs=config["epochs"],
        batch_size=config["batch_size"],
        seed=config["seed"],
        device=ops,
    )
    config |= {
        "images": len(images),
        "data": digest(images, labels),
        "device": ops.device if config["device"] == "auto" else config["device"],
    }
    stopper = Stopper()
    with on_signals(stopper.stopping(trainer.stop)):  # from here on, there is a folder to resume
        run = run or ClassifierRun.create(out if args.out else free_folder(out))
        try:
            run.start(trainer, config, data_dir and str(Path(data_dir).absolute()))
            say(
                f"{trainer.network.n_parameters:,} parameters, {len(images):,} images, on {ops!r}; "
                f"results go to {run.path}"
            )
            train(run, trainer, test, say, args.quiet)
        finally:
            run.finish()
    if stopper.caught:
        say(f"stopped after {trainer.step_count:,} steps; continue with")
        say(f"  {to_paste('train-classifier', '--resume', run.path)}")
    else:
        weights = run.path / "classifier.npz"
        say(f"done after {trainer.step_count:,} steps; name digits in pictures with")
        say(f"  {to_paste('classify', '--weights', weights, 'PICTURE.png')}")
    return stopper.status


def train(
    run: ClassifierRun,
    trainer: ClassifierTrainer,
    test: tuple[np.ndarray, np.ndarray],
    say: Any,
    quiet: bool,
) -> None:
    """Train to the end, with a progress bar and a line per epoch."""
    total, done = trainer.total_steps, trainer.step_count
    with tqdm(total=total, initial=done, unit="step", disable=quiet) as bar:

        def show(step: int, loss: float) -> None:
            bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            bar.update(step - bar.n)

        while not trainer.finished:
            record = trainer.epoch(show)
            if trainer.stopped:
                say("saving")
            row = run.add(trainer, record, *test)
            say(
                f"epoch {row['epoch']:2}: loss {row['loss']:.4f}, "
                f"{100 * row['accuracy']:.2f}% of the test images right, "
                f"{row['mistakes']} wrong, {row['seconds']:.0f} s"
            )
