"""FID while a training goes on, and how many digits are drawn."""

import numpy as np

from gan.classifier.network import probabilities
from gan.evaluation.feature_extractor import load_frozen
from gan.evaluation.evaluator import Judge
from gan.evaluation.digits import class_histogram, digits_drawn

SAMPLES, SEED = 10_000, 1_000  # not the seed that examples/evaluate.py draws with: what is chosen here is judged there


class FidWatch:
    """The FID of what a trainer's artist draws, every so many epochs and at the end, with the same noise each time.

    test_images: what `Judge` takes. every: epochs between two measurements.
    """

    def __init__(self, test_images, every, device="cpu"):
        self._judge, self._every = Judge(test_images, device), every

    def __call__(self, trainer, epoch):
        """The FID after that epoch; None where it is not its turn, or where a signal cut the epoch short."""
        whole = trainer.step_count % trainer.steps_per_epoch == 0
        if not (trainer.ended or (whole and epoch % self._every == 0)):
            return None
        return self._judge.fid(trainer.sampler.images(trainer.sampler.inputs(SAMPLES, SEED)))


def digit_counter():
    """A function of images, floats in [0, 1] on the host, (N, 28, 28), (N, 1, 28, 28) or (N, 784): how many digits they show, as
    the classifier names them."""
    network = load_frozen("numpy")  # few images: to compile the kernels takes longer

    def count(images):
        grey = np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8)
        return digits_drawn(class_histogram(probabilities(network, grey.reshape(-1, 1, 28, 28))))

    return count
