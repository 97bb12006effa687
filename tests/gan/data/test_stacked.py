"""Stacked MNIST: batches, recipes and modes."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from gan.data.clusters import ClusterIds
from gan.data.datasets import load
from gan.data.stacked import StackedDigits, random_triples
from gan.errors import DataError, RunError
from gan.evaluation import stacked_modes
from gan.evaluation.feature_extractor import load_feature_extractor
from gan.evaluation.stacked_modes import classify_triples, modes, sample_triples, table
from gan.images import GAP, SCALE, grid
from gan.latent import Latent
from gan.recipes import RECIPES, STACKED_DIGITS, recipes_for
from gan.training.checks import has_batchnorm
from gan.training.trainer import Trainer
from nn import Dense, Flatten, Reshape, Sequential, Tanh, get_ops
from tests.support.small import digits, weights

OPS = get_ops("cpu")
N_DIGITS, N_TRIPLES, BATCH = 43, 24, 8
TRIPLES = random_triples(N_DIGITS, N_TRIPLES, 3)

TINY = replace(
    RECIPES["stacked-ours"],
    name="tiny",
    make_generator=lambda n_in: Sequential(Dense(n_in, 3 * 784), Reshape((3, 28, 28)), Tanh()),
    make_discriminator=lambda n_out: Sequential(
        Flatten(), Dense(3 * 784, n_out), input_shape=(3, 28, 28)
    ),
)


@pytest.fixture(scope="module")
def real():
    """A few hundred training images of the bundled sample and their labels."""
    images, labels = load("mnist-sample", "train", flat=False)
    return images[:400], labels[:400]


@pytest.fixture(scope="module")
def classifier():
    return load_feature_extractor()


# ---- batches


def batches(images, batch_size=BATCH, image_range=(0.0, 255.0), seed=0, ops=OPS, triples=TRIPLES):
    order = ops.stream(np.random.SeedSequence(seed))
    return StackedDigits(images, triples).batches(batch_size, image_range, ops, order)


def epoch(source, number, ops=OPS, dtype="float32"):
    """An epoch's images, (N, 3, pixels), on the host."""
    out, rows = ops.empty((source.batch_size, source.n_pixels), dtype), []
    for step in range(number * source.per_epoch, (number + 1) * source.per_epoch):
        source.gather(step, out=out)
        rows.append(ops.to_host(out))
    return np.concatenate(rows).reshape(-1, 3, source.n_pixels // 3)


def triples_of(rows):
    """The triples of an epoch as tuples; the first pixel of a digit is its number."""
    return [tuple(map(int, row)) for row in rows[:, :, 0]]


def test_each_channel_is_the_digit_of_its_index(backend):
    images = digits(N_DIGITS, 6)
    source = batches(images, ops=backend)
    assert (source.per_epoch, source.n_pixels) == (3, 18)
    for number in range(2):
        rows = epoch(source, number, backend)
        assert sorted(triples_of(rows)) == sorted(map(tuple, TRIPLES.tolist()))  # each triple once
        assert np.array_equal(rows, images[np.array(triples_of(rows))].astype(np.float32))


def test_a_gather_allocates_nothing_on_the_device():
    from tests.support.strict import StrictOps

    ops = StrictOps()
    source, out = batches(digits(N_DIGITS, 6), ops=ops), ops.empty((BATCH, 18), "float32")
    ops.freeze()
    for step in range(7):
        source.gather(step, out=out)


def test_each_epoch_has_its_own_order():
    source = batches(digits(N_DIGITS, 6))
    orders = {tuple(triples_of(epoch(source, number))) for number in range(4)}
    assert len(orders) == 4 and tuple(map(tuple, TRIPLES.tolist())) not in orders


def test_equal_seeds_give_equal_orders():
    a, b, c = (epoch(batches(digits(N_DIGITS, 6), seed=s), 0) for s in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_images_left_over_in_one_epoch_occur_in_later_ones():
    source = batches(digits(N_DIGITS, 6), 7)
    seen = [triples_of(epoch(source, number)) for number in range(8)]
    assert all(len(set(s)) == 21 for s in seen) and len(set().union(*seen)) == N_TRIPLES


@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-7), ("float64", 4e-16)])
def test_bytes_become_the_image_range(dtype, tolerance):
    every = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    rows = epoch(batches(every, 1, (-1.0, 1.0), triples=np.zeros((1, 3), int)), 0, dtype=dtype)
    assert rows.dtype == dtype and np.abs(rows - (2 * np.arange(256) / 255 - 1)).max() <= tolerance
    assert rows.min() == -1 and rows.max() == 1


def test_a_deep_copy_continues_alike_and_independently():
    source = batches(digits(N_DIGITS, 6))
    epoch(source, 0)
    twin = copy.deepcopy(source)
    first, second = (
        [triples_of(epoch(each, number)) for number in (1, 2)] for each in (source, twin)
    )
    assert first == second


def test_the_callers_arrays_are_unchanged():
    images, triples = digits(N_DIGITS, 6), TRIPLES.copy()
    before = images.copy()
    epoch(batches(images, triples=triples), 0)
    assert np.array_equal(images, before) and np.array_equal(triples, TRIPLES)


@pytest.mark.parametrize(
    "settings, words",
    [
        (
            {"triples": TRIPLES[:, :2]},
            r"triples: expected integers of shape \(M, 3\), got int64 \(24, 2\)",
        ),
        ({"triples": TRIPLES.astype(float)}, "triples: expected integers.*float64"),
        ({"triples": TRIPLES.tolist()}, "triples: expected integers.*list"),
        ({"triples": TRIPLES + N_DIGITS}, r"triples: expected digits in 0\.\.42"),
        ({"triples": TRIPLES - N_DIGITS}, r"triples: expected digits in 0\.\.42"),
        ({"batch_size": 0}, "batch size: expected 1 to 24, the number of triples, got 0"),
        ({"batch_size": 25}, "batch size: expected 1 to 24, the number of triples, got 25"),
        ({"batch_size": 2.0}, "batch size: expected 1 to 24"),
        ({"images": np.zeros((N_DIGITS, 6))}, "images: expected a uint8 array.*float64"),
    ],
)
def test_invalid_settings_are_refused(settings, words):
    with pytest.raises(RunError, match=words):
        batches(**{"images": digits(N_DIGITS, 6), **settings})


def test_classes_of_whole_images_are_refused():
    with pytest.raises(
        RunError, match="stacked digits: expected an unconditional recipe, .* got 9"
    ):
        batches(digits(N_DIGITS, 6)).set_labels(np.zeros(N_DIGITS, int), 9)


def test_each_channel_has_the_cluster_of_its_digit():
    # a digit's pixels and its cluster both tell which digit it is
    images = np.repeat(np.arange(N_DIGITS, dtype=np.uint8)[:, np.newaxis], 6, axis=1)
    source = batches(images)
    source.set_labels(np.arange(N_DIGITS), N_DIGITS, 3)
    out = OPS.empty((BATCH, source.n_pixels), "float32")
    onehot = OPS.empty((BATCH, 3 * N_DIGITS), "float32")
    for step in range(2 * source.per_epoch):
        source.gather(step, out=out, class_onehot=onehot)
        assert np.array_equal(onehot.reshape(BATCH, 3, -1).argmax(axis=2), out[:, ::6])
        assert (onehot.sum(axis=1) == 3).all()


def test_several_clusters_are_for_stacked_digits_alone():
    recipe = replace(RECIPES["conv-clusters"], clusters=2, clusters_per_image=3)
    with pytest.raises(
        RunError, match="images: expected a recipe with one cluster for each, got 3"
    ):
        Trainer(recipe, digits(64))


def test_clusters_are_those_of_the_digits_and_drawn_for_each_channel():
    recipe = replace(TINY, name="tiny-clusters", clusters=4, clusters_per_image=3, latent=Latent(5))
    t = trainer(recipe, seed=3)
    assert t.cluster_ids.shape == (N_DIGITS,) and set(t.cluster_ids) <= set(range(4))
    again = trainer(recipe, seed=3, labels=ClusterIds(t.cluster_ids))
    for each in (t, again):
        each.fit(steps=2)
    assert weights(t) == weights(again)

    sampler = t.sampler
    assert (sampler.n_in, sampler.condition.size, sampler.condition.count) == (17, 12, 64)
    assert t.discriminator.output_shape((3, 28, 28)) == (12,)
    drawn = sampler.inputs(4000, 1)[:, 5:].reshape(4000, 3, 4)
    assert (drawn.sum(axis=2) == 1).all()
    shares = np.bincount(t.cluster_ids, minlength=4) / N_DIGITS
    assert np.allclose(drawn.mean(axis=0), shares, atol=0.04)  # 5 standard deviations
    both = drawn[:, 0].T @ drawn[:, 1] / 4000
    assert np.allclose(both, np.outer(shares, shares), atol=0.04)  # independent


def test_the_logit_of_stacked_digits_is_the_sum_over_their_clusters():
    recipe = replace(TINY, name="tiny-clusters", clusters=4, clusters_per_image=3)
    step = trainer(recipe).adversarial_step
    conditioning, rows = step.conditioning, slice(0, BATCH)
    conditioning.labels[:] = np.tile(np.eye(4, dtype=np.float32)[[2, 0, 1]].ravel(), (BATCH, 1))
    conditioning.begin_step()
    outputs = np.random.default_rng(0).random((BATCH, 12), np.float32)
    logits = conditioning.logits(outputs, rows)
    assert np.allclose(logits[:, 0], outputs[:, 2] + outputs[:, 4] + outputs[:, 9])
    dlogits = np.random.default_rng(1).random((BATCH, 1), np.float32)
    gradient = conditioning.backward(dlogits, rows)
    assert np.array_equal(gradient[:, [2, 4, 9]], np.repeat(dlogits, 3, axis=1))
    assert gradient.sum() == pytest.approx(3 * dlogits.sum())


def test_random_triples_are_uniform_and_independent():
    a, b, c = (random_triples(50, 4000, seed) for seed in (0, 0, 1))
    assert a.shape == (4000, 3) and np.array_equal(a, b) and not np.array_equal(a, c)
    for column in a.T:
        counts = np.bincount(column, minlength=50)
        # 80 each; 5 standard deviations are 44
        assert len(counts) == 50 and counts.min() > 35 and counts.max() < 130
    assert np.abs(np.corrcoef(a.T) - np.eye(3)).max() < 0.08


# ---- trainers and recipes


def trainer(recipe=TINY, images=None, **settings):
    images = digits(N_DIGITS) if images is None else images
    return Trainer(replace(recipe, batch_size=BATCH), StackedDigits(images, TRIPLES), **settings)


def test_a_trainer_learns_from_the_batches_it_is_given():
    t = trainer()
    assert t.steps_per_epoch == 3
    for _ in range(3):
        t.step()
        first = t.adversarial_step.real_rows.reshape(BATCH, 3, 784)[:, :, 0]
        assert set(triples_of(np.rint((first[:, :, None] + 1) * 127.5))) <= set(
            map(tuple, TRIPLES.tolist())
        )


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (28, 28, 1), (784,)])
def test_digits_may_have_any_shape_of_one_channel(shape):
    plain, other = trainer(), trainer(images=digits(N_DIGITS).reshape(-1, *shape))
    plain.step()
    other.step()
    assert np.array_equal(plain.adversarial_step.real_rows, other.adversarial_step.real_rows)


@pytest.mark.parametrize("shape", [(6,), (14, 56), (1, 56, 14), (28, 28, 3), (3, 28, 28)])
def test_digits_of_another_shape_are_refused(shape):
    images = np.zeros((N_DIGITS, *shape), np.uint8)
    with pytest.raises(
        RunError,
        match=r"images: expected shape \(N, 1, 28, 28\), as the generator makes them, got \(N, ",
    ):
        trainer(images=images)


def test_a_generator_of_one_channel_is_refused():
    with pytest.raises(
        RunError,
        match=r"stacked digits: expected .* 3 channels, got .* images have shape \(784,\)",
    ):
        trainer(generator=Sequential(Dense(100, 784)), discriminator=Sequential(Dense(784, 1)))


@pytest.mark.parametrize("name", recipes_for(STACKED_DIGITS))
def test_a_recipe_keeps_to_the_protocol_and_trains(name):
    recipe = RECIPES[name]
    if not recipe.clusters:
        assert (recipe.latent.size, recipe.latent.distribution) == (100, "uniform")
    assert (recipe.batch_size, recipe.epochs, recipe.beta1) == (64, 50, 0.5)
    assert recipe.image_range == (-1, 1)
    t = trainer(recipe)
    before = weights(t)
    t.fit(steps=2)  # refuses a loss that is not finite
    assert weights(t) != before and t.fixed_samples().shape == (64, 3, 28, 28)


def test_the_baseline_is_plain_and_ours_is_not():
    plain, ours = RECIPES["stacked-dcgan"], RECIPES["stacked-ours"]
    for network in (plain.generator(), plain.discriminator(), ours.generator()):
        assert has_batchnorm(network)
    assert not has_batchnorm(ours.discriminator())  # its penalty rules batch norm out
    assert (plain.learning_rate, plain.beta2, plain.pack) == (2e-4, 0.999, 1)
    assert plain.penalty is plain.ema_decay is None


# ---- modes

EVERY = np.stack(np.unravel_index(np.arange(1000), (10, 10, 10)), axis=1)


@pytest.mark.parametrize(
    "triples, n_modes, reverse_kl",
    [
        (np.repeat(EVERY, 3, axis=0), 1000, 0),
        (np.tile([[3, 1, 4]], (50, 1)), 1, np.log(1000)),
        (EVERY[:10], 10, np.log(100)),
        (np.concatenate([EVERY[:500], EVERY]), 1000, 2 / 3 * np.log(4 / 3) + 1 / 3 * np.log(2 / 3)),
        (np.array([[9, 9, 9], [0, 0, 0]], np.uint8), 2, np.log(500)),
        # the order of the digits matters
        (
            np.array([[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 1, 2]]),
            3,
            np.log(1000) - 1.5 * np.log(2),
        ),
    ],
)
def test_modes_of_triples_with_a_known_answer(triples, n_modes, reverse_kl):
    got = modes(triples)
    assert got[0] == n_modes and got[1] == pytest.approx(reverse_kl, abs=1e-12)


def test_reverse_kl_of_uniform_draws_is_that_of_their_sampling_noise():
    for seed in range(5):
        n_modes, reverse_kl = modes(np.random.default_rng(seed).integers(0, 10, (26_000, 3)))
        assert n_modes == 1000 and 0.016 < reverse_kl < 0.0225  # 0.0192 +- 5 * 0.00055


@pytest.mark.parametrize(
    "triples",
    [
        np.zeros((0, 3), int),
        np.zeros((4, 2), int),
        np.zeros((4, 3)),
        np.zeros(3, int),
        np.full((4, 3), 10),
        np.full((4, 3), -1),
    ],
)
def test_invalid_triples_are_refused(triples):
    with pytest.raises(DataError, match="triples: expected digits"):
        modes(triples)


def test_the_classifier_recognizes_real_stacked_digits(real, classifier):
    images, labels = real
    triples = random_triples(len(images), 150, 0)
    stack = (images[triples, 0] / 255).astype(np.float32)
    assert stack.shape == (150, 3, 28, 28)
    correct = classify_triples(classifier, stack) == labels[triples]
    assert correct.shape == (150, 3) and correct.mean() > 0.99


class SamplerOfDigits:
    """A stand-in for `Sampler` whose inputs are indices of the digits it returns."""

    def __init__(self, images):
        self.images_of = images

    def inputs(self, count, seed):
        return random_triples(len(self.images_of), count, seed)

    def images(self, inputs):
        return np.moveaxis(self.images_of[inputs, 0], 1, -1) / 255


def test_samples_are_scored_in_order(real, classifier, monkeypatch):
    monkeypatch.setattr(stacked_modes, "AT_ONCE", 16)
    images, labels = real
    counts = []
    names = sample_triples(SamplerOfDigits(images), classifier, 40, 7, counts.append)
    want = labels[random_triples(len(images), 40, 7)]
    assert counts == [16, 16, 8] and names.shape == (40, 3) and (names == want).mean() > 0.97


def test_a_colour_grid_shows_each_channel_in_its_colour():
    images = np.zeros((4, 3, 28, 28), np.float32)
    for k in range(3):
        images[k, k] = 0.6
    canvas = grid(images)
    cell = SCALE * (28 + GAP)
    assert canvas.dtype == np.uint8 and canvas.shape == (2 * cell + SCALE * GAP,) * 2 + (3,)
    for k, place in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        colour = [153 * (k == c) for c in range(3)]
        top, left = (cell * p + SCALE * GAP for p in place)
        assert (canvas[top : top + 28 * SCALE, left : left + 28 * SCALE] == colour).all()


def test_a_table_has_a_line_for_each_row():
    rows = [
        {"images": "a", "number": 26_000, "modes": 1000, "reverse_kl": 0.05684},
        {"images": "longer", "number": 10, "modes": 9, "reverse_kl": 4.7},
    ]
    head, *lines = table(rows).splitlines()
    assert head.split("  ")[0] == "images" and head.endswith("reverse KL, nats")
    assert [line.split() for line in lines] == [
        ["a", "26,000", "1,000", "0.0568"],
        ["longer", "10", "9", "4.7000"],
    ]
    assert len({len(line) for line in (head, *lines)}) == 1
