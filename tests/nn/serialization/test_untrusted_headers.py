"""Headers that describe no network, or one that needs too much memory or time."""

import copy
import io
import json
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan import sampling
from gan.classifier import network as classifier
from gan.classifier.network import CLASSES, IMAGE_RANGE, digit_classifier, load_classifier
from gan.generator_file import MAX_PASS_SIZE, PER_NUMBER, load_sampler
from gan.recipes import DIGITS, get_recipe, recipes_for
from nn import (
    AvgPool2d,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    ReLU,
    Reshape,
    Sequential,
    Upsample,
    WeightsError,
    load_weights,
    save_weights,
)
from nn.serialization.archive import MAX_HEADER_BYTES, NPY_BYTES
from nn.serialization.pass_size import pass_size
from tests.nn.serialization.untrusted import (
    READERS,
    SAMPLING_INFO,
    members,
    npy,
    sampled,
    save_generator,
    write,
)

# values that replace parts of a header
VALUES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    3,
    784,
    10**5,
    10**9,
    2**63,
    10**30,
    10**400,
    0.5,
    -0.5,
    1e-300,
    1e300,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "G",
    "normal",
    "Dense",
    "\n\x1b[2J\x00",
    "\ud800",
    "../../x",
    [],
    [0],
    [[]],
    [10**9, 10**9],
    [1, 28, 28],
    {},
    {"a": {}},
    {"type": "ReLU"},
    {"type": "Upsample", "factor": 10**6},
    {"type": "Reshape", "shape": [1, 28, 28]},
    {"type": "Flatten"},
    {"type": "Conv2d", "c_in": 1, "c_out": 1, "kernel": 1, "stride": 10**9, "padding": 10**9},
    {"type": "AvgPool2d", "kernel": 10**6},
    {"type": "Sequential", "layers": [{"type": "Flatten"}] * 50},
    {"type": "SpectralNorm", "layer": {"type": "Dense", "n_in": 4, "n_out": 8}},
]


def places(tree, path=()):
    """Every place in a JSON value, as a tuple of keys."""
    yield path
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from places(value, (*path, key))


def changed(header, draw):
    """The header with one to three values replaced, added or removed."""
    tree = [copy.deepcopy(header)]
    for _ in range(draw(st.integers(1, 3))):
        *path, key = draw(st.sampled_from([(0, *path) for path in places(tree[0])]))
        node = tree
        for step in path:
            node = node[step]
        value = copy.deepcopy(draw(st.sampled_from(VALUES)))
        action = draw(st.sampled_from(["replace", "replace", "add", "remove"]))
        if action == "replace":
            node[key] = value
        elif node is tree:
            continue
        elif action == "remove":
            node.pop(key)
        elif isinstance(node, list):
            node.insert(key, value)
        else:
            node[draw(st.sampled_from(["more", "a\nb", ""]))] = value
    return tree[0]


def with_header(content, header):
    return content | {"header.npy": npy(np.frombuffer(json.dumps(header).encode(), np.uint8))}


def header_of(content):
    return json.loads(np.load(io.BytesIO(content["header.npy"])).tobytes())


@pytest.mark.parametrize("name", ["weights", "predict", "classify", "checkpoint", "resume"])
def test_changed_header_is_read_or_refused(tmp_path, name):
    reader, path = READERS[name], tmp_path / "file.npz"
    reader.save(path)
    content = members(path)

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def try_it(data):
        write(path, with_header(content, changed(header_of(content), data.draw)))
        try:
            reader.read(path)
        except reader.error as problem:
            assert str(problem).isprintable()

    try_it()


@pytest.mark.parametrize(
    "make",
    [
        lambda: [Upsample(10**4), AvgPool2d(28 * 10**4)],
        lambda: [Conv2d(1, 1, 1, stride=10**6, padding=10**7)],
        lambda: [AvgPool2d(14), ConvTranspose2d(1, 1, 1, stride=10**6, padding=5 * 10**5)],
        lambda: [ConvTranspose2d(1, 1, 1, stride=900, padding=12_150)],
        lambda: [AvgPool2d(10**5, padding=5 * 10**4)],
        lambda: [ReLU() for _ in range(2000)],
    ],
    ids=[
        "Upsample",
        "Conv2d",
        "stride of ConvTranspose2d",
        "frame of ConvTranspose2d",
        "AvgPool2d",
        "many layers",
    ],
)
@pytest.mark.parametrize(
    "name, load, n_out, info",
    [
        (
            "G",
            load_sampler,
            784,
            SAMPLING_INFO | {"latent": {"size": 784, "distribution": "normal"}, "shares": None},
        ),
        ("classifier", load_classifier, 10, {"classes": CLASSES, "image_range": IMAGE_RANGE}),
    ],
    ids=["predict", "classify"],
)
def test_network_that_needs_too_much_memory_or_time_is_refused(
    tmp_path, make, name, load, n_out, info
):
    """Its weights are few, and its shapes fit."""
    path, layers = tmp_path / "file.npz", make()
    n_in = math.prod(Sequential(*layers).output_shape((1, 28, 28)))
    network = Sequential(Reshape((1, 28, 28)), *layers, Flatten(), Dense(n_in, n_out)).build(seed=0)
    save_weights(path, {name: network}, info)
    load_weights(path)
    with pytest.raises(WeightsError, match=str(path)):
        load(path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"latent": {"size": 19_600, "distribution": "normal"}}, "at most 10,000 numbers"),
        ({"image_range": [0, 10**400]}, "too large"),
        ({"image_range": [-1e308, 1e308]}, "finite numbers"),
        ({"image_range": [0, math.nan]}, "finite numbers"),
        ({"image_range": [1, 1]}, "rising"),
        ({"classes": 10**9}, "number of classes up to"),
        ({"shares": [1.5, -0.5]}, "sum to 1"),
        ({"shares": []}, "empty"),
        ({"shares": [math.nan]}, "sum to 1"),
    ],
)
def test_sampling_info_out_of_bounds_is_refused(tmp_path, change, message):
    path = tmp_path / "file.npz"
    info = {"latent": {"size": 784, "distribution": "normal"}, "classes": 0, "image_range": [-1, 1]}
    for size, side, last in (784, 28, 1), (19_600, 140, 5):
        G = Sequential(Reshape((1, side, side)), AvgPool2d(last), Flatten()).build(seed=0)
        save_weights(path, {"G": G}, info)
        if size == 784:
            assert load_sampler(path)
        if change.get("latent", info["latent"])["size"] == size:
            save_weights(path, {"G": G}, info | change)
            expected = f"{path}: it does not say how to sample.*{message}"
            with pytest.raises(WeightsError, match=expected):
                load_sampler(path)


def test_large_generator_samples_fewer_images_at_once(tmp_path, monkeypatch):
    path, sizes, make_images = tmp_path / "file.npz", [], sampling.make_images
    save_generator(path)
    want = sampled(path)

    def spy(G, inputs, *rest):
        sizes.append(len(inputs))
        return make_images(G, inputs, *rest)

    too_small_for_two = 2 * pass_size(load_sampler(path).generator, (4,)) - 1
    monkeypatch.setattr(sampling, "NUMBERS_AT_ONCE", too_small_for_two)
    monkeypatch.setattr(sampling, "make_images", spy)
    assert np.allclose(sampled(path), want, atol=1e-6) and sizes == [1, 1]
    monkeypatch.setattr(sampling, "NUMBERS_AT_ONCE", 1)  # too small for one
    assert np.allclose(sampled(path), want, atol=1e-6) and sizes == [1, 1, 1, 1]


def test_networks_of_the_package_are_within_the_bounds():
    """At 28 x 28, and the classifier, below half of them; larger images below them."""
    for recipe in recipes_for(DIGITS).values():
        size = pass_size(recipe.generator(), (recipe.latent.size + recipe.num_classes,))
        assert 2 * size < MAX_PASS_SIZE, recipe.name
    for name, channels, side in product(("conv-clusters", "conv-r1r2"), (1, 3), (64, 96, 128)):
        recipe = get_recipe(name, (channels, side, side))
        size = pass_size(recipe.generator(), (recipe.n_in,))
        assert size < max(MAX_PASS_SIZE, PER_NUMBER * channels * side**2), (name, channels, side)
    assert 2 * pass_size(digit_classifier(), (1, 28, 28)) < classifier.MAX_NUMBERS


def test_header_that_is_too_long_is_not_written(tmp_path):
    G, path = Sequential(Dense(2, 3)).build(seed=0), tmp_path / "file.npz"
    with pytest.raises(WeightsError, match="header of at most 100,000 bytes"):
        save_weights(path, {"G": G}, {"note": "x" * MAX_HEADER_BYTES})
    assert not path.exists()
    text = len(json.dumps({"format": 1, "networks": {"G": G.to_config()}, "info": {"note": ""}}))
    longest = MAX_HEADER_BYTES - NPY_BYTES - text
    save_weights(path, {"G": G}, {"note": "x" * longest})
    assert load_weights(path)
    with pytest.raises(WeightsError, match="give less info"):
        save_weights(path, {"G": G}, {"note": "x" * (longest + 1)})
