"""Train a GAN on handwritten digits, or on your own images, and watch them appear.

For example:

    byhand train --recipe mlp-dropout --dataset fashion-mnist --epochs 10
    byhand train --data photos --size 32 --schedule cosine --warmup 500
    byhand train --resume runs/NAME
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gan.commands.evaluating.image_evaluation import Stopped, fid_callback
from gan.commands.shared.announcements import Compilation, announcing
from gan.commands.shared.closing import numba_hint, print_fid, print_how_to_evaluate, print_next
from gan.commands.shared.command_line import Parser, positive_float, positive_int
from gan.commands.shared.config_file import add_config, with_config
from gan.commands.shared.early_stopping import add_early_stopping, fids, print_best
from gan.commands.shared.options import (
    add_data,
    add_device,
    add_lengths,
    add_out,
    add_quiet,
    add_seed,
)
from gan.commands.shared.outputs import free_folder, free_name, run_folder
from gan.commands.shared.own_images import add_own_images, name_of_data
from gan.commands.shared.pasting import to_paste
from gan.commands.shared.progress import Call, ProgressBar, collapse_warnings, printer, repeated
from gan.commands.shared.signals import Stopper, on_signals
from gan.commands.shared.training_data import training_data
from gan.commands.shared.tuning import add_tuning, settings_of, tuned
from gan.data import stacked
from gan.data.clusters import ClusterIds
from gan.data.images import cifar10
from gan.data.sources import DIGIT_DATASETS, SOURCES
from gan.evaluation.collapse import CollapseCallback
from gan.evaluation.early_stopping import EarlyStopping
from gan.folders import check_new
from gan.recipes import DEFAULT, DIGITS, get_recipe, table
from gan.runs.resume import length_left, restore
from gan.runs.run import CHECKPOINT_MINUTES, Run
from gan.runs.settings import settings
from gan.training.callback import Callback
from gan.training.recording.tensorboard import TensorBoardCallback, summary_writer
from gan.training.trainer import Trainer
from nn.ops import get_ops

LOOK_EVERY = 0.1  # seconds; for the progress bar and Ctrl-C
Say = Callable[..., object]


def arguments() -> Namespace:
    """Parse the command line."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add(
        "--recipe",
        metavar="NAME",
        help=f"train this recipe of --list-recipes (default: {DEFAULT})",
    )
    add("--list-recipes", action="store_true", help="print the recipes and exit")
    add_lengths(parser)
    add(
        "--batch-size",
        type=positive_int,
        metavar="N",
        help="train on N images per step (default: the recipe's)",
    )
    add_tuning(parser)
    add_data(parser, [*SOURCES, cifar10.NAME, stacked.NAME], None, own=True)
    add_own_images(parser)
    add_device(parser, None, tf32=True)
    add(
        "--evaluate-every",
        type=positive_int,
        metavar="N",
        help="measure FID every N epochs and keep the best weights in best.npz",
    )
    add_early_stopping(parser)
    add_seed(parser, "use this seed, with which a run can be repeated", None)
    add_out(parser, "write the results into this folder", "runs/RECIPE-TIME")
    add(
        "--resume",
        metavar="RUN",
        help="continue the run in this folder with its settings, unless options change them",
    )
    add(
        "--checkpoint-minutes",
        type=positive_float,
        metavar="M",
        help=f"write a checkpoint for --resume every M minutes (default: {CHECKPOINT_MINUTES:g})",
    )
    add(
        "--tensorboard",
        action="store_true",
        default=None,
        help="write events for TensorBoard into the folder of the run",
    )
    add(
        "--no-capture",
        action="store_true",
        help="run each training step from Python, with the same results, instead of as one program",
    )
    add_quiet(parser)
    add_config(parser)
    return with_config(parser.parse_args(), parser)


def main() -> int:
    """Run the command and return its exit status."""
    args = arguments()
    if args.list_recipes:
        print(table())
        return 0
    if args.print_config:
        print(args.print_config, end="")
        return 0
    say = printer(args.quiet, tqdm.write)
    with announcing(say) as compilation:
        return train(args, say, compilation)


def train(args: Namespace, say: Say, compilation: Compilation) -> int:
    """Train as the options say, and return the exit status."""
    began = time.monotonic()
    run = None if args.resume is None else Run.resume(args.resume)
    checkpoint = run.checkpoint if run else None
    config = settings(vars(args), checkpoint)
    recipe, ops = get_recipe(config["recipe"]), get_ops(config["device"], config["tf32"])
    if config["dataset"]:
        shapes = {cifar10.NAME: cifar10.SHAPE, stacked.NAME: stacked.SHAPE}
        recipe = recipe.for_images(shapes.get(config["dataset"], DIGITS))
    if config["tensorboard"]:
        summary_writer()  # raises here if it is not installed, not after the data are loaded
    out = Path(args.out) if args.out else run_folder(recipe.name)
    if not run:
        check_new(out if args.out else free_name(out))  # before the data are fetched
    is_digits = config["dataset"] in DIGIT_DATASETS
    recipe, data = training_data(args, config, checkpoint, recipe, say)
    targets: np.ndarray | ClusterIds | None = data.labels
    if checkpoint and checkpoint.clusters is not None:
        targets = ClusterIds(checkpoint.clusters)
    recipe = tuned(recipe, config, data.n_images)
    hint = numba_hint(ops, config["device"])
    say(f"{recipe.name} on {data.n_images:,} images of {name_of_data(config)}, on {ops!r}{hint}")
    trainer = Trainer(
        recipe,
        data.images,
        targets,
        seed=config["seed"],
        device=ops,
        capture=not args.no_capture,
    )
    config |= settings_of(trainer.recipe) | {
        "images": data.n_images,
        "data": data.digest,
        "device": ops.device if config["device"] == "auto" else config["device"],
    }
    recording: dict[str, Any] = {
        "checkpoint_minutes": config["checkpoint_minutes"],
        "data_dir": data.data_dir and str(Path(data.data_dir).absolute()),
    }
    if config["evaluate_every"]:
        try:
            recording["fid"] = fid_callback(args, config, data, ops, say)
        except Stopped as stop:
            return stop.status
    if run and checkpoint:
        restore(trainer, checkpoint, run.path)
    stopper = Stopper()
    early: EarlyStopping | None = None
    # From here on, there is a folder to resume
    with on_signals(stopper.stopping(trainer.stop)), ExitStack() as opened:
        if run:
            run.start(config, **recording)
        else:
            run = Run.create(out if args.out else free_folder(out), config, **recording)
        say(f"watch {run.path / 'samples' / 'latest.png'}")
        further: list[Callback] = [CollapseCallback()] if is_digits else []
        fid = recording.get("fid")
        if fid and config["patience"]:
            early = EarlyStopping(fid, config["patience"], fids(run.history))
            further.append(early)
        if config["tensorboard"]:
            board = TensorBoardCallback(run.path / "tensorboard", fid)
            further.append(opened.enter_context(board))
        saving = partial(say, f"stopping after this step, then saving to {run.path} ...")
        try:
            if left := length_left(config, trainer, run.history):
                with (
                    tqdm(  # the delay leaves the first drawing to `progress`, which knows the total
                        unit="step",
                        disable=args.quiet,
                        initial=trainer.step_count,
                        delay=1e-9,
                    ) as bar,
                    collapse_warnings(),
                ):
                    progress = ProgressBar(bar, left, compilation.activity)
                    looks: list[Call] = [progress.draw, partial(stopper.announce, saving)]
                    with repeated(looks, LOOK_EVERY):
                        trainer.fit(**left, callbacks=[progress, *run.callbacks, *further])
                stopper.announce(saving)
        finally:
            run.finish(trainer)
    stopped_early = early is not None and early.is_over and not stopper.caught
    end = "stopped" if stopper.caught else "stopped early" if stopped_early else "done"
    seconds = time.monotonic() - began
    say(f"{end} after {trainer.step_count:,} steps in {seconds:.0f} s{compilation.summary()}")
    if early and stopped_early:
        measurements = f"{early.waited} measurement{'s' if early.waited > 1 else ''}"
        say(f"FID has had no new minimum for {measurements}; to go on, add --patience")
    if stopper.caught or stopped_early:
        say("continue with")
        say(f"  {to_paste('train', '--resume', run.path)}")
    chosen = config["validation"] or (config["patience"] and data.n_held_out)
    best = run.path / "best.npz" if chosen else None
    print_next(run, say, "digits" if is_digits else "images", best)
    if chosen:
        print_best(run, data.n_held_out, say)
    elif not is_digits:
        print_how_to_evaluate(run, say)
    elif not args.quiet:
        print_fid(trainer, run, not stopper.caught, say)
    return stopper.status
