"""Training a generator and a discriminator against each other."""

import time
from numbers import Real
from operator import attrgetter

import numpy as np

from gan.training.step import AdversarialStep
from gan.training.batch_that_fits import batch_that_fits
from gan.data.batches import Batches
from gan.data.clusters import clusters
from gan.training.loss_log import LossLog
from gan.recipes import Recipe, get_recipe
from gan.sampling import Sampler, make_images
from gan.training.snapshot import Snapshot
from gan.training.uncopyable import Uncopyable
from nn import DeviceMemoryError, RunError, Sequential, get_ops
from nn.layers.base import Layer

LOG_EVERY = 50  # steps between two looks at the losses; each look waits for the device
N_FIXED = 64  # images of the fixed inputs, drawn again and again as training goes on
MOST_STEPS = 2**53  # beyond which a float does not count


class Callback:
    """What a training tells; override what you need. A record holds the mean losses and outputs, step (all steps so far),
    seconds (of training in the epoch) and images_per_second."""

    def on_start(self, trainer):
        """Before the first step of `fit`."""

    def on_log(self, trainer, record):
        """Every LOG_EVERY steps, and at the end of an epoch: the means since the last call."""

    def on_epoch(self, trainer, record):
        """After each epoch, and where the end of `fit` cuts one short: the means over its steps so far. A later `fit` goes on
        in that epoch, and tells of it again."""


def read_only(name):
    """A property for what other parts were built from: they would not follow if it were set."""
    return property(attrgetter(name))


class Trainer(Uncopyable):
    """A generator and a discriminator that learn from images by a recipe.

    recipe: a `Recipe`, or the name of one. images: uint8 in 0..255, of the shape (N, C, H, W) that the generator makes; those
    of one channel may be (N, H, W), (N, H, W, 1) or flat, (N, H * W), too. labels: integers (N,), for a recipe with classes.
    Images and labels are copied. generator, discriminator: networks of your own instead of the recipe's, built or not. seed:
    weights, data order, noise and dropout each get a stream of their own from it; on the CPU, equal seeds and as many threads
    give equal bytes. batch_size, learning_rate: instead of the recipe's. batches: what makes batches of the images, called as
    `Batches` is. found: for a recipe with clusters, each image's, integers (N,), as an earlier trainer found them. Errors:
    `RunError` or `ShapeError` for what does not fit.

    `learning_rate` may be set at any time; the next step uses it. What the trainer was built from cannot be set.
    `generator` is the network that learns; `artist` is the one to draw with and to keep: the moving average of the generator
    if the recipe has one, else the generator itself; `sampler` draws with it. `state` is all that decides what comes next:
    a new trainer of the same settings that has got it by `restore` goes on to the same bytes, on the CPU.
    """

    def __init__(
        self, recipe, images, labels=None, *, generator=None, discriminator=None, seed=0, device="cpu", batch_size=None,
        learning_rate=None, batches=Batches, found=None,
    ):  # fmt: skip
        if isinstance(recipe, str):
            recipe = get_recipe(recipe)
        elif not isinstance(recipe, Recipe):
            raise RunError(f"recipe: expected a Recipe, or the name of one, got {recipe!r}")
        self._recipe, self._ops = recipe, get_ops(device)
        self._learning_rate = checked_rate(recipe.learning_rate if learning_rate is None else learning_rate)
        g_seed, d_seed, order_seed, noise_seed, fixed_seed, cluster_seed = np.random.SeedSequence(seed).spawn(6)
        batch_size = recipe.batch_size if batch_size is None else batch_size
        self._batches = batches(images, batch_size, recipe.image_range, self.ops, self.ops.stream(order_seed))
        self._batch_size = int(batch_size)
        self._generator = self._built(recipe.generator() if generator is None else generator, g_seed, "G")
        self._discriminator = self._built(recipe.discriminator() if discriminator is None else discriminator, d_seed, "D")
        self._batches.check_shape(self.generator.output_shape((recipe.inputs,)))
        self._clusters = shares = None
        if recipe.clusters:
            labels = self._clusters = clusters(images, recipe.clusters, cluster_seed) if found is None else np.array(found)
        if recipe.kinds:
            self._batches.label(labels, recipe.kinds)
        if recipe.clusters:
            shares = tuple((np.bincount(labels, minlength=recipe.clusters) / len(labels)).tolist())
        average = self._copy_of_generator() if recipe.average else None
        self._average, self._artist = average, average or self.generator
        self._step = AdversarialStep(
            self.generator, self.discriminator, recipe, self.batch_size, self.learning_rate, self.ops.stream(noise_seed), average
        )
        self.sampler = Sampler(self.artist, recipe.latent, recipe.image_range, recipe.classes, shares)
        each_class = np.tile(np.arange(recipe.classes), recipe.classes) if recipe.classes else None
        self.fixed_inputs = self.sampler.inputs(N_FIXED if each_class is None else len(each_class), fixed_seed, each_class)
        self.log = LossLog(self.ops, LOG_EVERY, self.generator.dtype)
        self.steps_per_epoch = self._batches.per_epoch
        self.step_count, self.last_step, self.ended = 0, None, False  # ended: the `fit` has reached its length
        self.spread = None  # of the losses over the last epoch's steps, as `LossLog.spread` gives it
        self._stopped = False
        self._epoch_seconds = 0.0  # of steps, in the epoch that goes on
        self._spent, self._began = 0.0, None  # seconds in every `fit` that is over, and when the present one began
        networks = {"G": self.generator, "D": self.discriminator} | ({"average": average} if average else {})
        self._weights = {
            f"{name}.{part}": getattr(net.parameters, part).flat for name, net in networks.items() for part in ("value", "statistics")
        }
        self._optimizers = {"G": self._step.g_optimizer, "D": self._step.d_optimizer}
        self._learnt = self._weights | {
            f"{name}.adam.{slot}": array for name, adam in self._optimizers.items() for slot, array in adam.state.items()
        }
        self._good = Snapshot(self.ops, list(self._learnt.values()))

    recipe, ops, batch_size = read_only("_recipe"), read_only("_ops"), read_only("_batch_size")
    generator, discriminator, artist = read_only("_generator"), read_only("_discriminator"), read_only("_artist")
    clusters = read_only("_clusters")
    instead = "make a second Trainer with the same settings, and second.restore(*first.state())"

    @property
    def learning_rate(self):
        """Of both networks' next steps."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate):
        self._learning_rate = checked_rate(rate)
        for optimizer in self._optimizers.values():
            optimizer.learning_rate = self._learning_rate

    def step(self):
        """One update of D and one of G."""
        if self.log.is_full:
            self._read_log()
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # a number that is not finite is found when the log is read
            one_hot = self._step.labels if self.recipe.kinds else None
            self._batches.gather(self.step_count, out=self._step.real_rows, one_hot=one_hot)
            try:
                self._step(self.log.next_row(), self.step_count)
            except DeviceMemoryError as problem:
                raise self._too_large(problem) from None
        self.step_count += 1

    def fit(self, epochs=None, *, steps=None, minutes=None, callbacks=()):
        """Train for so many epochs, steps or minutes, whichever ends first; for the recipe's length if none is given.

        Returns the history: one record an epoch. Errors: `RunError` where a loss, a weight or a mean of Adam's is no longer
        finite; the networks, optimizers and step count are then those of the last step that was seen finite; random streams go on.
        An error of a callback's ends `fit`, too; another `fit` goes on after the step that it came from.
        """
        if self._began is not None:
            raise RunError("fit: expected one call at a time, got one from within another; let the first return, stop() ends it")
        if epochs is None and steps is None and minutes is None:
            epochs, steps = self.recipe.epochs, self.recipe.steps
        for name, value in (("epochs", epochs), ("steps", steps), ("minutes", minutes)):
            if value is not None and not (isinstance(value, Real) and value > 0):
                raise RunError(f"{name}: expected a number above 0, got {value!r}")
        callbacks = checked_callbacks(callbacks)
        ends = [self.step_count + n for n in (steps, epochs and epochs * self.steps_per_epoch) if n is not None]
        self.last_step = min(ends, default=float("inf"))
        self.ended, history = self.step_count >= self.last_step, []
        self._began = time.monotonic()
        self._deadline = self._began + 60 * minutes if minutes is not None else float("inf")
        try:
            for callback in callbacks:
                callback.on_start(self)
            while not (self.ended or self._stopped):
                history.append(self._epoch(callbacks))
                for callback in callbacks:
                    callback.on_epoch(self, history[-1])
        finally:
            self._spent, self._began, self._stopped = self.seconds, None, False
        return history

    def stop(self):
        """End `fit` after the step that it is in, or the next `fit` before its first; a signal handler may call it."""
        self._stopped = True

    def fixed_images(self):
        """What the artist, as it is now, makes of inputs that never change: float32 (64, ...) in [0, 1], or for ten classes
        (100, ...), a class in each column of ten."""
        return make_images(self.artist, self.fixed_inputs, self.recipe.image_range)

    @property
    def seconds(self):
        """How long `fit` has gone on in all, with all that its callbacks did."""
        return self._spent + (0.0 if self._began is None else time.monotonic() - self._began)

    def state(self):
        """All that decides what comes next: (arrays on the host by name, the rest as JSON has it).

        Errors: `RunError` as from `fit` where any of it is no longer finite: such a state is of no use.
        """
        if not self.log.is_empty:
            self._read_log()
        arrays = {name: np.array(self.ops.to_host(array)) for name, array in (self._learnt | self._orders()).items()}
        rest = {
            "step": self.step_count,
            "streams": {name: stream.state for name, stream in self._streams().items()},
            "log": self.log.state,
            "seconds": [self.seconds, self._epoch_seconds],
        }
        return arrays, rest

    def restore(self, arrays, rest):
        """Go on from what `state` gave, of a trainer with the same settings; the learning rate stays this trainer's own.

        Errors: `RunError` for a state of other networks, images or settings; the trainer is then of no use.
        """
        mine = self._learnt | self._orders()
        if arrays.keys() != mine.keys():
            odd = min(arrays.keys() ^ mine.keys())
            raise RunError(f"state: expected the arrays {', '.join(mine)}; {odd!r} is {'extra' if odd in arrays else 'missing'}")
        for name, array in mine.items():
            given = arrays[name]
            if (given.shape, given.dtype) != (array.shape, array.dtype):
                raise RunError(f"state: expected {name} of {array.dtype} {array.shape}, got {given.dtype} {given.shape}")
            if name not in self._learnt and not np.array_equal(np.sort(given), np.sort(self.ops.to_host(array))):
                raise RunError(f"state: expected {name} as another order of the training images")
            if not np.isfinite(given).all():
                raise RunError(f"state: expected finite numbers in {name}")
            self.ops.copy_(array, self.ops.asarray(given))
        self.learning_rate = self._learning_rate  # the optimizers' arrays brought the other trainer's
        try:
            for name, stream in self._streams().items():
                stream.state = rest["streams"][name]
            self.step_count, self.log.state = int(rest["step"]), rest["log"]
            self._spent, self._epoch_seconds = map(float, rest["seconds"])
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as problem:
            raise RunError(f"state: it is not one that a trainer gave ({type(problem).__name__}: {problem})") from None
        if not 0 <= self.step_count < MOST_STEPS:
            raise RunError("state: expected a step of at least 0")
        if not (0 <= self._spent < float("inf") and 0 <= self._epoch_seconds < float("inf")):
            raise RunError("state: expected finite seconds of at least 0")
        self._good.keep(self.step_count)

    def _orders(self):
        return {f"order.{k}": vector for k, vector in enumerate(self._batches.orders()[0])}

    def _streams(self):
        """Every stream that training draws from, by name. The layers of a network share one; dropout draws from it."""
        leaves = [leaf for net in (self.generator, self.discriminator) for _, leaf in net.modules()]
        streams = [self._step.noise_stream, *self._batches.orders()[1], *(leaf.stream for leaf in leaves)]
        return {str(k): stream for k, stream in enumerate({id(stream): stream for stream in streams}.values())}

    def _epoch(self, callbacks):
        """Steps to the end of the epoch, or of training; returns their record."""
        if self.step_count % self.steps_per_epoch == 0:  # not where an epoch ends: an error of a callback's may skip that
            self.log.begin_epoch()
            self._epoch_seconds = 0.0
        began, ended = time.monotonic() - self._epoch_seconds, False
        while not ended:
            self.step()
            self.ended = self.step_count >= self.last_step or time.monotonic() >= self._deadline
            ended = self.ended or self._stopped or self.step_count % self.steps_per_epoch == 0
            if ended or self.log.is_full:
                means = self._read_log()
                for callback in callbacks:
                    callback.on_log(self, {**self._progress(began), **means})
        self.spread = self.log.spread()
        return {"epoch": -(-self.step_count // self.steps_per_epoch), **self._progress(began), **self.log.means()}

    def _progress(self, began):
        self._epoch_seconds = seconds = time.monotonic() - began
        steps = (self.step_count - 1) % self.steps_per_epoch + 1  # of the epoch
        return {"step": self.step_count, "seconds": seconds, "images_per_second": steps * self.batch_size / max(seconds, 1e-9)}

    def _is_finite(self):
        return all(self.ops.all_finite(buffer) for buffer in self._learnt.values())

    def _read_log(self):
        """The mean losses since the last look; keeps the state if all is finite, else goes back to the last good one."""
        means, n_steps, bad = self.log.read()
        if bad is None and self._is_finite():
            self._good.keep(self.step_count)
            return means
        step = self.step_count if bad is None else self.step_count - n_steps + bad + 1
        self._go_back()
        self.log.begin_epoch()
        raise RunError(
            f"step {step}: a loss, a weight or a mean of Adam's is no longer finite; training stopped, and the weights are those "
            f"of step {self.step_count}, the last known to be good, {self.step_count // self.steps_per_epoch} whole epochs. Try "
            f"a learning rate below {self.learning_rate:g}"
        )

    def _go_back(self):
        """To the last good step, but with the learning rate of now."""
        self._good.restore()
        self.step_count, self.learning_rate = self._good.step, self._learning_rate

    def _too_large(self, problem):
        """The error of a step that finds no memory, with a batch size that does.

        It ends the training: the step is gone, and the weights are the last good ones.
        """
        self._step, problem.__traceback__ = None, None  # both hold the step's memory

        def run_step(n):
            noise = self.ops.stream(np.random.SeedSequence(0))
            step = AdversarialStep(self.generator, self.discriminator, self.recipe, n, self.learning_rate, noise, self._average)
            for buffer in (step.images, step.inputs):
                self.ops.fill_(buffer, 0)
            step(LossLog(self.ops, 1, self.generator.dtype).next_row())

        n = batch_that_fits(run_step, self.batch_size, max(self.recipe.pack, 2))
        self._go_back()
        remedy = f"a batch of {n} fits" if n else "no smaller batch fits either"
        return DeviceMemoryError(f"{problem}. The batch is of {self.batch_size} images: {remedy}")

    def _copy_of_generator(self):
        """A network like the generator, with the same values in memory of its own."""
        twin = Layer.from_config(self.generator.to_config()).build(seed=0, device=self.ops, dtype=self.generator.dtype, name="average")
        for ours, its in (
            (twin.parameters.value, self.generator.parameters.value),
            (twin.parameters.statistics, self.generator.parameters.statistics),
        ):
            self.ops.copy_(ours.flat, its.flat)
        return twin

    def _built(self, network, seed, name):
        if not isinstance(network, Sequential):
            raise RunError(f"network {name}: expected a Sequential, got {network!r}")
        if network.parameters is None:
            return network.build(seed, device=self.ops, name=name)
        if network.ops.device != self.ops.device:
            raise RunError(f"network {name}: expected it on {self.ops.device}, it was built on {network.ops.device}")
        return network


def checked_rate(rate):
    """A learning rate as a float; `RunError` unless it is finite and above 0."""
    if not (isinstance(rate, Real) and 0 < rate < float("inf")):
        raise RunError(f"learning rate: expected a finite number above 0, got {rate!r}")
    return float(rate)


def checked_callbacks(callbacks):
    """The callbacks as a list, since an iterator would be used up by the first loop; `RunError` for anything else."""
    if isinstance(callbacks, Callback):
        raise RunError(f"callbacks: expected a list of Callback objects, got one, {callbacks!r}; put it into a list")
    try:
        callbacks = list(callbacks)
    except TypeError:
        raise RunError(f"callbacks: expected a list of Callback objects, got {callbacks!r}") from None
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise RunError(f"callbacks: expected a list of Callback objects, got {callback!r} in it")
    return callbacks
