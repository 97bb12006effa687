"""Training a classifier of labelled images."""

import math
import time

import numpy as np

from gan.classifier.augment import ShiftedBatches
from gan.classifier.network import as_input, digit_classifier
from gan.data.image_shapes import batch_shape
from gan.uncopyable import Uncopyable
from gan.errors import RunError
from nn import Adam, SoftmaxCrossEntropy, get_ops

EPOCHS, BATCH_SIZE = 12, 64
PEAK_RATE, WEIGHT_DECAY = 2e-3, 0.02  # of Adam
WARM_UP = 0.1  # of all steps
LONGEST_AVERAGE = 1000  # steps
LOG_EVERY = 50  # steps between two looks at the loss; each look waits for the device


class ClassifierTrainer(Uncopyable):
    """A network that learns from uint8 images (N, 1, 28, 28) and integer labels (N,), by Adam on softmax cross-entropy.

    `network` learns; `average`, a running mean of its weights, is what to use: it goes the same way without the noise of
    single steps, and is better long before the learning rate has come down. build: a function that makes the network.
    Unlike a GAN's, a step takes new memory, some 450 kB for its batch: shifted windows are gathered by NumPy, on the host, then
    scaled and moved to the device. That is little beside the step's own work.
    seed: weights, dropout and data each get a stream of their own from it; on the CPU, equal seeds give equal bytes.
    Errors: `RunError` for images or labels that do not fit, and for a loss that is no longer finite.
    Source of the average: Polyak & Juditsky 1992.
    """

    instead = "make another with the same settings, which trains to the same bytes"

    def __init__(self, images, labels, *, build=digit_classifier, epochs=EPOCHS, batch_size=BATCH_SIZE, seed=0, device="cpu"):
        weights_seed, data_seed = np.random.SeedSequence(seed).spawn(2)
        self.ops = get_ops(device)
        self.batches = ShiftedBatches(images, labels, batch_size, np.random.default_rng(data_seed))
        self.network = build().build(weights_seed, device=self.ops, name="classifier")
        if self.network.input_shape not in (None, images.shape[1:]):
            wanted, got = batch_shape(self.network.input_shape), batch_shape(images.shape[1:])
            raise RunError(f"images: expected shape {wanted}, as the network takes them, got {got}; bring them to that shape")
        self.average = build().build(weights_seed, device=self.ops, name="average")
        self.steps_per_epoch = self.batches.per_epoch
        self.total_steps = epochs * self.steps_per_epoch
        self.step_count, self.stopped = 0, False
        self._loss, self._cache = SoftmaxCrossEntropy(), self.network.cache()
        self._losses = self.ops.zeros((self.steps_per_epoch,), self.network.dtype)  # on the device; read now and then
        self._optimizer = Adam(self.network, PEAK_RATE, weight_decay=WEIGHT_DECAY)

    @property
    def finished(self):
        return self.stopped or self.step_count >= self.total_steps

    def stop(self):
        """End the epoch after the step that it is in; a signal handler may call it."""
        self.stopped = True

    def epoch(self, on_log=None):
        """Train to the end of the epoch, or until stopped; returns its record. on_log(step_count, loss) is called at times."""
        began, first = time.monotonic(), self.step_count
        while True:
            with np.errstate(over="ignore", invalid="ignore"):  # a loss that is not finite is found when it is read
                self.step()
            ended = self.finished or self.step_count % self.steps_per_epoch == 0
            if ended or self.step_count % LOG_EVERY == 0:
                loss = self._mean_loss(first)
                if on_log:
                    on_log(self.step_count, loss)
            if ended:
                rate, seconds = self._optimizer.learning_rate, time.monotonic() - began
                number = -(-self.step_count // self.steps_per_epoch)
                return {"epoch": number, "step": self.step_count, "loss": loss, "learning_rate": rate, "seconds": seconds}

    def step(self):
        """One update of the network, and of the average."""
        images, labels = self.batches.batch(self.step_count)
        place = self.step_count % self.steps_per_epoch
        logits = self.network.forward(as_input(images, self.network), self._cache, train=True)
        labels = self.ops.asarray(labels, np.int64)
        _, dlogits = self._loss(logits, labels, self._cache, value=self._losses[place : place + 1])
        self.network.backward(dlogits, self._cache, need_dx=False)
        self._optimizer.learning_rate = learning_rate(self.step_count, self.total_steps)
        self._optimizer.step()
        weight = max(10 / (10 + self.step_count), 1 / LONGEST_AVERAGE)  # about the last tenth of the steps until now
        ours, theirs = self.average.parameters, self.network.parameters
        self.ops.moving_average_(ours.value.flat, theirs.value.flat, weight)
        self.ops.moving_average_(ours.statistics.flat, theirs.statistics.flat, weight)
        self.step_count += 1

    def _mean_loss(self, first):
        place = first % self.steps_per_epoch
        loss = float(self.ops.to_host(self._losses)[place : place + self.step_count - first].mean(dtype=np.float64))
        if not math.isfinite(loss):
            raise RunError(f"step {self.step_count}: the loss is no longer finite; training stopped")
        return loss


def learning_rate(step, total):
    """Up from near 0 to PEAK_RATE in a straight line, then down along half a cosine, which would reach 0 at step `total`.

    The first steps are short since Adam knows little of the gradient's size then. Source: Loshchilov & Hutter 2017.
    """
    rising = round(WARM_UP * total)
    if step < rising:
        return PEAK_RATE * (step + 1) / rising
    return PEAK_RATE * (1 + math.cos(math.pi * (step - rising) / (total - rising))) / 2
