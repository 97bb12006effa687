"""Our recipes against the plain PyTorch DCGAN, on any images: pictures, FID, precision, recall.

    python -m benchmarks.own_images --pace --data FOLDER
    python -m benchmarks.own_images --data FOLDER --labels folders --out compared --markdown
    python -m benchmarks.own_images --data TRAIN --test TEST --contender conv-clusters --marks 5

Each contender trains in its own process, for as many minutes as the last of --marks, on the same
images and all cores. At each mark it saves samples: OUT/CONTENDER/samples-MINUTES.npz, and the
first of them in grid-MINUTES.png. `dcgan-pytorch` is PyTorch's tutorial (harness/pytorch/dcgan.py).
A call that is interrupted continues where it was; marks may be added later.

All samples are judged as `byhand evaluate` does it, on the features of a classifier that is trained
once on the same images: half of the images held out of training are the reference, the other half
the floor, and as many samples are drawn. With --test, the images there are those held out.

A busy machine makes minutes unfair. --steps-per-minute conv-clusters=5000 gives a contender as many
steps as it would do on a quiet one in those minutes, which `--pace` measures in interleaved rounds.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.harness.contenders.colour import PEER, Training, training
from benchmarks.harness.options import add_count, add_markdown
from benchmarks.harness.requirements import require_peers
from benchmarks.harness.tables import machine, render
from gan.classifier.stored import StoredClassifier
from gan.commands.shared.command_line import Parser, positive_float, run, seed
from gan.commands.shared.image_options import add_own_images
from gan.data.images.split import Split
from gan.errors import RunError
from gan.evaluation.image_evaluator import ImageEvaluator, image_evaluator
from gan.images import grid, save_picture
from gan.runs.settings import SOURCE
from gan.runs.starting.own_images import own_images
from nn import get_ops
from nn.serialization.files import atomic_write

CONTENDERS = ("conv-clusters", PEER)
MARKS = (5.0, 20.0, 60.0)
SAVE_SECONDS = 120  # of training from one saved state to the next
LOOK_SECONDS = 1  # of training from one update of the bar to the next
GRID = 64  # samples in a picture
SAMPLE_SEED = 0
COLUMNS = {"fid": "FID", "precision": "precision", "recall": "recall", "recognised": "recognised"}


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("--data", required=True, metavar="PATH", help="folder, .zip, .tar, .npy or .npz of images")
    add("--test", metavar="PATH", help="the images to judge with (default: one in ten of --data)")
    add_own_images(parser)
    add(
        "--contender",
        action="append",
        metavar="C",
        help=f"a recipe or {PEER}; may be given several times (default: {', '.join(CONTENDERS)})",
    )
    add("--marks", type=positive_float, nargs="+", default=MARKS, help="minutes (default: 5 20 60)")
    add(
        "--steps-per-minute",
        action="append",
        default=[],
        metavar="C=N",
        help="count a minute of a contender as N steps; may be given several times",
    )
    add("--pace", action="store_true", help="only measure the steps per minute of each contender")
    add_count(parser, "--rounds", 5, "with --pace, measurements of each contender, of 5 s each")
    add("--train-only", action="store_true", help="do not judge")
    add("--seed", type=seed, default=0, help="of the runs (default: %(default)s)")
    add("--out", type=Path, default=Path("compared"), help="folder (default: %(default)s)")
    add_markdown(parser)
    return parser.parse_args()


def read_split(args: Namespace) -> Split:
    """The images to train on, and those to judge with."""
    how = {name: getattr(args, name) for name in SOURCE}
    images = own_images(args.data, how, None, False)
    print(images.report, file=sys.stderr)
    if not args.test:
        return Split.of(images)
    same = how | {"size": images.image_shape[1], "channels": images.image_shape[0]}
    is_folder = Path(args.data).suffix not in (".npy", ".npz")
    test = own_images(args.test, same if is_folder else how, None, False)
    if test.image_shape != images.image_shape or test.class_names != images.class_names:
        raise RunError("--test: expected images of the shape and classes of --data, got others")
    return Split.joined(images, test)


def paces(given: list[str]) -> dict[str, float]:
    """Steps per minute by contender."""
    try:
        return {name: float(n) for name, n in (each.split("=") for each in given)}
    except ValueError:
        raise RunError(
            f"--steps-per-minute: expected CONTENDER=STEPS, got {' '.join(given)}; such as "
            "conv-clusters=5000"
        ) from None


def train(
    contender: Training, folder: Path, marks: list[float], pace: float | None, n: int
) -> None:
    """Train to the last mark, saving samples at each, from where an earlier call stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    state, progress = folder / "state", folder / "progress.json"
    seconds = 0.0
    if progress.exists():
        done = json.loads(progress.read_text())
        contender.load(folder / done["state"])
        seconds = done["seconds"]
    left = [mark for mark in sorted(marks) if not samples_path(folder, mark).exists()]

    def minutes() -> float:
        return contender.step_count / pace if pace else seconds / 60

    def save() -> None:
        """The state before goes last, so that one is always whole."""
        name = f"{state.name}-{contender.step_count}"
        contender.save(folder / name)
        with atomic_write(progress) as file:
            file.write(json.dumps({"state": name, "seconds": seconds}).encode())
        for old in folder.glob(f"{state.name}-*"):
            if old.name != name:
                old.unlink()

    saved = seconds
    form = "{l_bar}{bar}| {n:.1f} of {total:.1f} min [{elapsed}]"
    with tqdm(desc=folder.name, total=max(marks), bar_format=form) as bar:
        while left:
            if minutes() >= left[0]:
                save()
                write_samples(contender, folder, left.pop(0), n, seconds)
                continue
            began = time.perf_counter()
            due = began + (LOOK_SECONDS if pace else min(LOOK_SECONDS, 60 * left[0] - seconds))
            contender.step()
            while time.perf_counter() < due and not (pace and minutes() >= left[0]):
                contender.step()
            seconds += time.perf_counter() - began
            if seconds - saved >= SAVE_SECONDS:
                save()
                saved = seconds
            bar.update(min(minutes(), max(marks)) - bar.n)


def samples_path(folder: Path, mark: float) -> Path:
    return folder / f"samples-{mark:g}.npz"


def write_samples(contender: Training, folder: Path, mark: float, n: int, seconds: float) -> None:
    """Draw samples, and write them and a picture."""
    images, labels = contender.samples(n, SAMPLE_SEED)
    save_picture(folder / f"grid-{mark:g}.png", grid(images[:GRID] / 255))
    arrays = {"images": images} | ({} if labels is None else {"labels": labels})
    counts = {
        "steps": contender.step_count,
        "images_seen": contender.step_count * contender.batch_size,
        "seconds": seconds,
    }
    with atomic_write(samples_path(folder, mark)) as file:
        np.savez(file, **arrays, **counts)  # type: ignore[arg-type]


def measure_pace(names: list[str], split: Split, args: Namespace) -> None:
    """Print the median steps per minute of each contender, in interleaved rounds."""
    contenders = {name: training(name, split, args.seed) for name in names}
    rates: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(args.rounds + 1):  # the first compiles
        for name, contender in contenders.items():
            began, first = time.perf_counter(), contender.step_count
            while time.perf_counter() - began < 5:
                contender.step()
            elapsed = time.perf_counter() - began
            rates[name].append(60 * (contender.step_count - first) / elapsed)
    rows = [
        [name, f"{np.median(rate[1:]):.0f}", f"{min(rate[1:]):.0f}", f"{max(rate[1:]):.0f}"]
        for name, rate in rates.items()
    ]
    print(render(["contender", "steps a minute", "least", "most"], rows, args.markdown))


def evaluator_of(split: Split, out: Path) -> tuple[ImageEvaluator, bool]:
    """What judges the samples, and whether it knows classes."""
    ops = get_ops("cpu")
    stored = StoredClassifier(out / "classifier", split)
    if not stored.is_trained:
        trainer = stored.trainer(ops)
        with tqdm(
            desc="classifier", total=trainer.total_steps, initial=trainer.step_count, unit="step"
        ) as bar:
            while not trainer.finished:
                trainer.epoch(lambda step, loss: bar.update(step - bar.n))
                stored.save(trainer)
    return image_evaluator(stored, split, ops), stored.has_classes


def row(
    name: str, mark: float, folder: Path, evaluator: ImageEvaluator, has_classes: bool
) -> tuple[list[str], dict[str, Any]]:
    """A line of the table, and the metrics."""
    with np.load(samples_path(folder, mark)) as file:
        stored = dict(file)
    labels = stored.get("labels") if has_classes else None
    metrics = evaluator.evaluate(stored["images"], labels)
    cells = [name, f"{mark:g}", f"{stored['seconds'] / 60:.1f}", f"{stored['steps']:,}"]
    return [*cells, f"{stored['images_seen']:,}"], metrics


def figures(metrics: dict[str, Any]) -> list[str]:
    """The cells of COLUMNS."""
    formats = {"fid": "{:.2f}", "precision": "{:.3f}", "recall": "{:.3f}", "recognised": "{:.3f}"}
    return [formats[key].format(metrics[key]) if key in metrics else "" for key in COLUMNS]


def judge(split: Split, args: Namespace) -> str:
    """The table of all samples in --out."""
    evaluator, has_classes = evaluator_of(split, args.out)
    print(
        f"classifier: {100 * evaluator.accuracy:.1f}% of {len(split.held_out):,} images held out "
        f"are classified correctly; {100 * evaluator.guessing:.1f}% by guessing",
        file=sys.stderr,
    )
    found = sorted(
        (float(path.stem.removeprefix("samples-")), path.parent.name)
        for path in args.out.glob("*/samples-*.npz")
    )
    lines, fids = [], {}
    for mark, name in found:
        cells, metrics = row(name, mark, args.out / name, evaluator, has_classes)
        fids[name, mark] = metrics["fid"]
        lines.append((cells, metrics))
    table = []
    for (mark, name), (cells, metrics) in zip(found, lines):
        peer = fids.get((PEER, mark))
        ratio = "" if peer is None else f"{fids[name, mark] / peer:.2f}"
        table.append([*cells, *figures(metrics), ratio])
    floor = [
        "images held out",
        *[""] * 4,
        *figures(evaluator.floor(evaluator.count, has_classes)),
        "",
    ]
    header = ["contender", "mark, minutes", "minutes trained", "steps", "images seen"]
    header += [*COLUMNS.values(), f"FID / {PEER}"]
    return render(header, [*table, floor], args.markdown)


def without_contenders(words: list[str]) -> list[str]:
    """A command line without --contender and its values."""
    kept, words = [], list(words)
    while words:
        word = words.pop(0)
        if word == "--contender":
            words.pop(0)
        elif not word.startswith("--contender="):
            kept.append(word)
    return kept


def main() -> int:
    args = arguments()
    names, pace = args.contender or list(CONTENDERS), paces(args.steps_per_minute)
    if PEER in names:
        require_peers(["tuned"])
    split = read_split(args)
    print(
        f"{len(split):,} images to train on, {len(split.held_out):,} held out; {machine()}",
        file=sys.stderr,
    )
    if args.pace:
        measure_pace(names, split, args)
        return 0
    if args.train_only and len(names) == 1:
        contender = training(names[0], split, args.seed)
        n = len(split.held_out) // 2
        train(contender, args.out / names[0], list(args.marks), pace.get(names[0]), n)
        return 0
    for name in names:
        command = [sys.executable, "-m", "benchmarks.own_images", *without_contenders(sys.argv[1:])]
        if subprocess.run([*command, "--train-only", "--contender", name]).returncode:
            raise RunError(f"{name}: did not finish; the same call continues it")
    if not args.train_only:
        print(judge(split, args))
    return 0


if __name__ == "__main__":
    run(main)
