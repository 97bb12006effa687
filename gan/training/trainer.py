"""The trainer: a generator and a discriminator learn from images by a recipe."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

import numpy as np

from gan.data.batches import BatchSource
from gan.errors import RunError
from gan.recipe import Recipe
from gan.training.batch_that_fits import memory_error
from gan.training.callback import Callback, check_callbacks
from gan.training.length import checked_length
from gan.training.lower_rate import divergence
from gan.training.recording.loss_log import LossLog
from gan.training.recording.loss_means import COLUMNS, NORMS
from gan.training.recording.records import Records
from gan.training.recording.schedule import RecordSchedule
from gan.training.recording.stopwatch import Stopwatch
from gan.training.snapshot import Snapshot
from gan.training.state import StatefulParts, TrainerState
from gan.training.stuck_loss import StuckLossCallback
from gan.training.together import Together
from gan.training.trainable import TrainableGAN
from nn import DeviceMemoryError, Sequential
from nn.processes.single import SINGLE, Processes

LOG_EVERY = 50  # steps between two reads of the losses; each read waits for the device


class Trainer(TrainableGAN):
    """Trains a generator and a discriminator by a recipe.

    `learning_rate` may be set at any time; the next step uses it. Change other settings of the
    recipe, such as the batch size, before: ``Trainer(replace(recipe, batch_size=32), images)``.

    Parameters
    ----------
    recipe : a `Recipe`
    images : uint8 in 0..255, (N, C, H, W) as the generator makes them; images of one channel may
        also be (N, H, W), (N, H, W, 1) or flat, (N, H * W). Or a `BatchSource`. They are copied.
    labels : integers (N,), the class of each image, for a recipe with classes. For a recipe with
        clusters, `ClusterIds` of an earlier trainer; without classes others are ignored there.
    generator, discriminator : networks used instead of the recipe's, built or not
    seed : weights, data order, noise and dropout have independent streams made from it; on the CPU,
        equal seeds and numbers of threads give equal bytes
    device : name of a device, or a backend
    capture : whether to record a step and replay it; the bytes are the same
    processes : those that train together, from `nn.processes.get_processes`. Each takes an equal
        part of every batch; all call `fit` and `load_state_dict` alike. Callbacks and `state_dict`
        are for rank 0, unless they are called on all ranks.

    Attributes
    ----------
    generator, discriminator : the networks that learn
    fixed_inputs : inputs that never change, for `fixed_samples`
    cluster_ids : integers (N,), for a recipe with clusters, else None
    learned : all arrays on the device that training changes, by name
    optimizers : those of "G" and "D"
    step_count, last_step : steps so far, and the step at which `fit` ends
    ended : whether `fit` has reached its length
    record_due : whether a record is made after this step
    records : makes the records; `records.start` is the step after which the latest one begins
    spread : standard deviations of the losses in the last epoch; see `LossMeans.spread`

    Raises
    ------
    RunError, ShapeError : the arguments do not fit together
    """

    instead = (
        "make a second Trainer with the same settings, and call "
        "second.load_state_dict(first.state_dict())"
    )

    def __init__(
        self,
        recipe: Recipe,
        images: np.ndarray | BatchSource,
        labels: Any = None,
        *,
        generator: Sequential | None = None,
        discriminator: Sequential | None = None,
        seed: Any = 0,
        device: Any = "cpu",
        capture: bool = True,
        processes: Processes = SINGLE,
    ) -> None:
        networks = generator, discriminator
        super().__init__(recipe, images, labels, *networks, seed, device, capture, processes)
        clips = self.recipe.clip_norm is not None or self.recipe.clip_value is not None
        columns = COLUMNS + (NORMS if clips else ())
        self.log = LossLog(self.ops, LOG_EVERY, self.generator.dtype, columns, processes)
        self.stopwatch = Stopwatch()
        self.steps_per_epoch = self.batches.per_epoch
        per_epoch = {"batch_size": self.batch_size, "steps_per_epoch": self.steps_per_epoch}
        self.records = Records(self.log, self.stopwatch, **per_epoch)
        self.step_count, self.ended, self.record_due = 0, False, False
        self.last_step = self._end_seconds = inf
        self.spread: dict[str, float] | None = None
        self._stuck_loss = StuckLossCallback()

        self._last_good = Snapshot(self.ops, list(self.learned.values()), processes)
        both, noise = (self.generator, self.discriminator), self.adversarial_step.noise_stream
        self._stateful = StatefulParts(
            self.ops, self.learned, both, self.batches, noise, self.log, self.stopwatch, processes
        )
        states = self._stateful.stream_states
        self._together = Together(processes, both, lambda: self.seconds, states)

    @property
    def seconds(self) -> float:
        """How long `fit` has run in all, callbacks included."""
        return self.stopwatch.seconds

    def step(self) -> None:
        """One update of D and one of G."""
        if self.log.is_full:
            self._read_log()
        step = self.adversarial_step
        with np.errstate(over="ignore", invalid="ignore"):  # found in `_read_log`
            classes = step.conditioning.labels
            self.batches.gather(self.step_count, out=step.real_rows, class_onehot=classes)
            try:
                self.train_step(self.log.next_row(), self.step_count)
            except DeviceMemoryError as problem:
                del step
                raise self._memory_error(problem) from None
        self.step_count += 1

    def fit(
        self,
        epochs: float | None = None,
        *,
        steps: float | None = None,
        minutes: float | None = None,
        callbacks: Iterable[Callback] = (),
    ) -> list[dict[str, Any]]:
        """Train, with a `CollapseWarning` if a loss stops moving for an epoch.

        Parameters
        ----------
        epochs, steps, minutes : length; the first limit reached ends training. By default the
            recipe's length.
        callbacks : called as training goes on; an error in one of them ends `fit`, and another
            `fit` continues after the last step

        Returns
        -------
        the records, about 60 for a whole run; see `Callback.on_record`

        Raises
        ------
        RunError : a loss, a weight or a moment of Adam is no longer finite. Networks, optimizers
            and step count are then those of the last good step; random streams are not.
        """
        if self.stopwatch.is_running:
            raise RunError(
                "fit: expected one call at a time, got one from within another; wait for the first "
                "to return, or end it with stop()"
            )
        length = checked_length(self.recipe, epochs, steps, minutes)
        callbacks = check_callbacks(callbacks)
        if self.processes.rank == 0:
            callbacks.insert(0, self._stuck_loss)
        seconds = self._together.begin(self.step_count, length, callbacks)
        self.last_step = length.last_step(self.step_count, self.steps_per_epoch)
        self._end_seconds = length.end_seconds(seconds)
        self.ended = self.step_count >= self.last_step
        schedule = RecordSchedule(
            self.last_step, self._end_seconds, step=self.step_count, seconds=seconds
        )
        history: list[dict[str, Any]] = []
        watchers = [each for each in callbacks if type(each).on_step is not Callback.on_step]
        self.stopwatch.start()
        try:
            for callback in callbacks:
                callback.on_start(self)
            self.stopwatch.resume()
            stops = self.ended or self._together.is_stopped()
            while not stops:
                # Reset here, not where an epoch ends: an error in a callback may skip that.
                if self.step_count % self.steps_per_epoch == 0:
                    self.log.epoch.clear()
                    self.stopwatch.begin_epoch()
                self.step()
                for callback in watchers:
                    callback.on_step(self)
                made, stops = self._after_step(schedule, callbacks)
                history += made
        finally:
            self.stopwatch.stop()
            self._together.stop_requested = False
        return history

    def stop(self) -> None:
        """End `fit` after the current step, or the next `fit` before its first.

        A signal handler may call it. With several processes, one that calls it stops all.
        """
        self._together.stop_requested = True

    def state_dict(self) -> TrainerState:
        """Everything that decides how training continues.

        Raises
        ------
        RunError : as from `fit`; with several processes, also if `Callback.on_step` calls it
        """
        if not self.log.is_empty:
            self._together.check_may_read(self.stopwatch.is_running)
            self._read_log()
        self._sampled_network()  # its statistics are part of the state
        return self._stateful.state_dict(self.step_count, self._together.streams_of_ranks)

    def load_state_dict(self, state: TrainerState | tuple[dict[str, Any], dict[str, Any]]) -> None:
        """Continue from the `state_dict` of a trainer with the same settings.

        On the CPU, to the same bytes. The learning rate remains that of this trainer.

        Raises
        ------
        RunError : the state is of other networks, images or settings; this trainer is then unusable
        """
        self.step_count = self._stateful.load_state_dict(TrainerState(*state))
        self._average_changed()
        self.rates.write()  # not those in the optimizers' arrays
        self._last_good.take(self.step_count)
        self._together.gather_streams()

    def _after_step(
        self, schedule: RecordSchedule, callbacks: list[Callback]
    ) -> tuple[list[dict[str, Any]], bool]:
        """Call the callbacks that are due; returns the record, if any, and whether `fit` ends."""
        step = self.step_count
        stopped, seconds = self._together.clock()
        self.ended = step >= self.last_step or seconds >= self._end_seconds
        ends_epoch = step % self.steps_per_epoch == 0
        is_final = schedule.is_due(step, seconds) or self.ended  # else the next fit continues it
        is_final |= ends_epoch and self._together.record_epochs
        self.record_due = is_final or stopped
        if not (self.record_due or ends_epoch or self.log.is_full):
            return [], False
        means = self._read_log()
        self.stopwatch.lap()
        if self.record_due:
            self._together.check_replicas(step)
        for callback in callbacks:
            callback.on_log(self, self.records.of_log(step, means))
        history: list[dict[str, Any]] = []
        stops, epoch_reported = False, False
        while not stops:
            stops = self.ended or self._together.is_stopped()
            if not history and (self.record_due or stops):
                history.append(self.records.since_last(step, is_final))
                for callback in callbacks:
                    callback.on_record(self, history[0])
            if not epoch_reported and (ends_epoch or stops):
                epoch_reported, self.spread = True, self.log.epoch.spread()
                for callback in callbacks:
                    callback.on_epoch(self, self.records.of_epoch(step))
            if not self._together.is_stopped():  # else a callback or a signal has stopped it here
                break
        self.stopwatch.resume()
        return history, stops

    def _read_log(self) -> dict[str, float]:
        """The mean losses since the last read; returns to the last good step on a NaN."""
        means, n_steps, bad = self.log.read()
        if bad is None and self._last_good.take_if_finite(self.step_count):
            self._together.gather_streams()
            return means
        step = self.step_count if bad is None else self.step_count - n_steps + bad + 1
        self._roll_back()
        self.log.epoch.clear()
        self.log.record.clear()
        rate, recipe = self.learning_rate, self.recipe
        raise divergence(step, self.step_count, self.steps_per_epoch, rate, recipe)

    def _roll_back(self) -> None:
        """Return to the last good step, with the current learning rate."""
        self._last_good.restore()
        self._average_changed()
        self.step_count = self._last_good.step
        self.rates.write()

    def _memory_error(self, problem: DeviceMemoryError) -> DeviceMemoryError:
        """The error of a step that ran out of memory, with a batch size that fits.

        It ends the run: the step is gone, and the weights are the last good ones.
        """
        recipe, networks = self.adversarial_step.recipe, (self.generator, self.discriminator)
        del self.adversarial_step, self.train_step  # they hold its memory, as does the traceback
        problem.__traceback__ = None
        error = memory_error(problem, *networks, recipe, self.ema, self.processes.size)
        self._roll_back()
        return error
