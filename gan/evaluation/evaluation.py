"""All metrics of a set of images."""

from gan.evaluation.fid import fid
from gan.evaluation.samples import as_images
from gan.evaluation.digits import class_histogram, digits_drawn, kl_to_uniform, mnist_score
from gan.evaluation.precision_recall import precision_recall
from gan.evaluation.parzen import parzen

NEIGHBOURS = 3
ROWS = (  # of the table: key, label, format, which direction is better
    ("fid", "FID, on the classifier's features", "{:.3f}", "lower"),
    ("mnist_score", "MNIST score", "{:.3f}", "higher, at most 10"),
    ("precision", "precision", "{:.4f}", "higher, at most 1"),
    ("recall", "recall", "{:.4f}", "higher, at most 1"),
    ("digits_drawn", "digits drawn", "{}", "higher, at most 10"),
    ("kl_to_uniform", "KL of the digits to uniform, nats", "{:.4f}", "lower"),
    ("parzen_log_likelihood", "Parzen log-likelihood, nats", "{:.1f}", "higher"),
    ("parzen_standard_error", "  its standard error", "{:.1f}", ""),
    ("parzen_sigma", "  its sigma", "{:.3f}", ""),
)


def evaluate(images, judge, validation, progress=None):
    """Every metric of images, against a `Judge`'s test images: a dict of plain numbers, ready for JSON.

    validation: images by which Parzen's sigma is chosen, neither in the test set nor in `images`. progress(n): called as n
    more rows are done, of `n_rows`. Errors: `DataError` for images that are not as `as_images` wants them.
    """
    images, validation = as_images(images), as_images(validation)
    features = judge.features(images, progress)
    probabilities = judge.probabilities(features)
    histogram = class_histogram(probabilities)
    precision, recall = precision_recall(judge.test_features, features, NEIGHBOURS, progress)
    log_likelihood, error, sigma = parzen(images, validation, judge.test_images, progress)
    return {
        "fid": fid(features, judge.test_features),
        "mnist_score": mnist_score(probabilities),
        "precision": precision,
        "recall": recall,
        "digits_drawn": digits_drawn(histogram),
        "kl_to_uniform": kl_to_uniform(histogram),
        "parzen_log_likelihood": log_likelihood,
        "parzen_standard_error": error,
        "parzen_sigma": sigma,
        "class_histogram": histogram.tolist(),
    }


def n_rows(n_images, n_validation, n_test):
    """How many rows `evaluate` tells its progress of: one for each pass over an image."""
    return (1 + 2) * n_images + n_validation + (1 + 1) * n_test


def table(ours, floor):
    """Both `evaluate`'s figures side by side, as lines of text."""
    rows = [("metric", "images", "floor", "better")]
    rows += [(label, form.format(ours[key]), form.format(floor[key]), better) for key, label, form, better in ROWS]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows]
    shares = [f"{who:<6}  " + " ".join(f"{100 * share:5.1f}" for share in each["class_histogram"]) for who, each in
              (("images", ours), ("floor", floor))]  # fmt: skip
    return "\n".join([*lines, "", "% of  " + "  " + " ".join(f"{digit:5}" for digit in range(10)), *shares])
