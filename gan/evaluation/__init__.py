"""How good generated digits are, measured against MNIST's test images."""

import nn  # noqa: F401, I001  before NumPy: it limits how long OpenBLAS's idle threads spin
from gan.evaluation.class_metrics import (
    class_histogram,
    digits_drawn,
    kl_to_uniform,
    mnist_score,
    unsure,
)
from gan.evaluation.evaluator import Evaluator
from gan.evaluation.fid import fid, frechet_distance, moments
from gan.evaluation.metrics import evaluate, n_rows
from gan.evaluation.parzen import parzen, parzen_log_likelihoods
from gan.evaluation.precision_recall import precision_recall
from gan.evaluation.samples import as_images, read_images

__all__ = [
    "Evaluator",
    "as_images",
    "class_histogram",
    "digits_drawn",
    "evaluate",
    "fid",
    "frechet_distance",
    "kl_to_uniform",
    "mnist_score",
    "moments",
    "n_rows",
    "parzen",
    "parzen_log_likelihoods",
    "precision_recall",
    "read_images",
    "unsure",
]
