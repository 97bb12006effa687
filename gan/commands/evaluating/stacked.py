"""Counting the modes of Stacked MNIST: `byhand evaluate` on runs of `--dataset stacked-mnist`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm import tqdm

from gan.commands.evaluating.images import check_shape
from gan.data.datasets import load
from gan.data.stacked import N_TRIPLES, SHAPE, random_triples
from gan.evaluation.feature_extractor import ACCURACY, SHA256, load_feature_extractor
from gan.evaluation.samples import read_pixels
from gan.evaluation.stacked_modes import (
    N_SAMPLES,
    classify_triples,
    modes,
    sample_triples,
    table,
)
from gan.sampling import Sampler
from nn.ops.base import Ops


def evaluate_stacked(
    args: Namespace,
    sampler: Sampler | None,
    ops: Ops,
    say: Callable[..., object],
) -> dict[str, Any]:
    """Count the modes among samples, and print the table; returns the figures.

    The protocol is PacGAN's: a classifier names the digits in N_SAMPLES samples. The floor are as
    many training triples, with their true labels.

    Parameters
    ----------
    args
        Of `byhand evaluate`.
    sampler
        Draws the samples; None reads those of a file.
    ops
        Where to compute.
    say
        Prints a line.
    """
    classifier = load_feature_extractor(ops)
    if sampler:
        check_shape(sampler, SHAPE)
        with tqdm(
            desc="classifying", total=N_SAMPLES, unit="image", disable=args.quiet, leave=False
        ) as bar:
            triples = sample_triples(sampler, classifier, N_SAMPLES, args.seed, bar.update)
    else:
        images = read_pixels(args.samples, SHAPE)[:N_SAMPLES]
        triples = classify_triples(classifier, images / np.float32(255))
    _, labels = load("mnist", "train", data_dir=args.data_dir, quiet=args.quiet)
    floor = labels[random_triples(len(labels), N_TRIPLES, args.seed)[: len(triples)]]
    rows = [_row("training triples", floor), _row("samples", triples)]
    say(table(rows))
    return {
        "images": len(triples),
        "floor_images": len(floor),
        "classifier": {"sha256": SHA256, "accuracy": ACCURACY},
        "metrics": {name: rows[1][name] for name in ("modes", "reverse_kl")},
        "floor": {name: rows[0][name] for name in ("modes", "reverse_kl")},
    }


def _row(name: str, triples: np.ndarray) -> dict[str, Any]:
    """A row of the table, from triples of digits (N, 3)."""
    n_modes, reverse_kl = modes(triples)
    return {"images": name, "number": len(triples), "modes": n_modes, "reverse_kl": reverse_kl}
