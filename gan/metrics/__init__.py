"""How good generated digits are: measured against MNIST's test images, on the features of a frozen digit classifier."""

from gan.metrics.evaluation import evaluate, n_rows
from gan.metrics.frechet import fid, frechet_distance, moments
from gan.metrics.images import as_images, read_images
from gan.metrics.judge import Judge
from gan.metrics.named_digits import class_histogram, digits_drawn, kl_to_uniform, mnist_score
from gan.metrics.neighbours import precision_recall
from gan.metrics.parzen import parzen, parzen_log_likelihoods

__all__ = [
    "Judge", "as_images", "class_histogram", "digits_drawn", "evaluate", "fid", "frechet_distance", "kl_to_uniform",
    "mnist_score", "moments", "n_rows", "parzen", "parzen_log_likelihoods", "precision_recall", "read_images",
]  # fmt: skip
