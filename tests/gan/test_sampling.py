"""Drawing images from a generator, and reading one from a weights file."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from gan import sampling
from gan.errors import RunError
from gan.generator_file import load_sampler
from gan.latent import Latent
from gan.sampling import Sampler, make_images
from nn import Dense, Sequential, Tanh, WeightsError, save_weights
from tests.support.small import TINY, TINY_BATCHNORM, trainer

INFO = {"latent": {"size": 4, "distribution": "normal"}, "image_range": [-1, 1]}


def sampler(recipe=TINY, distribution="normal"):
    t = trainer(replace(recipe, latent=Latent(4, distribution)))
    t.fit(steps=3)
    return Sampler(t.generator, t.recipe.latent, t.recipe.image_range)


def test_equal_seeds_give_equal_noise_and_other_seeds_other():
    s = sampler()
    a, b, c = s.inputs(5, 1), s.inputs(5, 1), s.inputs(5, 2)
    assert a.shape == (5, 4) and a.dtype == np.float32
    assert np.array_equal(a, b) and not np.intersect1d(a, c).size
    assert not np.array_equal(s.inputs(5, None), s.inputs(5, None))


@pytest.mark.parametrize("make", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_samples_the_same_images_from_its_own_memory(make):
    s = sampler(TINY_BATCHNORM)
    twin, z = make(s), s.inputs(5, 1)
    want = s.images(z)
    s.generator.parameters.value.flat[...] = 0
    assert np.array_equal(twin.images(twin.inputs(5, 1)), want) and not np.array_equal(
        s.images(z), want
    )


def test_noise_is_of_the_latents_distribution():
    assert np.abs(sampler(distribution="uniform").inputs(500, 1)).max() <= 1
    assert np.abs(sampler(distribution="normal").inputs(500, 1)).max() > 2


@pytest.mark.parametrize("recipe", [TINY, TINY_BATCHNORM])
def test_images_are_the_generators_in_evaluation_mode_in_zero_to_one(recipe):
    s = sampler(recipe)
    z = s.inputs(9, 3)
    images = s.images(z)
    assert images.shape == (9, 28, 28) and images.dtype == np.float32
    assert 0 <= images.min() < images.max() <= 1
    assert np.allclose(images, (s.generator(z).reshape(9, 28, 28) + 1) / 2, atol=1e-6)
    assert np.array_equal(images, s.images(z))


def test_images_in_parts_are_those_of_one_pass(monkeypatch):
    s = sampler(TINY_BATCHNORM)
    z = s.inputs(10, 3)
    whole = s.images(z)
    for at_once in (1, 3, 5, 10):
        monkeypatch.setattr(sampling, "AT_ONCE", at_once)
        parts = s.images(z)
        assert parts.shape == whole.shape and np.allclose(parts, whole, atol=1e-6)


def test_the_image_range_becomes_zero_to_one():
    G = Sequential(Dense(1, 784)).build(seed=0)
    G[0].W[...], G[0].b[...] = 1, 0
    z = np.array([[-3], [-2], [0], [1], [2], [9]], np.float32)
    assert np.allclose(make_images(G, z, (-2, 2))[:, 0], [0, 0, 0.5, 0.75, 1, 1])


def test_a_float64_generator_gives_float32_images():
    G = Sequential(Dense(4, 784), Tanh()).build(seed=0, dtype="float64")
    s = Sampler(G, Latent(4), (-1, 1))
    assert s.images(s.inputs(2, 0)).dtype == np.float32


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_a_walk_begins_and_ends_with_the_images_of_its_noise(distribution):
    s = sampler(distribution=distribution)
    walks, ends = s.walks(3, 5, 7).reshape(3, 5, 28, 28), s.images(s.inputs(6, 7))
    assert np.allclose(walks[:, 0], ends[0::2], atol=1e-5)
    assert np.allclose(walks[:, -1], ends[1::2], atol=1e-5)
    steps = np.abs(np.diff(walks, axis=1)).max(axis=(2, 3))
    assert steps.min() > 0  # each image differs from the next


def test_load_sampler_needs_only_the_file(tmp_path):
    s = sampler(TINY_BATCHNORM)
    save_weights(tmp_path / "w.npz", {"G": s.generator}, {**INFO, "note": 5})
    loaded = load_sampler(tmp_path / "w.npz")
    assert loaded.latent == Latent(4, "normal") and loaded.image_range == (-1, 1)
    assert np.array_equal(loaded.images(loaded.inputs(4, 1)), s.images(s.inputs(4, 1)))


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"latent": INFO["latent"]},
        {"image_range": [-1, 1]},
        {**INFO, "latent": {"size": 4, "distribution": "cauchy"}},
        {**INFO, "latent": {"size": 5, "distribution": "normal"}},
        {**INFO, "latent": {"size": -4, "distribution": "normal"}},
        {**INFO, "latent": 4},
        {**INFO, "image_range": [1, 1]},
        {**INFO, "image_range": [1, -1]},
        {**INFO, "image_range": [0]},
        {**INFO, "image_range": ["a", "b"]},
        {**INFO, "image_range": None},
        {**INFO, "image_range": [0, float("inf")]},
        {**INFO, "image_range": [float("nan"), 1]},
    ],
)
def test_incomplete_or_invalid_header_is_refused(tmp_path, info):
    save_weights(tmp_path / "w.npz", {"G": TINY.generator().build(seed=0)}, info)
    with pytest.raises(WeightsError, match="does not say how to sample") as error:
        load_sampler(tmp_path / "w.npz")
    assert str(tmp_path / "w.npz") in str(error.value)


def test_a_generator_of_other_images_is_refused(tmp_path):
    save_weights(tmp_path / "w.npz", {"G": Sequential(Dense(4, 100)).build(seed=0)}, INFO)
    with pytest.raises(WeightsError, match="784.*100"):
        load_sampler(tmp_path / "w.npz")


def test_a_file_without_a_generator_is_refused(tmp_path):
    save_weights(tmp_path / "w.npz", {"D": TINY.discriminator().build(seed=0)}, INFO)
    with pytest.raises(WeightsError, match="expected a generator 'G' in it, found D"):
        load_sampler(tmp_path / "w.npz")


# ---- conditional generators


def class_sampler(classes=3):
    """A generator whose images show its input: noise at pixel 0, the one-hot class from 100 on."""
    G = Sequential(Dense(4 + classes, 784)).build(seed=0)
    G[0].W[...], G[0].b[...] = 0, 0
    G[0].W[0, 0] = 0.1
    for k in range(classes):
        G[0].W[4 + k, 100 + k] = 1
    return Sampler(G, Latent(4), (-1, 1), classes)


def class_of(images):
    """The class that each image shows."""
    flat = images.reshape(len(images), -1)
    return flat[:, 100:110].argmax(axis=1)


def test_requested_digits_use_the_same_noise():
    s = class_sampler()
    chosen = s.images(s.inputs(5, 1, [2, 0, 1, 1, 2]))
    assert list(class_of(chosen)) == [2, 0, 1, 1, 2]
    free = s.images(s.inputs(5, 1))
    assert np.array_equal(chosen[:, 0, 0], free[:, 0, 0]) and len(np.unique(chosen[:, 0, 0])) == 5


def test_digits_are_drawn_uniformly_from_the_seed_by_default():
    s = class_sampler()
    a, b, c = (class_of(s.images(s.inputs(900, seed))) for seed in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    assert np.abs(np.bincount(a, minlength=3) - 300).max() < 5 * 15


def test_a_walk_leads_from_each_digit_to_the_next():
    s = class_sampler()
    images = s.walks(4, 5, 7).reshape(4, 5, 784)
    for row, (first, last) in zip(images, [(0, 1), (1, 2), (2, 0), (0, 1)]):
        shares = 2 * row[:, [100 + first, 100 + last]] - 1
        t = np.linspace(0, 1, 5)
        assert np.allclose(shares, np.stack([1 - t, t], axis=1), atol=1e-6)


def test_a_walk_stays_with_a_requested_digit():
    s = class_sampler()
    images = s.walks(2, 3, 7, [2, 1])
    assert list(class_of(images)) == [2, 2, 2, 1, 1, 1]
    assert np.allclose(images.reshape(6, 784)[:3, 102], 1)


@pytest.mark.parametrize("digits", [None, [2, 1]])
def test_the_ends_of_a_walk_are_the_images_of_the_same_seed(digits):
    s = class_sampler()
    walks = s.walks(2, 3, 7, digits).reshape(2, 3, 28, 28)
    ends = [0, 1, 1, 2] if digits is None else [2, 2, 1, 1]
    images = s.images(s.inputs(4, 7, ends)).reshape(2, 2, 28, 28)
    assert np.allclose(walks[:, [0, 2]], images, atol=1e-6)


def test_a_walk_leads_from_one_cluster_to_another():
    s = replace(class_sampler(9), classes=0, class_prior=(1 / 9,) * 9)
    images = s.walks(8, 6, 1).reshape(8, 6, 784)[:, :, 100:109]
    first, last = images[:, 0].argmax(axis=1), images[:, -1].argmax(axis=1)
    assert np.sum(first != last) >= 6
    assert np.allclose((2 * images - 1).clip(0).sum(axis=2), 1, atol=1e-6)


def test_unknown_digits_are_refused():
    with pytest.raises(RunError, match="digits: expected numbers in 0..2, got"):
        class_sampler().inputs(2, 0, [1, 3])
    with pytest.raises(RunError, match="digits: expected a generator trained with classes"):
        sampler().inputs(2, 0, [1, 3])


def test_classes_come_from_the_file(tmp_path):
    save_weights(tmp_path / "w.npz", {"G": class_sampler().generator}, {**INFO, "classes": 3})
    loaded = load_sampler(tmp_path / "w.npz")
    assert loaded.classes == 3 and list(class_of(loaded.images(loaded.inputs(2, 0, [2, 1])))) == [
        2,
        1,
    ]


@pytest.mark.parametrize("classes", [-1, "3", 3.0, None, 10**9, 2])
def test_invalid_number_of_classes_is_refused(tmp_path, classes):
    save_weights(tmp_path / "w.npz", {"G": class_sampler().generator}, {**INFO, "classes": classes})
    with pytest.raises(WeightsError, match="does not say how to sample"):
        load_sampler(tmp_path / "w.npz")
