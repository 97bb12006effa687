"""Train a network that names handwritten digits, by backpropagation written by hand.

    python examples/train_mnist_classifier.py
    python examples/train_mnist_classifier.py --epochs 3 --dataset mnist-sample
"""

import _signal as signal  # the same, without the 4 ms of imports in which Ctrl-C would still show a traceback

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `run` takes over: Ctrl-C ends the imports without a traceback

import argparse
import time
from pathlib import Path

from tqdm import tqdm

from gan.classifier.run import ClassifierRun
from gan.classifier.training import BATCH_SIZE, EPOCHS, ClassifierTrainer
from gan.commands.command_line import Parser, on_signals, positive_int, run, seed
from gan.data.datasets import load
from gan.runs.run import check_new
from nn.ops import DEVICES, get_ops

DATASETS = ("mnist", "mnist-sample")


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--epochs", type=positive_int, default=EPOCHS, help="passes over the training images (default: %(default)s)")
    add("--batch-size", type=positive_int, default=BATCH_SIZE, help="images a step (default: %(default)s)")
    add("--dataset", default="mnist", choices=DATASETS, help="all of MNIST, or the bundled sample (default: %(default)s)")
    add("--data-dir", help="folder that holds the data files, or gets them (default: data/)")
    add("--device", default="auto", choices=DEVICES, help="where to compute (default: %(default)s)")
    add("--tf32", action="store_true", help="on a GPU: products of factors rounded to TF32, which are faster")
    add("--seed", type=seed, default=0, help="equal seeds give equal results (default: %(default)s)")
    add("--out", help="folder for what the training makes (default: runs/classifier-TIME)")
    add("--quiet", action="store_true", help="print errors and warnings only")
    return parser.parse_args()


def main():
    args = arguments()
    say = (lambda *words: None) if args.quiet else tqdm.write
    ops = get_ops(args.device, args.tf32)
    out = Path(args.out or f"runs/classifier-{time.strftime('%Y%m%d-%H%M%S')}")
    check_new(out)  # before the data are fetched
    images, labels = load(args.dataset, "train", data_dir=args.data_dir, flat=False, quiet=args.quiet)
    test = load(args.dataset, "test", data_dir=args.data_dir, flat=False, quiet=args.quiet)
    trainer = ClassifierTrainer(
        images, labels, epochs=args.epochs, batch_size=args.batch_size, seed=args.seed, device=ops
    )
    config = {
        "dataset": args.dataset, "images": len(images), "epochs": args.epochs, "batch_size": args.batch_size,
        "seed": args.seed, "device": ops.device,
    }  # fmt: skip
    folder = ClassifierRun(out, *test, config)
    say(f"{trainer.network.n_parameters:,} parameters, {len(images):,} images, on {ops!r}; results go to {folder.path}")

    caught = []

    def stop(signum):
        caught.append(signum)
        trainer.stop()

    with on_signals(stop), tqdm(total=trainer.total_steps, unit="step", disable=args.quiet) as bar:

        def show(step, loss):
            bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            bar.update(step - bar.n)

        try:
            while not trainer.finished:
                record = folder.add(trainer, trainer.epoch(show))
                say(f"epoch {record['epoch']:2}: loss {record['loss']:.4f}, {100 * record['accuracy']:.2f}% of the test images "
                    f"right, {record['mistakes']} wrong, {record['seconds']:.0f} s")  # fmt: skip
        finally:
            folder.finish()
    say(f"{'stopped' if caught else 'done'} after {trainer.step_count:,} steps; name digits in pictures with")
    say(f"  python examples/classify.py --weights {folder.path}/classifier.npz PICTURE.png ...")
    return 128 + caught[0] if caught else 0


if __name__ == "__main__":
    run(main)
