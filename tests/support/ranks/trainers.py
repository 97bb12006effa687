"""What a `Trainer` does on several ranks: python -m tests.support.ranks.trainers.

Rank 0 prints the name of each check that has passed. It also trains alone, to compare. The names
of some checks may be given.
"""

import sys
from dataclasses import replace

import numpy as np
import pytest

from gan.data.stacked import StackedDigits, random_triples
from gan.errors import RunError
from gan.objectives.objectives import Relativistic
from gan.objectives.penalties import OneCentered, ZeroCentered
from gan.recipes import RECIPES, STACKED_DIGITS
from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn import Dense, Flatten, LeakyReLU, ProcessesError, Reshape, Sequential, Tanh
from nn.layers.batchnorm import synchronize_batchnorm
from nn.processes import SINGLE, get_processes
from tests.support.small import TINY, TINY_BATCHNORM

BATCH, IMAGES = 12, 30
PLAIN = replace(
    TINY,
    batch_size=BATCH,
    make_generator=lambda n_in: Sequential(Dense(n_in, 6), LeakyReLU(0.2), Dense(6, 784), Tanh()),
    make_discriminator=lambda n_out: Sequential(Dense(784, 5), LeakyReLU(0.2), Dense(5, n_out)),
)
PACKED = replace(
    PLAIN,
    pack=2,
    make_discriminator=lambda n_out: Sequential(Dense(1568, 5), LeakyReLU(0.2), Dense(5, n_out)),
)
# Those without dropout; the others have the same networks, or larger ones
NAMES = "conv-clusters", "conv-r1r2-classes", "two-layer", "mlp-leaky", "stacked-ours", "points"
VARIANTS = {
    "packed": replace(PACKED, penalty=OneCentered(every=2), n_critic=2, clip_norm=0.1),
    "clusters": replace(PLAIN, clusters=3, penalty=ZeroCentered(1.0, every=2), ema_decay=0.9),
    "classes, each in clusters": replace(PLAIN, classes=10, clusters=2, ema_decay=0.9),
    "a cluster for each channel": replace(
        PLAIN,
        image_shape=STACKED_DIGITS,
        make_generator=lambda n_in: Sequential(
            Dense(n_in, 3 * 784), Reshape(STACKED_DIGITS), Tanh()
        ),
        make_discriminator=lambda n_out: Sequential(
            Flatten(), Dense(3 * 784, n_out), input_shape=STACKED_DIGITS
        ),
        clusters=3,
        clusters_per_image=3,
        ema_decay=0.9,
    ),
    "pairs": replace(PLAIN, objective=Relativistic(), fresh_noise=False, weight_decay=0.1),
    # Biases before batch norm have zero gradient; Adam makes steps of what rounding leaves of it
    "batch norm": replace(TINY_BATCHNORM, batch_size=BATCH, learning_rate=1e-3),
}


def trainer(recipe, processes, dtype="float32", device="numpy", n=IMAGES, labels=None, **settings):
    """A trainer on random images, with batch norm that sees whole batches."""
    rng = np.random.default_rng(0)
    if recipe.clusters_per_image > 1:
        images = StackedDigits(
            rng.integers(0, 256, (n, 1, 28, 28), np.uint8), random_triples(n, n, 0)
        )
    else:
        images = rng.integers(0, 256, (n, *recipe.image_shape)).astype(np.uint8)
    built = {"device": device, "dtype": dtype}
    G, D = recipe.generator().build(1, **built), recipe.discriminator().build(2, **built)
    if recipe.classes and labels is None:
        labels = np.arange(n) % 10
    made = Trainer(
        recipe,
        images,
        labels,
        generator=G,
        discriminator=D,
        device=device,
        processes=processes,
        **settings,
    )
    for network in (made.generator, made.discriminator):
        synchronize_batchnorm(network, processes)
    return made


def learned(trained):
    """All that training has changed, as one vector."""
    return np.concatenate([array.ravel() for array in trained.learned.values()])


def equality(processes):
    """In float64, the ranks take the steps of a single process, up to rounding."""
    names = NAMES if processes.size == 2 else ["mlp-leaky"]  # the others take seconds
    for name, recipe in ({name: RECIPES[name] for name in names} | VARIANTS).items():
        recipe = replace(recipe, batch_size=BATCH, clusters=min(recipe.clusters, 3))
        steps = 7 if name in VARIANTS else 2
        trained = trainer(recipe, processes, "float64")
        history = trained.fit(steps=steps)
        if processes.rank == 0:
            alone = trainer(recipe, SINGLE, "float64")
            want = alone.fit(steps=steps)
            difference = np.abs(learned(trained) - learned(alone)).max()
            assert difference <= 1e-10, (name, difference)
            assert (trained.cluster_ids is None) == (alone.cluster_ids is None)
            for row, wanted in zip(history, want, strict=True):
                timed = {"seconds", "images_per_second"}
                for key in row.keys() - timed:
                    assert abs(row[key] - wanted[key]) <= 1e-10, (name, key)
            samples = trained.fixed_samples(), alone.fixed_samples()  # float32
            assert np.abs(samples[0] - samples[1]).max() <= 1e-6


def replicas(processes):
    """After 300 steps with dropout, the same weights everywhere; resumed, the same bytes."""
    whole, half = (trainer(TINY_12, processes) for _ in range(2))
    whole.fit(steps=300)
    everywhere = processes.gather(learned(whole).tobytes())
    assert all(each == everywhere[0] for each in everywhere)
    half.fit(steps=150)
    state = processes.share(half.state_dict())
    masks = [rank["2"] for rank in state.rest["ranks"]]
    assert all(mask != masks[0] for mask in masks[1:])  # dropout of a rank's own
    resumed = trainer(TINY_12, processes)
    resumed.load_state_dict(state)
    resumed.fit(steps=150)
    assert learned(resumed).tobytes() == learned(whole).tobytes()
    with pytest.raises(RunError, match=f"expected {processes.size}, .* got 1; start it with  mpi"):
        trainer(TINY_12, SINGLE).load_state_dict(state)
    with pytest.raises(RunError, match=f"expected 1, .* got {processes.size}; start it without"):
        half.load_state_dict(trainer(TINY_12, SINGLE).state_dict())


def programs(processes):
    """Steps that are replayed give the bytes of steps from Python; each sends its gradients."""
    pytest.importorskip("numba")
    with_penalty = replace(TINY_12, penalty=ZeroCentered(1.0, every=8), ema_decay=0.9)
    with_batchnorm = VARIANTS["batch norm"]
    for recipe, kinds in (
        (with_penalty, {(False, True), (True, True)}),
        (
            with_batchnorm,
            {(False, True)},
        ),
    ):
        runs = [trainer(recipe, processes, device="cpu", capture=c) for c in (True, False)]
        for each in runs:
            each.fit(steps=60)
        captured, plain = runs
        assert set(captured.train_step.programs) == kinds and captured.train_step.is_possible
        assert learned(captured).tobytes() == learned(plain).tobytes()
        others = processes.gather(learned(captured).tobytes())
        assert all(other == others[0] for other in others)


class Stop(Callback):
    """Stops at a record, on one rank."""

    def on_record(self, trainer, record):
        if trainer.step_count == 8:
            trainer.stop()


def ends(processes):
    """stop() on the last rank, or the minutes of the slowest, end all after the same step."""
    stopped = trainer(TINY_12, processes)
    last = processes.rank == processes.size - 1
    stopped.fit(steps=1000, callbacks=[Stop()] if last else [])
    assert stopped.step_count == 8
    timed = trainer(TINY_12, processes)
    timed.fit(minutes=0.0005)
    steps = processes.gather(timed.step_count)
    assert all(n == steps[0] > 0 for n in steps)
    with pytest.raises(RunError, match="no longer finite") as caught:
        trainer(replace(TINY_12, learning_rate=1e30), processes).fit(steps=100)
    assert caught.value.everywhere


class Meddle(Callback):
    """Changes a weight, on one rank."""

    def on_record(self, trainer, record):
        trainer.generator.parameters.value.flat[0] += 1


def mismatches(processes):
    """What differs between ranks is named before the first step, or at the next record."""
    rank = processes.rank
    with pytest.raises(ProcessesError, match="number of images: expected 30 on rank 1 as on rank"):
        trainer(PLAIN, processes, n=IMAGES - rank)
    with pytest.raises(ProcessesError, match="learning rate: .* on rank 1 as on rank 0"):
        trainer(replace(PLAIN, learning_rate=0.1 * (rank + 1)), processes)
    with pytest.raises(ProcessesError, match="recipe.penalty: expected None on rank 1 as on rank"):
        trainer(replace(PLAIN, penalty=ZeroCentered(1.0) if rank else None), processes)
    with pytest.raises(ProcessesError, match=r"dtype: .* on rank 1 as on rank 0"):
        trainer(PLAIN, processes, dtype=("float32", "float64")[rank > 0])
    labels = (np.arange(IMAGES) + rank) % 10
    with pytest.raises(ProcessesError, match="checksum of the labels: .* on rank 1 as on rank 0"):
        trainer(replace(PLAIN, classes=10), processes, labels=labels)
    with pytest.raises(ProcessesError, match="seed: expected 0 on rank 1 as on rank 0, got 1"):
        trainer(PLAIN, processes, seed=rank)
    with pytest.raises(ProcessesError, match="length: .* call fit alike on all ranks"):
        trainer(PLAIN, processes).fit(steps=1 + rank)
    with pytest.raises(RunError, match=r"expected a multiple of .*; use --batch-size"):
        trainer(replace(PLAIN, batch_size=BATCH + 1), processes)
    with pytest.raises(RunError, match="step 2: expected the same weights on all ranks"):
        trainer(PLAIN, processes).fit(steps=4, callbacks=[] if rank else [Meddle()])


TINY_12 = replace(TINY, batch_size=BATCH)

if __name__ == "__main__":
    together = get_processes()
    checks = equality, replicas, programs, ends, mismatches
    for check in [each for each in checks if each.__name__ in sys.argv[1:] or not sys.argv[1:]]:
        check(together)
        together.agree()
        if together.rank == 0:
            print(check.__name__, flush=True)
