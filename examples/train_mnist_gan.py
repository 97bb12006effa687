"""Train a GAN on handwritten digits and watch them appear.

    python examples/train_mnist_gan.py
    python examples/train_mnist_gan.py --recipe mlp-dropout --epochs 10 --dataset fashion-mnist
"""

import argparse
import time
from pathlib import Path

from tqdm import tqdm

from gan.command_line import Parser, on_signals, positive_float, positive_int, run, seed
from gan.datasets import load
from gan.metrics.watch import FidWatch
from gan.recipes import DEFAULT, get_recipe, table
from gan.run_folder import RunFolder, check_new
from gan.training import Callback, Trainer
from nn import RunError
from nn.ops import DEVICES, get_ops


class Bar(Callback):
    """Moves a progress bar on, with losses and images a second."""

    def __init__(self, bar):
        self.bar = bar

    def on_log(self, trainer, record):
        self.bar.set_postfix_str(
            f"D {record['d_loss']:.3f}, G {record['g_loss']:.3f}, {record['images_per_second']:,.0f} images/s", refresh=False
        )
        if trainer.last_step != float("inf"):
            self.bar.total = trainer.last_step
        self.bar.update(trainer.step_count - self.bar.n)


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--recipe", default=DEFAULT, help="networks and settings; --list-recipes names them (default: %(default)s)")
    add("--list-recipes", action="store_true", help="print the recipes and exit")
    add("--epochs", type=positive_int, help="train for so many epochs (default: the recipe's length)")
    add("--steps", type=positive_int, help="train for so many steps")
    add("--minutes", type=positive_float, help="train for so many minutes; what comes first ends the training")
    add("--batch-size", type=positive_int, help="images a step (default: the recipe's)")
    add("--learning-rate", type=positive_float, help="of Adam, for both networks (default: the recipe's)")
    add("--dataset", default="mnist", help="mnist, fashion-mnist or kmnist (default: %(default)s)")
    add("--data-dir", help="folder that holds the data files, or gets them (default: data/)")
    add("--device", default="auto", choices=DEVICES, help="where to compute (default: %(default)s)")
    add("--tf32", action="store_true", help="on a GPU: products of factors rounded to TF32, which are faster")
    add("--evaluate-every", type=positive_int, metavar="N", help="measure FID every N epochs, and keep the best weights: best.npz")
    add("--seed", type=seed, default=0, help="equal seeds give equal results (default: %(default)s)")
    add("--out", help="folder for what the training makes (default: runs/RECIPE-TIME)")
    add("--quiet", action="store_true", help="print errors and warnings only")
    return parser.parse_args()


def main():
    args = arguments()
    if args.list_recipes:
        print(table())
        return 0
    say = (lambda *words: None) if args.quiet else print
    recipe, ops = get_recipe(args.recipe), get_ops(args.device, args.tf32)
    out = Path(args.out or f"runs/{recipe.name}-{time.strftime('%Y%m%d-%H%M%S')}")
    check_new(out)  # before the data are fetched
    if args.evaluate_every and args.dataset not in ("mnist", "mnist-sample"):
        raise RunError(f"--evaluate-every: expected a dataset of digits, which FID is measured on here, got {args.dataset}")
    images, labels = load(args.dataset, "train", data_dir=args.data_dir, flat=False, quiet=args.quiet)
    trainer = Trainer(
        recipe, images, labels, seed=args.seed, device=ops, batch_size=args.batch_size, learning_rate=args.learning_rate
    )
    length = {"epochs": args.epochs, "steps": args.steps, "minutes": args.minutes}
    if not any(length.values()):
        length |= {"epochs": recipe.epochs, "steps": recipe.steps}
    config = {
        "recipe": recipe.name, "dataset": args.dataset, "images": len(images), **length, "batch_size": trainer.batch_size,
        "learning_rate": trainer.learning_rate, "seed": args.seed, "device": ops.device,
    }  # fmt: skip
    fid = None
    if args.evaluate_every:
        test_images, _ = load(args.dataset, "test", data_dir=args.data_dir, flat=False, quiet=args.quiet)
        fid = FidWatch(test_images, args.evaluate_every, ops)
    folder = RunFolder(out, config, fid)
    say(f"{recipe.name} on {len(images):,} images of {args.dataset}, on {ops!r}; pictures in {folder.path}/samples")

    caught = []

    def stop(signum):
        caught.append(signum)
        trainer.stop()

    with on_signals(stop), tqdm(unit="step", disable=args.quiet) as bar:
        try:
            trainer.fit(**length, callbacks=[folder, Bar(bar)])
        finally:
            folder.finish(trainer)
    say(f"{'stopped' if caught else 'done'} after {trainer.step_count:,} steps; draw digits with")
    say(f"  python examples/predict.py --weights {folder.path}/weights.npz")
    return 128 + caught[0] if caught else 0


if __name__ == "__main__":
    run(main)
