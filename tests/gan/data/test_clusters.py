"""K-means on training images, and generators that are conditional on its clusters."""

from dataclasses import replace

import numpy as np
import pytest

from gan.data import from_array
from gan.data.clusters import (
    COMPONENTS,
    ROUNDS,
    ClusterIds,
    cluster_ids,
    find_clusters,
    principal_components,
)
from gan.data.images.split import Split
from gan.errors import RunError
from gan.generator_file import load_sampler
from gan.latent import Latent
from gan.recipes import RECIPES, get_recipe
from gan.sampling import Sampler
from gan.training.trainer import Trainer
from nn import Dense, Sequential, WeightsError, save_weights
from tests.support.small import TINY, digits


def separated_images(n=90, k=3, shape=(4, 4), seed=0):
    """Images around k centres far apart, and the number of each one's centre."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, k, n)
    centres = rng.integers(30, 220, (k, *shape))
    return (centres[groups] + rng.integers(-5, 6, (n, *shape))).astype(np.uint8), groups


def test_well_separated_groups_are_the_clusters():
    images, groups = separated_images()
    found = [find_clusters(images, 3, seed) for seed in range(8)]
    assert all(labels.shape == (90,) and 0 <= labels.min() and labels.max() < 3 for labels in found)
    pairs = [len(set(zip(labels.tolist(), groups.tolist()))) for labels in found]
    assert 3 in pairs  # Lloyd's algorithm may end in a local minimum, but not from every start


def test_each_image_is_in_the_cluster_whose_mean_is_nearest():
    images, _ = separated_images(k=9, n=300)
    labels, x = find_clusters(images, 4, 1), principal_components(images.reshape(300, -1))
    means = np.stack([x[labels == k].mean(axis=0) for k in range(4)])
    assert np.array_equal(((x[:, None] - means) ** 2).sum(axis=2).argmin(axis=1), labels)


def plain_clusters(images, k, seed):
    """Textbook version of Lloyd's algorithm, image by image and cluster by cluster."""
    x = principal_components(images.reshape(len(images), -1)).astype(np.float64)
    rng = np.random.default_rng(seed)
    centres = x[rng.choice(len(x), k, replace=len(x) < k)]
    for _ in range(ROUNDS):
        labels = plain_nearest(x, centres)
        random_images = x[rng.integers(len(x), size=k)]
        centres = np.stack(
            [
                x[labels == j].mean(axis=0) if (labels == j).any() else random_images[j]
                for j in range(k)
            ]
        )
    return plain_nearest(x, centres)


def plain_nearest(x, centres):
    return np.array([((row - centres) ** 2).sum(axis=1).argmin() for row in x])


@pytest.mark.parametrize("n, k", [(40, 4), (40, 1), (1, 1), (2, 2), (7, 7)])
def test_clusters_match_a_plain_loop(n, k):
    for seed in range(20 if n == 40 else 3):
        images = np.random.default_rng(seed).integers(0, 256, (n, 6)).astype(np.uint8)
        assert np.array_equal(find_clusters(images, k, seed), plain_clusters(images, k, seed))


def test_after_convergence_each_image_is_nearest_to_the_mean_of_its_cluster():
    for seed in range(20):
        images = np.random.default_rng(seed).integers(0, 256, (40, 6)).astype(np.uint8)
        labels, x = find_clusters(images, 4, seed), principal_components(images).astype(np.float64)
        means = np.stack([x[labels == k].mean(axis=0) for k in range(4)])
        assert np.array_equal(plain_nearest(x, means), labels)


def test_one_cluster_and_one_image():
    assert not find_clusters(separated_images()[0], 1, 0).any()
    assert find_clusters(separated_images(n=1)[0], 1, 0).tolist() == [0]
    assert len(find_clusters(separated_images(n=1)[0], 5, 0)) == 1


def test_small_differences_far_from_the_mean_are_seen():
    """A black pair and a white pair, 14,133 apart; 1 apart within a pair, in one pixel.

    Where the four first centres are of four groups, each image stays with its own.
    """
    images = np.repeat(np.array([0, 0, 255, 255], np.uint8)[:, None], 3072, axis=1)
    images[1, 5], images[3, 9] = 1, 254
    groups = np.random.default_rng(0).permutation(np.arange(80) % 4)
    starts = {seed: groups[np.random.default_rng(seed).choice(80, 4, False)] for seed in range(60)}
    good = {seed: first for seed, first in starts.items() if len(set(first.tolist())) == 4}
    assert len(good) >= 3
    for seed, first in good.items():
        assert np.array_equal(first[find_clusters(images[groups], 4, seed)], groups)


def test_components_of_60_000_images_keep_distances():
    rows = np.random.default_rng(4).integers(200, 256, (60_000, 12), np.uint8)
    x, some = principal_components(rows), np.random.default_rng(5).integers(0, len(rows), 300)
    ours, true = (
        ((a[:, None] - a) ** 2).sum(axis=2) for a in (x[some], rows[some].astype(np.float64))
    )
    assert (
        np.allclose(ours, true, rtol=1e-4, atol=1)
        and np.abs(x.mean(axis=0, dtype=np.float64)).max() < 1e-3
    )


def test_as_many_components_as_pixels_keep_distances():
    rows = np.random.default_rng(2).integers(0, 256, (60, 20), np.uint8)
    x = principal_components(rows)
    ours, true = (((a[:, None] - a) ** 2).sum(axis=2) for a in (x, rows.astype(np.float64)))
    assert x.dtype == np.float32 and np.allclose(ours, true, rtol=1e-4, atol=1)


def test_components_are_those_of_largest_variance():
    rows = np.random.default_rng(3).integers(0, 256, (400, 100), np.uint8)
    centred = rows - rows.mean(axis=0)
    kept = principal_components(rows)
    assert kept.shape == (400, 50)
    assert np.isclose(
        (kept.astype(np.float64) ** 2).sum(), (np.linalg.svd(centred)[1][:50] ** 2).sum(), rtol=1e-5
    )


def test_chunks_do_not_change_the_result(monkeypatch):
    images, _ = separated_images(n=100, k=5)
    whole = find_clusters(images, 5, 1)
    monkeypatch.setattr("gan.data.clusters.CHUNK", 7)
    assert np.array_equal(find_clusters(images, 5, 1), whole)


def test_equal_seeds_give_equal_clusters_and_others_do_not():
    images, _ = separated_images(k=20, n=200)
    assert np.array_equal(find_clusters(images, 6, 1), find_clusters(images, 6, 1))
    assert not np.array_equal(find_clusters(images, 6, 1), find_clusters(images, 6, 2))


@pytest.mark.parametrize("images", [separated_images(n=4)[0], np.zeros((30, 5), np.uint8)])
def test_more_clusters_than_different_images_leave_some_empty(images):
    labels = find_clusters(images, 10, 0)
    assert len(labels) == len(images) and 0 <= labels.min() and labels.max() < 10


@pytest.mark.parametrize(
    "images", [np.zeros((5, 4)), None, np.zeros(5, np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_invalid_images_are_refused(images):
    with pytest.raises(RunError, match="images: expected"):
        find_clusters(images, 2, 0)


@pytest.mark.parametrize("k", [0, -1, 2.0, None])
def test_invalid_number_of_clusters_is_refused(k):
    with pytest.raises(RunError, match="clusters: expected a whole number of at least 1"):
        find_clusters(separated_images()[0], k, 0)


def test_memory_layout_does_not_matter():
    images, _ = separated_images(k=9, n=200)
    want = find_clusters(images, 6, 1)
    for same in (
        np.asfortranarray(images),
        images[::-1].copy()[::-1],
        np.repeat(images, 2, axis=2)[:, :, ::2],
    ):
        assert np.array_equal(find_clusters(same, 6, 1), want)


# ---- generators trained with clusters

CLUSTERED = replace(
    TINY,
    latent=Latent(3),
    clusters=4,
    make_generator=lambda n_in: Sequential(Dense(n_in, 784)),
    make_discriminator=lambda n_out: Sequential(Dense(784, n_out)),
    image_range=(-1, 1),
)


def test_class_prior_is_the_frequency_of_each_cluster():
    t = Trainer(CLUSTERED, digits(200), seed=1)
    t.fit(steps=3)
    counts = np.bincount(
        find_clusters(digits(200), 4, np.random.SeedSequence(1).spawn(6)[5]), minlength=4
    )
    assert (
        np.allclose(t.sampler.class_prior, counts / 200)
        and t.sampler.condition.num_classes == 4
        and not t.sampler.classes
    )
    onehot = t.sampler.inputs(4000, 1)[:, 3:]
    assert np.array_equal(onehot.sum(axis=1), np.ones(4000)) and set(np.unique(onehot)) == {0, 1}
    assert np.abs(onehot.mean(axis=0) - t.sampler.class_prior).max() < 0.04
    assert t.fixed_inputs.shape == (64, 7)


def test_given_cluster_ids_are_copied_and_used():
    found = find_clusters(digits(200), 4, np.random.SeedSequence(1).spawn(6)[5])
    a, b, c = (
        Trainer(CLUSTERED, digits(200), given, seed=1)
        for given in (None, ClusterIds(found), ClusterIds(found.tolist()))
    )
    kept = found.copy()
    found[:] = 0
    for t in (a, b, c):
        t.fit(steps=2)
        assert np.array_equal(t.cluster_ids, kept)
    assert np.array_equal(a.generator.parameters.value.flat, b.generator.parameters.value.flat)
    assert np.array_equal(a.generator.parameters.value.flat, c.generator.parameters.value.flat)


def test_labels_are_ignored_by_a_recipe_with_clusters():
    a, b = (Trainer(CLUSTERED, digits(200), labels, seed=1) for labels in (None, np.arange(200)))
    for t in (a, b):
        t.fit(steps=2)
    assert np.array_equal(a.generator.parameters.value.flat, b.generator.parameters.value.flat)


def test_a_walk_leads_between_clusters_of_the_prior():
    G = Sequential(Dense(4 + 3, 784)).build(seed=0)
    G[0].W[...], G[0].b[...] = 0, 0
    G[0].W[4:, 100:103] = np.eye(3)
    sampler = Sampler(G, Latent(4), (-1, 1), class_prior=(0.0, 0.5, 0.5))
    shares = 2 * sampler.walks(20, 5, 1).reshape(20, 5, 784)[..., 100:103] - 1
    first, last = shares[:, 0].argmax(axis=1), shares[:, -1].argmax(axis=1)
    assert set(zip(first, last)) == {(1, 1), (1, 2), (2, 1), (2, 2)}
    assert np.allclose(shares[:, 2], (np.eye(3)[first] + np.eye(3)[last]) / 2, atol=1e-6)


INFO = {"latent": {"size": 3, "distribution": "normal"}, "image_range": [-1, 1]}


def test_class_prior_comes_from_the_file(tmp_path):
    save_weights(
        tmp_path / "w.npz",
        {"G": CLUSTERED.generator().build(seed=0)},
        {**INFO, "shares": [0, 0.25, 0.5, 0.25]},
    )
    sampler = load_sampler(tmp_path / "w.npz")
    assert sampler.class_prior == (0.0, 0.25, 0.5, 0.25)
    with pytest.raises(RunError, match="take a recipe with classes, such as conv-r1r2-classes"):
        sampler.inputs(2, 0, [1, 2])


@pytest.mark.parametrize(
    "shares",
    [
        [0.5, 0.5],
        [0.5, 0.5, 0.5, -0.5],
        [0.25, 0.25, 0.25, 0.2],
        [],
        "0.25",
        4,
        [None] * 4,
        [float("nan")] * 4,
    ],
)
def test_invalid_class_prior_is_refused(tmp_path, shares):
    save_weights(
        tmp_path / "w.npz", {"G": CLUSTERED.generator().build(seed=0)}, {**INFO, "shares": shares}
    )
    with pytest.raises(WeightsError, match="does not say how to sample"):
        load_sampler(tmp_path / "w.npz")


def test_sizes_of_the_default_follow_from_its_clusters():
    recipe = RECIPES["conv-clusters"]
    assert recipe.num_classes == recipe.clusters == 600 and recipe.n_in == 632


def test_the_components_of_large_images_span_the_exact_ones():
    rng = np.random.default_rng(0)
    scales = 40 * 0.9 ** np.arange(80)
    signal = rng.standard_normal((400, 80)) * scales @ rng.standard_normal((80, 1200)) / 8
    rows = np.clip(np.rint(128 + signal), 0, 255).astype(np.uint8)
    centred = rows - rows.mean(axis=0)
    exact = np.linalg.svd(centred, compute_uv=False)[:COMPONENTS]
    x = principal_components(rows)
    assert x.shape == (400, COMPONENTS) and x.dtype == np.float32
    assert (x**2).sum() > 0.999 * (exact**2).sum()
    assert np.array_equal(x, principal_components(rows))


def test_clusters_of_a_set_in_colour():
    images = np.random.default_rng(0).integers(0, 256, (30, 3, 48, 48), np.uint8)
    images[::2, 0] //= 8
    recipe = replace(get_recipe("conv-clusters", (3, 48, 48)), clusters=2, batch_size=4)
    trainer = Trainer(recipe, from_array(images), seed=0)
    ids = trainer.cluster_ids
    assert len(set(ids[::2])) == len(set(ids[1::2])) == 1 and ids[0] != ids[1]


# ---- labelled classes, each divided into clusters

DIVIDED = replace(CLUSTERED, name="divided", classes=3, clusters=2)


def test_each_class_is_sorted_into_clusters_of_its_own():
    images, labels = digits(200), np.arange(200) % 3
    labels[labels == 1] = 2  # class 1 has no images
    ids = cluster_ids(images, labels, 2, 5, classes=3)
    assert np.array_equal(ids // 2, labels)
    assert np.array_equal(ids[labels == 2] - 4, find_clusters(images[labels == 2], 2, 5))

    many = cluster_ids(images, labels.astype(np.uint8), 200, 5, classes=3)
    assert np.array_equal(many // 200, labels)  # beyond the range of the labels' dtype

    rows = np.flatnonzero(np.arange(200) % 5)
    split = Split(from_array(images.reshape(-1, 28, 28)), np.arange(0, 200, 5))
    some = cluster_ids(split, labels[rows], 2, 5, classes=3)
    assert np.array_equal(some, cluster_ids(images[rows], labels[rows], 2, 5, classes=3))


@pytest.mark.parametrize("labels", [None, np.zeros(199, int), np.full(200, 3)])
def test_divided_classes_need_labels(labels):
    with pytest.raises(RunError, match="labels: expected"):
        Trainer(DIVIDED, digits(200), labels)


def test_a_class_that_is_asked_for_is_drawn_in_its_clusters():
    labels = np.arange(200) % 3
    t = Trainer(DIVIDED, digits(200), labels, seed=1)
    t.fit(steps=2)
    sampler = t.sampler
    assert (sampler.classes, sampler.condition.num_classes, sampler.n_in) == (3, 6, 3 + 6)
    asked = np.arange(300) % 3
    drawn = sampler.condition.numbers(sampler.inputs(300, 1, asked)[:, 3:])
    assert np.array_equal(drawn // 2, asked) and len(set(drawn)) == 6
    freely = sampler.condition.numbers(sampler.inputs(4000, 1)[:, 3:])
    assert np.allclose(np.bincount(freely, minlength=6) / 4000, sampler.class_prior, atol=0.04)
    assert np.array_equal(sampler.inputs(300, 1)[:, :3], sampler.inputs(300, 1, asked)[:, :3])

    again = Trainer(DIVIDED, digits(200), ClusterIds(t.cluster_ids), seed=1)
    again.fit(steps=2)
    assert np.array_equal(again.generator.parameters.value.flat, t.generator.parameters.value.flat)
    # the grid of fixed samples has a class in each column
    fixed = sampler.condition.numbers(t.fixed_inputs[:, 3:])
    assert np.array_equal(fixed // 2, np.arange(len(fixed)) % 3)
