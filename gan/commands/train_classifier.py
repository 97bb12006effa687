"""Train a classifier of handwritten digits.

For example:

    byhand train-classifier
    byhand train-classifier --dataset mnist-sample --epochs 3
    byhand train-classifier --seed 1 --out runs/second
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from tqdm import tqdm

from gan.classifier.run import ClassifierRun
from gan.classifier.training import BATCH_SIZE, EPOCHS, ClassifierTrainer
from gan.commands.shared.command_line import Parser, positive_int
from gan.commands.shared.options import add_data, add_device, add_out, add_quiet, add_seed
from gan.commands.shared.outputs import run_folder
from gan.commands.shared.pasting import to_paste
from gan.commands.shared.progress import printer
from gan.commands.shared.signals import Stopper, on_signals
from gan.data.datasets import load
from gan.folders import check_new
from nn.ops import get_ops


def arguments() -> Namespace:
    """Parse the command line."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add(
        "--epochs",
        type=positive_int,
        default=EPOCHS,
        metavar="N",
        help="train for N epochs (default: %(default)s)",
    )
    add(
        "--batch-size",
        type=positive_int,
        default=BATCH_SIZE,
        metavar="N",
        help="train on N images per step (default: %(default)s)",
    )
    add_data(parser)
    add_device(parser, tf32=True)
    add_seed(parser, "use this seed, with which a run can be repeated")
    add_out(parser, "write the results into this folder", "runs/classifier-TIME")
    add_quiet(parser)
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit status."""
    args = arguments()
    say = printer(args.quiet, tqdm.write)
    ops = get_ops(args.device, args.tf32)
    out = Path(args.out) if args.out else run_folder("classifier")
    check_new(out)  # before the data are fetched
    images, labels = load(
        args.dataset, "train", data_dir=args.data_dir, flat=False, quiet=args.quiet
    )
    test_images, test_labels = load(
        args.dataset, "test", data_dir=args.data_dir, flat=False, quiet=args.quiet
    )
    trainer = ClassifierTrainer(
        images, labels, epochs=args.epochs, batch_size=args.batch_size, seed=args.seed, device=ops
    )
    config = {
        "dataset": args.dataset,
        "images": len(images),
        "epochs": args.epochs,
        "batch_size": args.batch_size,
        "seed": args.seed,
        "device": ops.device,
    }
    folder = ClassifierRun(out, test_images, test_labels, config)
    say(
        f"{trainer.network.n_parameters:,} parameters, {len(images):,} images, on {ops!r}; "
        f"results go to {folder.path}"
    )
    stopper = Stopper()
    with (
        on_signals(stopper.stopping(trainer.stop)),
        tqdm(total=trainer.total_steps, unit="step", disable=args.quiet) as bar,
    ):

        def show(step: int, loss: float) -> None:
            bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            bar.update(step - bar.n)

        try:
            while not trainer.finished:
                record = folder.add(trainer, trainer.epoch(show))
                say(
                    f"epoch {record['epoch']:2}: loss {record['loss']:.4f}, "
                    f"{100 * record['accuracy']:.2f}% of the test images right, "
                    f"{record['mistakes']} wrong, {record['seconds']:.0f} s"
                )
        finally:
            folder.finish()
    ended = "stopped" if stopper.caught else "done"
    say(f"{ended} after {trainer.step_count:,} steps; name digits in pictures with")
    weights = folder.path / "classifier.npz"
    say(f"  {to_paste('classify', '--weights', weights, 'PICTURE.png')}")
    return stopper.status
