"""The networks of each recipe as ONNX models, run in onnxruntime."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest

from gan.data.image_shapes import POINTS
from gan.exchange.onnx_models import discriminator_model, generator_model
from gan.generator_file import load_sampler
from gan.latent import Latent
from gan.recipes import RECIPES
from gan.sampling import Sampler
from nn import Dense, Sequential, Sigmoid, WeightsError
from nn.serialization.onnx.model import save_onnx
from tests.support.onnx_runtime import run_onnx
from tests.support.small import CHECKOUT
from tests.support.tools import assert_close

N = 3


def with_statistics(network, seed):
    """The network, built, with running statistics as training leaves them."""
    network.build(seed=seed, device="numpy")
    for view in network.parameters.statistics.views.values():
        view[...] = 0.5 + np.random.default_rng(8).random(view.shape)
    return network


def a_sampler(recipe):
    n = recipe.num_classes if recipe.clusters else 0
    G = with_statistics(recipe.generator(), 1)
    prior = tuple(np.arange(1, n + 1) / (n * (n + 1) / 2)) if n else None
    names = tuple(f"class {k}" for k in range(recipe.classes)) or None
    return Sampler(
        *(G, recipe.latent, recipe.image_range, recipe.classes, prior, recipe.image_shape, names),
        recipe.clusters_per_image,
    )


def split(sampler, inputs):
    """The inputs of the ONNX model, from G's."""
    size = sampler.latent.size
    classes = (
        {"class": sampler.condition.numbers(inputs[:, size:])}
        if sampler.condition.num_classes
        else {}
    )
    return {"z": inputs[:, :size], **classes}


def as_nchw(images):
    """Pictures (N, H, W) or (N, H, W, 3) as (N, C, H, W)."""
    return images[:, np.newaxis] if images.ndim == 3 else images.transpose(0, 3, 1, 2)


@pytest.mark.parametrize("name", RECIPES)
def test_both_networks_of_a_recipe(name):
    recipe = RECIPES[name]
    sampler, D = a_sampler(recipe), with_statistics(recipe.discriminator(), 2)
    inputs = sampler.inputs(N, 5)
    given = split(sampler, inputs)
    images = run_onnx(generator_model(sampler), **given)
    assert images.shape == (N, *recipe.image_shape)
    assert images.min() >= 0 and images.max() <= 1 and images.std() > 1e-3
    if recipe.image_shape == POINTS:
        assert_close(images.reshape(N, 2), sampler.generated(inputs), 1e-5)
    else:
        assert_close(images, as_nchw(sampler.images(inputs)), 1e-5)

    low, high = recipe.image_range
    x = (images * np.float32(high - low) + np.float32(low)).reshape(N, *D.input_shape)
    outputs = D(np.ascontiguousarray(x))
    number = given.pop("class", np.zeros(N, int))
    score = run_onnx(
        discriminator_model(D, sampler),
        images=images,
        **({"class": number} if recipe.num_classes else {}),
    )
    mine = sampler.condition.one_hot(number) if recipe.num_classes else np.ones((N, 1))
    assert_close(score, (outputs * mine).sum(axis=1, keepdims=True), 1e-5)


def test_a_discriminator_of_packed_images_takes_them_as_channels():
    sampler = replace(a_sampler(RECIPES["two-layer"]), image_shape=(1, 28, 28))
    D = Sequential(Dense(2 * 784, 1), Sigmoid()).build(seed=0)
    model = discriminator_model(D, sampler)
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape[1:] == [2, 28, 28]
    x = np.random.default_rng(0).random((N, 2, 28, 28), np.float32)
    assert_close(run_onnx(model, images=x), D(x.reshape(N, -1)), 1e-5)


@pytest.mark.parametrize("sizes", [(784, 2), (500, 1), (300, 1)])
def test_a_discriminator_of_other_images_is_an_error(sizes):
    D = Sequential(Dense(*sizes)).build(seed=0)
    with pytest.raises(WeightsError, match=r"D: expected a discriminator of images \(1, 28, 28\)"):
        discriminator_model(D, a_sampler(RECIPES["two-layer"]))


def test_a_class_that_does_not_exist_is_an_error():
    G = Sequential(Dense(2 + 3, 4)).build(seed=0)
    sampler = Sampler(G, Latent(2), (-1, 1), classes=3, image_shape=(1, 2, 2))
    model, z = generator_model(sampler), np.zeros((1, 2), np.float32)
    run_onnx(model, **{"z": z, "class": np.array([2])})
    with pytest.raises(Exception, match="out of"):
        run_onnx(model, **{"z": z, "class": np.array([3])})


def test_the_metadata_say_how_to_draw():
    recipe = RECIPES["conv-clusters"]
    sampler = a_sampler(recipe)
    model = generator_model(sampler)
    (held,) = model.metadata_props
    assert held.key == "byhand"
    assert json.loads(held.value) == {
        "latent": {"size": 32, "distribution": "normal"},
        "classes": 0,
        "shares": list(sampler.class_prior),
        "image_range": [0, 1],
        "image_shape": [1, 28, 28],
        "class_names": None,
        "clusters_per_image": 1,
    }
    docs = {value.name: value.doc_string for value in model.graph.input}
    assert "N(0, 1)" in docs["z"] and "0 to 599" in docs["class"]


WITHOUT_BYHAND = """
import sys

class Block:
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("nn", "gan"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block())
import numpy as np
import onnxruntime

inputs = dict(np.load("inputs.npz"))
session = onnxruntime.InferenceSession("digits.onnx", providers=["CPUExecutionProvider"])
np.save("images.npy", session.run(None, inputs)[0])
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("nn", "gan")))
"""


def test_the_pretrained_generator_draws_in_onnxruntime_without_byhand(tmp_path):
    sampler = load_sampler(CHECKOUT / "gan" / "pretrained" / "digits-by-class.npz")
    save_onnx(tmp_path / "digits.onnx", generator_model(sampler))
    onnx.checker.check_model(tmp_path / "digits.onnx", full_check=True)
    inputs = sampler.inputs(10, 1, np.arange(10))
    np.savez(tmp_path / "inputs.npz", **split(sampler, inputs))
    words = [sys.executable, "-c", WITHOUT_BYHAND]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert_close(np.load(tmp_path / "images.npy"), as_nchw(sampler.images(inputs)), 1e-5)
