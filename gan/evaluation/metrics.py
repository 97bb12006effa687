"""All metrics of a set of images, and their table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gan.evaluation.class_metrics import (
    SURE,
    class_histogram,
    digits_drawn,
    kl_to_uniform,
    mnist_score,
    unsure,
)
from gan.evaluation.evaluator import Evaluator
from gan.evaluation.parzen import parzen
from gan.evaluation.precision_recall import precision_recall
from gan.evaluation.samples import as_images

NEIGHBOURS = 3
ROWS = (  # of the table: key, label, format, which direction is better
    ("fid", "FID, on the classifier's features", "{:.3f}", "lower"),
    ("mnist_score", "MNIST score", "{:.3f}", "higher, at most 10"),
    ("precision", "precision", "{:.4f}", "higher, at most 1"),
    ("recall", "recall", "{:.4f}", "higher, at most 1"),
    ("digits_drawn", "digits drawn", "{}", "higher, at most 10"),
    ("kl_to_uniform", "KL of the digits to uniform, nats", "{:.4f}", "lower"),
    ("unsure", f"unsure, no digit at {SURE} or above", "{:.4f}", "lower"),
    ("recognised", "recognised as the digit asked for", "{:.4f}", "higher, at most 1"),
    ("parzen_log_likelihood", "Parzen log-likelihood, nats", "{:.1f}", "higher"),
    ("parzen_standard_error", "  its standard error", "{:.1f}", ""),
    ("parzen_sigma", "  its sigma", "{:.3f}", ""),
)


def evaluate(
    images: ArrayLike,
    evaluator: Evaluator,
    validation: ArrayLike,
    progress: Callable[[int], object] | None = None,
    labels: np.ndarray | None = None,
) -> dict[str, Any]:
    """Compute every metric of images against an evaluator's test images.

    Parameters
    ----------
    images
        What `as_images` takes.
    evaluator
        Holds the test images.
    validation
        Images that choose Parzen's sigma, neither test images nor among `images`.
    progress
        Called as progress(n) when n more rows are done, of `n_rows` in all.
    labels
        Integers (N,), the digits that the images should show; None if that is not known.

    Returns
    -------
    dict
        Plain numbers by the keys of ROWS, with labels "recognised" too, the share of images that
        the classifier names so, and the "class_histogram" as a list; ready for JSON.

    Raises
    ------
    DataError
        If images are not as `as_images` takes them.
    """
    images, validation = as_images(images), as_images(validation)
    features = evaluator.features(images, progress)
    probabilities = evaluator.probabilities(features)
    histogram = class_histogram(probabilities)
    precision, recall = precision_recall(evaluator.test_features, features, NEIGHBOURS, progress)
    log_likelihood, error, sigma = parzen(images, validation, evaluator.test_images, progress)
    metrics = {
        "fid": evaluator.fid_of_features(features),
        "mnist_score": mnist_score(probabilities),
        "precision": precision,
        "recall": recall,
        "digits_drawn": digits_drawn(histogram),
        "kl_to_uniform": kl_to_uniform(histogram),
        "unsure": unsure(probabilities),
        "parzen_log_likelihood": log_likelihood,
        "parzen_standard_error": error,
        "parzen_sigma": sigma,
        "class_histogram": histogram.tolist(),
    }
    if labels is not None:
        metrics["recognised"] = float((probabilities.argmax(axis=1) == labels).mean())
    return metrics


def n_rows(n_images: int, n_validation: int, n_test: int) -> int:
    """How many rows `evaluate` reports as progress: one for each pass over an image."""
    return (1 + 2) * n_images + n_validation + (1 + 1) * n_test


def table(ours: dict[str, Any], floor: dict[str, Any]) -> str:
    """The results of `evaluate` for images and for the floor side by side, as lines of text."""
    rows = [("metric", "images", "floor", "better")]
    for key, label, form, better in ROWS:
        if key not in ours:  # "recognised" without classes
            continue
        rows.append((label, form.format(ours[key]), form.format(floor[key]), better))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows
    ]
    lines += ["", "% of    " + " ".join(f"{digit:5}" for digit in range(10))]
    for name, metrics in (("images", ours), ("floor", floor)):
        shares = " ".join(f"{100 * share:5.1f}" for share in metrics["class_histogram"])
        lines.append(f"{name:<6}  {shares}")
    return "\n".join(lines)
