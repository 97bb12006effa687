"""What the view "Play" computes: directions, neighbours, the search, and answers to the page."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gan.classifier.network import probabilities
from gan.data.stacked import StackedDigits, random_triples
from gan.errors import RunError
from gan.evaluation.feature_extractor import load_feature_extractor
from gan.generator_file import load_sampler
from gan.lab.messages import Message
from gan.lab.page_socket import reply
from gan.lab.play import directions, neighbours, search
from gan.lab.play.directions import leading_directions
from gan.lab.play.generator import PlayedGenerator
from gan.lab.play.neighbours import NearestImages
from gan.lab.play.search import STEPS, NoiseSearch
from gan.latent import Latent
from gan.recipes import STACKED_DIGITS, get_recipe
from gan.runs.weights import save_trained
from gan.training.trainer import Trainer
from nn import Dense, Flatten, Reshape, Sequential, Sigmoid, Tanh
from nn.ops import get_ops
from tests.support.lab import BY_CLASS, DIGITS, RUN_WEIGHTS, SHIPPED, decode, make_lab, make_run
from tests.support.small import TINY, digits, held


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    runs = tmp_path_factory.mktemp("lab") / "runs"
    make_run(runs)
    return make_lab(runs)


def ask(lab, kind, weights=DIGITS, **fields):
    text = json.dumps({"kind": kind, "id": 1, "weights": weights, **fields})
    header, arrays = decode(reply(text, lab.play.handlers))
    if header["kind"] == "error":
        raise RunError(header["message"])
    return header, arrays


def played(name):
    return PlayedGenerator.load(SHIPPED[name], get_ops("numpy"))


# ---- directions


@pytest.mark.parametrize("name", SHIPPED)
def test_directions_are_principal_components_of_the_first_layer(name):
    sampler = load_sampler(SHIPPED[name])
    found = leading_directions(sampler)
    axes = found.axes.astype(np.float64)
    assert np.allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-5)
    W = sampler.generator[0].W[: sampler.latent.size].astype(np.float64)
    _, S, V = np.linalg.svd(W, full_matrices=False)
    k = len(axes)
    assert np.allclose((S**2 / (S**2).sum())[:k], found.shares, atol=1e-6)
    # moving z along an axis moves h = z W along the principal component
    assert np.allclose(np.abs(axes @ W @ V[:k].T), np.diag(S[:k]), atol=2e-3 * S[0])


def test_directions_of_a_huge_first_layer_are_unit_vectors(monkeypatch):
    monkeypatch.setattr(directions, "MAX_NUMBERS", 1000)
    found = leading_directions(load_sampler(SHIPPED["digits"]))
    assert np.array_equal(found.axes, np.eye(10, 32)) and not found.shares.any()


# ---- neighbours


@pytest.mark.parametrize("shape", [(7, 6), (4, 5, 3)])
def test_the_nearest_images_are_those_of_a_search_through_all(shape, monkeypatch):
    monkeypatch.setattr(neighbours, "DIMENSIONS", 5)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (300, *shape)).astype(np.uint8)
    found = NearestImages(images)
    for image in [images[17], *rng.integers(0, 256, (20, *shape)).astype(np.uint8)]:
        squares = ((images.astype(float) - image) ** 2).reshape(300, -1).mean(axis=1)
        indices, distances = found.nearest(image, 4)
        assert indices.tolist() == np.argsort(squares, kind="stable")[:4].tolist()
        assert np.allclose(distances, np.sqrt(squares[indices]) / 255)
    assert found.nearest(images[17], 1)[1] == 0
    assert found.distance_to_nearest(17) == found.nearest(images[17], 2)[1][1] > 0


# ---- the search


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    monkeypatch.setattr(search, "CANDIDATES", 100)
    monkeypatch.setattr(search, "STARTS", 4)


def in_float64(G):
    """A copy of a shipped generator, whose weights are rounded to float16, in float64."""
    exact = get_recipe("conv-clusters-hour").generator().build(0, device="numpy", dtype="float64")
    for kind in ("value", "statistics"):
        views = getattr(G.parameters, kind).views
        for name, view in getattr(exact.parameters, kind).views.items():
            view[...] = views[name]
    return exact


def test_the_gradient_of_the_noise_is_that_of_finite_differences():
    generator = played("digits")
    descent = NoiseSearch(generator, np.full((28, 28), 90, np.uint8))
    loss, gradient = descent.loss_and_gradient()
    G, z = in_float64(generator.sampler.generator), descent.z.astype(np.float64)
    one_hot = generator.sampler.condition.one_hot(descent.labels)

    def exact(z):
        pixels = (G(np.concatenate([z, one_hot], axis=1)) + 1) / 2
        return ((pixels.reshape(len(z), -1) - 90 / 255) ** 2).mean(axis=1)

    direction = np.random.default_rng(0).standard_normal(gradient.shape)
    eps = 1e-6
    slope = (exact(z + eps * direction) - exact(z - eps * direction)) / (2 * eps)
    assert np.allclose((gradient * direction).sum(axis=1), slope, rtol=1e-3, atol=1e-6)
    assert np.allclose(loss, exact(z), rtol=1e-5)


def test_the_search_finds_an_image_of_the_generator_and_changes_no_weight():
    generator = played("digits")
    before = held(generator.sampler.generator)
    z, _ = generator.draw(1, 4, None)
    _, labels = generator.draw(1, 9, None)  # a cluster that the search with seed 9 tries
    descent = NoiseSearch(generator, generator.images(z, labels)[0], seed=9)
    losses = []
    while not descent.is_done:
        losses.append((found := descent.step()).loss)
    assert len(losses) == STEPS and found.label == labels[0]
    assert found.loss < 1e-3 < losses[0]
    assert held(generator.sampler.generator) == before


def test_uniform_noise_stays_within_its_range(tmp_path):
    make_run(tmp_path, replace(TINY, latent=Latent(4, "uniform")))
    generator = PlayedGenerator.load(tmp_path / "tiny" / "weights.npz", get_ops("numpy"))
    descent = NoiseSearch(generator, np.full((28, 28), 255, np.uint8))
    descent.z[:] = 3
    descent.step()
    assert np.array_equal(descent.step().z, np.ones(4))


def test_normal_noise_stays_near_its_sphere():
    descent = NoiseSearch(played("digits"), np.full((28, 28), 255, np.uint8))
    descent.z *= 100
    descent.step()
    assert np.allclose(np.linalg.norm(descent.z, axis=1), 1.2 * 32**0.5)


# ---- answers


def test_weights_of_the_package_and_of_runs_are_listed(lab):
    names = [each["name"] for each in ask(lab, "weights")[0]["weights"]]
    assert names == [DIGITS, BY_CLASS, RUN_WEIGHTS]


def test_drawn_images_are_those_of_the_sampler(lab):
    sampler = load_sampler(SHIPPED["digits"])
    header, arrays = ask(lab, "draw", count=5, seed=3, truncation=1)
    inputs = sampler.inputs(5, 3)
    assert np.array_equal(arrays["z"], inputs[:, :32])
    assert header["labels"] == inputs[:, 32:].argmax(axis=1).tolist()
    assert np.array_equal(arrays["images"], np.rint(255 * sampler.images(inputs)))
    half, _ = ask(lab, "draw", count=5, seed=3, truncation=0.5), None
    points = {"z": (arrays["z"] / 2).tolist(), "labels": header["labels"]}
    assert np.array_equal(half[1]["images"], ask(lab, "images", **points)[1]["images"])
    label = 7
    assert ask(lab, "draw", count=2, seed=3, truncation=1, label=label)[0]["labels"] == [7, 7]


def test_a_picture_of_each_class_is_drawn_from_the_middle(lab):
    header, arrays = ask(lab, "open", BY_CLASS)
    sampler = load_sampler(SHIPPED["by class"])
    shares = np.reshape(sampler.class_prior, (10, 60))
    numbers = 60 * np.arange(10) + shares.argmax(axis=1)  # of each digit's largest cluster
    inputs = np.concatenate([np.zeros((10, 32)), np.eye(600)[numbers]], axis=1)
    drawn = sampler.images(inputs.astype(np.float32))
    assert np.array_equal(arrays["classes"], np.rint(255 * drawn))
    assert (header["labelled"], header["classes"], header["logits"]) == (True, 10, False)
    assert arrays["axes"].shape == (10, 32)


def test_a_look_gives_what_d_and_the_classifier_say(lab):
    file = lab.play.listing.weights()[RUN_WEIGHTS]
    generator = PlayedGenerator.load(file.path, get_ops("numpy"))
    assert ask(lab, "open", RUN_WEIGHTS)[0]["logits"] is True
    z, labels = generator.draw(1, 0, None)
    header, arrays = ask(lab, "look", RUN_WEIGHTS, z=z.tolist(), labels=labels.tolist())
    images = generator.sampler.generator(z)
    assert header["logit"] == pytest.approx(float(generator.discriminator(images)[0, 0]), abs=1e-6)
    assert np.array_equal(arrays["image"], generator.images(z, labels)[0])
    network = load_feature_extractor("numpy")
    expected = probabilities(network, arrays["image"][None, None])[0]
    assert np.allclose(arrays["probabilities"], expected, atol=1e-6)


def test_a_look_gives_the_nearest_training_images(lab):
    opened = lab.play.studio.open(DIGITS)
    opened.reading.join()
    header, arrays = ask(lab, "look", z=[[0.0] * 32], labels=[5])
    assert header["among"] == len(opened.neighbours) >= 10_000 and header["logit"] is None
    difference = arrays["nearest"].astype(float) - arrays["image"]
    assert np.allclose(np.sqrt((difference**2).mean(axis=(1, 2))) / 255, header["distances"])
    assert 0 < header["between_real"] < 1


def test_a_final_sigmoid_of_d_is_left_out(tmp_path):
    make = TINY.make_discriminator
    recipe = replace(TINY, make_discriminator=lambda n: Sequential(*make(n), Sigmoid()))
    make_run(tmp_path, recipe)
    generator = PlayedGenerator.load(tmp_path / "tiny" / "weights.npz", get_ops("numpy"))
    assert not isinstance(generator.discriminator[-1], Sigmoid)


def test_the_map_lies_around_the_point(lab):
    axes = ask(lab, "open")[1]["axes"]
    z = (1.5 * axes[2] - 0.5 * axes[0] + 2 * axes[4]).astype(np.float32)
    header, arrays = ask(lab, "map", z=[z.tolist()], labels=[3], x=2, y=0, truncation=1)
    side, reach = header["side"], header["reach"]
    assert len(arrays["images"]) == side**2
    top_right = 2 * axes[4] + reach * axes[2] + reach * axes[0]
    expected = ask(lab, "images", z=[top_right.tolist()], labels=[3])[1]["images"][0]
    assert np.abs(arrays["images"][side - 1].astype(int) - expected).max() <= 1
    with pytest.raises(RunError, match="expected two directions"):
        ask(lab, "map", z=[z.tolist()], labels=[3], x=2, y=2, truncation=1)


def test_a_walk_passes_its_points_and_its_gif_has_its_images(lab):
    header, drawn = ask(lab, "draw", count=3, seed=0, truncation=1)
    points = {"z": drawn["z"].tolist(), "labels": header["labels"]}
    images = ask(lab, "walk", steps=4, **points)[1]["images"]
    assert len(images) == 12
    assert np.abs(images[::4].astype(int) - drawn["images"]).max() <= 1
    content = ask(lab, "gif", steps=4, **points)[1]["file"].tobytes()
    film = Image.open(io.BytesIO(content))
    assert (film.format, film.n_frames, film.size) == ("GIF", 12, (224, 224))
    one = {"z": drawn["z"][:1].tolist(), "labels": header["labels"][:1]}
    picture = Image.open(io.BytesIO(ask(lab, "png", **one)[1]["file"].tobytes()))
    assert np.array_equal(np.asarray(picture)[::8, ::8], drawn["images"][0])
    with pytest.raises(RunError, match="expected two points or more"):
        ask(lab, "walk", steps=4, **one)


@pytest.mark.parametrize(
    "kind, fields",
    [
        ("look", {"z": [[0.0] * 31], "labels": [0]}),
        ("look", {"z": [[0.0] * 32] * 2, "labels": [0, 0]}),
        ("look", {"z": [[0.0] * 32], "labels": [600]}),
        ("images", {"z": [[0.0] * 32] * 101, "labels": [0] * 101}),
        ("draw", {"count": 101, "seed": 0, "truncation": 1}),
        ("draw", {"count": 1, "seed": -1, "truncation": 1}),
        ("open", {"weights": "gan/pretrained/digits.npz"}),
        ("open", {"weights": "runs/../../secret/weights.npz"}),
    ],
)
def test_requests_out_of_bounds_are_refused(lab, kind, fields):
    with pytest.raises(RunError, match="expected .*, got .*; reload the page"):
        ask(lab, kind, **fields)


def test_damaged_weights_are_an_error_and_changed_ones_are_read_again(tmp_path):
    make_run(tmp_path / "runs")
    lab, path = make_lab(tmp_path / "runs"), tmp_path / "runs" / "tiny" / "weights.npz"
    first = lab.play.studio.open(RUN_WEIGHTS)
    assert lab.play.studio.open(RUN_WEIGHTS) is first
    path.write_bytes(b"damaged")
    with pytest.raises(RunError, match="weights.npz"):
        ask(lab, "open", RUN_WEIGHTS)


def test_a_message_names_an_optional_field():
    assert not Message('{"kind": "k", "id": 1, "a": null}').optional("a")


def test_stacked_digits_with_a_cluster_for_each_channel_are_played(tmp_path):
    recipe = replace(
        TINY,
        image_shape=STACKED_DIGITS,
        make_generator=lambda n_in: Sequential(Dense(n_in, 3 * 784), Reshape((3, 28, 28)), Tanh()),
        make_discriminator=lambda n_out: Sequential(
            Flatten(), Dense(3 * 784, n_out), input_shape=(3, 28, 28)
        ),
        clusters=4,
        clusters_per_image=3,
    )
    stacked = StackedDigits(digits(40), random_triples(40, 64, 0))
    runs = tmp_path / "runs"
    (runs / "tiny").mkdir(parents=True)
    (runs / "tiny" / "config.json").write_text("{}")
    save_trained(runs / "tiny" / "weights.npz", Trainer(recipe, stacked, seed=0), {})
    generator = PlayedGenerator.load(runs / "tiny" / "weights.npz", get_ops("numpy"))
    sampler = generator.sampler

    about, arrays = ask(make_lab(runs), "open", RUN_WEIGHTS)
    assert (about["classes"], about["clusters"], about["per_image"]) == (4, 4, 3)
    assert about["numbers"] == [0, 21, 42, 63]  # the same cluster in all channels
    middle = np.zeros((4, sampler.latent.size), np.float32)
    same = generator.images(middle, np.array(about["numbers"]))
    assert np.array_equal(arrays["classes"], same)

    z, labels = generator.draw(50, 1, None)
    assert labels.max() > 4 and len(set(labels)) > 10  # of 4^3
    drawn = sampler.images(sampler.inputs(50, 1))
    assert np.array_equal(generator.images(z, labels), np.rint(255 * drawn))
    image, logit = generator.image_and_logit(z[:1], int(labels[0]))
    assert np.array_equal(image, generator.images(z[:1], labels[:1])[0])
    outputs = generator.discriminator(sampler.generator(generator.inputs(z[:1], labels[:1])))
    channels = [labels[0] // 4**c % 4 for c in range(3)]
    assert logit == pytest.approx(sum(outputs[0, 4 * c + k] for c, k in enumerate(channels)))
    walk = generator.walk(z[:2], labels[:2], 3)
    assert np.array_equal(walk[[0, 3]], generator.images(z[:2], labels[:2]))


def test_classes_that_are_divided_are_chosen_as_classes(tmp_path):
    runs = tmp_path / "runs"
    recipe = replace(TINY, classes=3, clusters=2)
    trained = Trainer(recipe, digits(40), np.arange(40) % 3, seed=0)
    (runs / "tiny").mkdir(parents=True)
    (runs / "tiny" / "config.json").write_text("{}")
    save_trained(runs / "tiny" / "weights.npz", trained, {"dataset": "mnist-sample"})
    lab = make_lab(runs)

    about, arrays = ask(lab, "open", RUN_WEIGHTS)
    assert (about["classes"], about["clusters"], about["pictured"]) == (3, 6, 3)
    generator = PlayedGenerator.load(runs / "tiny" / "weights.npz", get_ops("numpy"))
    typical = generator.sampler.condition.typical(3)
    middle = np.zeros((3, generator.sampler.latent.size), np.float32)
    assert np.array_equal(arrays["classes"], generator.images(middle, typical))

    draw = {"count": 60, "seed": 4, "truncation": 1}
    header, arrays = ask(lab, "draw", RUN_WEIGHTS, label=2, **draw)
    assert set(header["labels"]) == {4, 5}  # the clusters of class 2
    sampler = generator.sampler
    asked = sampler.images(sampler.inputs(60, 4, np.full(60, 2)))
    assert np.array_equal(arrays["images"], np.rint(255 * asked))
    assert set(ask(lab, "draw", RUN_WEIGHTS, **draw)[0]["labels"]) == set(range(6))
    with pytest.raises(RunError, match="label"):
        ask(lab, "draw", RUN_WEIGHTS, label=3, **draw)
    ask(lab, "images", RUN_WEIGHTS, z=middle.tolist(), labels=[0, 3, 5])
    with pytest.raises(RunError, match="labels"):
        ask(lab, "images", RUN_WEIGHTS, z=middle.tolist(), labels=[0, 3, 6])
