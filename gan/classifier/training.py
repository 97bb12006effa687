"""Training a classifier on labelled images."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from gan.classifier.augment import ShiftedBatches
from gan.classifier.network import as_input, digit_classifier
from gan.classifier.state import ORDER, ClassifierState, check_arrays
from gan.data.image_shapes import batch_shape
from gan.errors import RunError
from gan.uncopyable import Uncopyable
from nn import Adam, Sequential, SoftmaxCrossEntropy, get_ops
from nn.ops.base import Array, Ops

EPOCHS, BATCH_SIZE = 12, 64
PEAK_RATE, WEIGHT_DECAY = 2e-3, 0.02  # of Adam
WARM_UP = 0.1  # of all steps
AVERAGED_PART = 10  # the average spans 1/10 of the steps so far,
LONGEST_AVERAGE = 1000  # but no more than this
LOG_EVERY = 50  # steps between two reads of the loss; each read waits for the device


class ClassifierTrainer(Uncopyable):
    """Trains a network with Adam on softmax cross-entropy.

    `network` learns. `averaged_network`, a running mean of its weights, is the one to use: it
    follows without the noise of single steps, and is better long before the learning rate has
    decayed. A step allocates about 450 kB for its batch, since NumPy gathers the shifted windows
    on the host; that is little beside the rest of the step.

    Parameters
    ----------
    images
        uint8 (N, C, H, W).
    labels
        Integers (N,).
    build
        Makes the network.
    epochs
        The length of the run.
    batch_size
        Images a step.
    seed
        Weights, dropout and data each get a stream of their own from it; on the CPU, equal seeds
        give equal bytes.
    device
        "cpu", "cuda" and so on, or a backend.

    Raises
    ------
    RunError
        For images or labels that do not fit, and for a loss that is no longer finite.

    References
    ----------
    Polyak & Juditsky 1992 (the average).
    """

    instead = (
        "make a second one with the same settings, and call "
        "second.load_state_dict(first.state_dict())"
    )

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        build: Callable[[], Sequential] = digit_classifier,
        epochs: int = EPOCHS,
        batch_size: int = BATCH_SIZE,
        seed: int = 0,
        device: str | Ops = "cpu",
    ) -> None:
        weights_seed, data_seed = np.random.SeedSequence(seed).spawn(2)
        self.ops = get_ops(device)
        self.batches = ShiftedBatches(images, labels, batch_size, np.random.default_rng(data_seed))
        self.network = build().build(weights_seed, device=self.ops, name="classifier")
        if self.network.input_shape not in (None, images.shape[1:]):
            shape = self.network.input_shape
            expected, got = batch_shape(shape), batch_shape(images.shape[1:])
            raise RunError(
                f"images: expected shape {expected}, as the network takes them, got {got}; resize "
                "them"
            )
        self.averaged_network = build().build(weights_seed, device=self.ops, name="average")
        self.steps_per_epoch = self.batches.per_epoch
        self.total_steps = epochs * self.steps_per_epoch
        self.step_count, self.stopped = 0, False
        self._loss, self._cache = SoftmaxCrossEntropy(), self.network.cache()
        # The losses of an epoch, on the device until they are read
        self._losses = self.ops.zeros((self.steps_per_epoch,), self.network.dtype)
        self._optimizer = Adam(self.network, PEAK_RATE, weight_decay=WEIGHT_DECAY)

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or `stop` was called."""
        return self.stopped or self.step_count >= self.total_steps

    def stop(self) -> None:
        """End the epoch after the current step; a signal handler may call it."""
        self.stopped = True

    def epoch(self, on_log: Callable[[int, float], object] | None = None) -> dict[str, Any]:
        """Train to the end of the epoch, or until stopped.

        An epoch that was stopped is continued.

        Parameters
        ----------
        on_log
            Called as on_log(step_count, loss) every LOG_EVERY steps and at the end, with the
            epoch's mean loss so far.

        Returns
        -------
        dict
            epoch, step, loss, learning_rate and seconds.
        """
        began = time.monotonic()
        while True:
            # a loss that is not finite is detected when it is read
            with np.errstate(over="ignore", invalid="ignore", under="ignore"):
                self.step()
            ended = self.finished or self.step_count % self.steps_per_epoch == 0
            if ended or self.step_count % LOG_EVERY == 0:
                loss = self._mean_loss()
                if on_log:
                    on_log(self.step_count, loss)
            if ended:
                return {
                    "epoch": math.ceil(self.step_count / self.steps_per_epoch),
                    "step": self.step_count,
                    "loss": loss,
                    "learning_rate": self._optimizer.learning_rate,
                    "seconds": time.monotonic() - began,
                }

    def step(self) -> None:
        """Update the network, and its average."""
        images, labels = self.batches.batch(self.step_count)
        place = self.step_count % self.steps_per_epoch
        logits = self.network.forward(as_input(images, self.network), self._cache, train=True)
        target = self.ops.asarray(labels, np.int64)
        dlogits = self._cache.buffer("dlogits", logits.shape)
        self._loss(logits, target, self._cache, dy=dlogits, value=self._losses[place : place + 1])
        self.network.backward(dlogits, self._cache, need_dx=False)
        self._optimizer.learning_rate = learning_rate(self.step_count, self.total_steps)
        self._optimizer.step()
        self._update_average()
        self.step_count += 1

    def _update_average(self) -> None:
        """Move the average towards the network."""
        weight = max(AVERAGED_PART / (AVERAGED_PART + self.step_count), 1 / LONGEST_AVERAGE)
        average, latest = self.averaged_network.parameters, self.network.parameters
        self.ops.moving_average_(average.value.flat, latest.value.flat, weight)
        self.ops.moving_average_(average.statistics.flat, latest.statistics.flat, weight)

    def state_dict(self) -> ClassifierState:
        """Everything that decides how training continues."""
        arrays = {name: np.array(self.ops.to_host(array)) for name, array in self._arrays().items()}
        rest = {
            "step": self.step_count,
            "batches": self.batches.rng.bit_generator.state,
            "dropout": self._dropout_stream.state,
        }
        return ClassifierState(arrays | {ORDER: self.batches.order.copy()}, rest)

    def load_state_dict(self, state: ClassifierState) -> None:
        """Continue from the `state_dict` of a trainer with the same settings.

        On the CPU, to the same bytes.

        Raises
        ------
        RunError
            If the state is of another network, other images or other settings. This trainer is
            then unusable.
        """
        arrays, rest = state
        ours = self._arrays()
        check_arrays(arrays, ours | {ORDER: self.batches.order})
        try:
            self.batches.rng.bit_generator.state = rest["batches"]
            self._dropout_stream.state = rest["dropout"]
            step = int(rest["step"])
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as problem:
            raise RunError(
                f"state: expected one that a trainer returned ({type(problem).__name__}: {problem})"
            ) from None
        if not 0 <= step <= self.total_steps:
            raise RunError(f"state: expected a step of 0 to {self.total_steps:,}, got {step:,}")
        for name, array in ours.items():
            self.ops.copy_(array, self.ops.asarray(arrays[name]))
        self.batches.order[:] = arrays[ORDER]
        self.step_count = step

    def _arrays(self) -> dict[str, Array]:
        """All arrays on the device that training changes."""
        networks = {"network": self.network, "average": self.averaged_network}
        weights = {
            f"{name}.{part}": getattr(network.parameters, part).flat
            for name, network in networks.items()
            for part in ("value", "statistics")
        }
        moments = {f"adam.{slot}": array for slot, array in self._optimizer.state.items()}
        return weights | moments | {"losses": self._losses}

    @property
    def _dropout_stream(self) -> Any:
        """The random stream that all layers of the network share."""
        _, layer = next(iter(self.network.modules()))
        return layer.stream

    def _mean_loss(self) -> float:
        """The mean loss of this epoch's steps so far."""
        n = (self.step_count - 1) % self.steps_per_epoch + 1
        loss = float(self.ops.to_host(self._losses)[:n].mean(dtype=np.float64))
        if not math.isfinite(loss):
            raise RunError(
                f"step {self.step_count}: the loss is no longer finite, training stopped; try "
                "another seed"
            )
        return loss


def learning_rate(step: int, total: int) -> float:
    """The learning rate of a step: linear warm-up to PEAK_RATE, then half a cosine down to 0.

    The first steps are small because Adam has seen few gradients by then. Source: Loshchilov &
    Hutter 2017.
    """
    rising = round(WARM_UP * total)
    if step < rising:
        return PEAK_RATE * (step + 1) / rising
    return PEAK_RATE * (1 + math.cos(math.pi * (step - rising) / (total - rising))) / 2
