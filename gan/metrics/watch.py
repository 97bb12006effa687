"""FID while a training goes on."""

from gan.metrics.judge import Judge
from gan.metrics.named_digits import class_histogram, digits_drawn

SAMPLES, SEED = 10_000, 1_000  # not the seed that examples/evaluate.py draws with: what is chosen here is judged there


class FidWatch:
    """The FID of what a trainer's artist draws, every so many epochs and at the end, with the same noise each time.

    test_images: what `Judge` takes. every: epochs between two measurements.
    """

    def __init__(self, test_images, every, device="cpu"):
        self._judge, self._every = Judge(test_images, device), every
        self.digits = None  # how many digits were drawn, as measured after the last epoch

    def __call__(self, trainer, epoch):
        """The FID after that epoch; None where it is not its turn, or where a signal cut the epoch short."""
        whole = trainer.step_count % trainer.steps_per_epoch == 0
        self.digits = None
        if not (trainer.ended or (whole and epoch % self._every == 0)):
            return None
        features = self._judge.features(trainer.sampler.images(trainer.sampler.inputs(SAMPLES, SEED)))
        self.digits = digits_drawn(class_histogram(self._judge.probabilities(features)))
        return self._judge.distance(features)
