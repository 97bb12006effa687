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

from tqdm import tqdm

from gan.commands.evaluating.image_evaluation import Stopped, fid_callback
from gan.commands.processes.options import add_processes, connected, note_processes
from gan.commands.processes.ranks import follow, shared_status, silent, synchronize, to_resume
from gan.commands.shared.announcements import Compilation, announcing
from gan.commands.shared.closing import numba_hint, print_fid, print_how_to_evaluate, print_next
from gan.commands.shared.command_line import Parser, positive_float, positive_int
from gan.commands.shared.config_file import add_config, with_config
from gan.commands.shared.early_stopping import add_early_stopping, fids, print_best
from gan.commands.shared.image_options import add_own_images
from gan.commands.shared.options import (
    add_data,
    add_device,
    add_lengths,
    add_out,
    add_quiet,
    add_seed,
)
from gan.commands.shared.outputs import free_folder, free_name, run_folder
from gan.commands.shared.pasting import to_paste
from gan.commands.shared.progress import Call, ProgressBar, collapse_warnings, printer, repeated
from gan.commands.shared.signals import Stopper, on_signals
from gan.commands.shared.tuning import add_tuning
from gan.data import stacked
from gan.data.images import cifar10
from gan.data.points.patterns import PATTERNS
from gan.data.sources import DIGIT_DATASETS, SOURCES
from gan.evaluation.collapse import CollapseCallback
from gan.evaluation.early_stopping import EarlyStopping
from gan.folders import check_new
from gan.recipes import DEFAULT, table
from gan.runs.resume import length_left, restore
from gan.runs.run import CHECKPOINT_MINUTES, Run
from gan.runs.settings import settings
from gan.runs.starting.prepared import prepare, recipe_of
from gan.training.callback import Callback
from gan.training.recording.tensorboard import TensorBoardCallback, summary_writer
from nn.ops import get_ops
from nn.processes.single import Processes

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
    add_data(parser, [*SOURCES, cifar10.NAME, stacked.NAME, *PATTERNS], None, own=True)
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
    add_processes(parser)
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
    processes = connected(args)
    say = printer(args.quiet, tqdm.write)
    with announcing(say) as compilation, silent(processes):
        status = train(args, processes, say, compilation)
    processes.finish()
    return status


def train(args: Namespace, processes: Processes, say: Say, compilation: Compilation) -> int:
    """Train as the options say, and return the exit status."""
    began = time.monotonic()
    run, checkpoint = to_resume(args.resume, processes)
    config = settings(vars(args), checkpoint)
    note_processes(config, args, processes, is_new=checkpoint is None)
    is_first = processes.rank == 0
    recipe, ops = recipe_of(config), get_ops(config["device"], config["tf32"])
    if config["tensorboard"] and is_first:
        summary_writer()  # raises here if it is not installed, not after the data are loaded
    out = Path(args.out) if args.out else run_folder(recipe.name)
    if is_first and not run:
        check_new(out if args.out else free_name(out))  # before the data are fetched
    is_digits = config["dataset"] in DIGIT_DATASETS
    several = f", in {processes.size} processes" if processes.size > 1 else ""
    prepared = prepare(
        args,
        config,
        checkpoint,
        ops,
        say,
        capture=not args.no_capture,
        hint=several + numba_hint(ops, config["device"]),
        processes=processes,
    )
    trainer, data, config = prepared.trainer, prepared.data, prepared.config
    synchronize(trainer, config)
    recording: dict[str, Any] = {
        "checkpoint_minutes": config["checkpoint_minutes"],
        "data_dir": prepared.data_dir,
    }
    if config["evaluate_every"] and is_first:
        try:
            recording["fid"] = fid_callback(args, config, data, ops, say)
        except Stopped as stop:
            processes.abort(stop.status)  # the others wait for the first step
            return stop.status
    if checkpoint:
        restore(trainer, checkpoint, Path(args.resume))
    if not is_first:
        return follow(trainer)
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
            if left := processes.share(length_left(config, trainer, run.history)):
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
    status = shared_status(stopper, processes)
    stopped_early = early is not None and early.is_over and not status
    end = "stopped" if status else "stopped early" if stopped_early else "done"
    seconds = time.monotonic() - began
    say(f"{end} after {trainer.step_count:,} steps in {seconds:.0f} s{compilation.summary()}")
    if early and stopped_early:
        measurements = f"{early.waited} measurement{'s' if early.waited > 1 else ''}"
        say(f"FID has had no new minimum for {measurements}; to go on, add --patience")
    if status or stopped_early:
        say("continue with")
        launch = f"mpiexec -n {processes.size} " if processes.size > 1 else ""
        say(f"  {launch}{to_paste('train', '--resume', run.path)}")
    chosen = config["validation"] or (config["patience"] and data.n_held_out)
    best = run.path / "best.npz" if chosen else None
    print_next(run, say, "digits" if is_digits else data.what, best)
    if chosen:
        print_best(run, data.n_held_out, say)
    elif data.what == "points":
        pass  # nothing measures them
    elif not is_digits:
        print_how_to_evaluate(run, say)
    elif not args.quiet:
        print_fid(trainer, run, not status, say)
    return status
