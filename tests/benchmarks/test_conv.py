"""benchmarks.conv: that its contenders do the same work. No test depends on the time."""

import dataclasses
import importlib.util

import pytest

import nn
from benchmarks import conv
from benchmarks.harness.contenders import convolutions
from gan.recipes import get_recipe
from tests.benchmarks.support import run_table
from tests.support.tools import assert_close

RECIPE = dataclasses.replace(get_recipe("dcgan"), batch_size=3)
TRANSPOSED = nn.ConvTranspose2d(3, 2, (3, 4), stride=(2, 3), padding=1, output_padding=(1, 0))
LAYERS = [
    (nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=1), (2, 7, 5)),
    (TRANSPOSED, (3, 4, 2)),
]
each_layer = pytest.mark.parametrize("layer, shape", LAYERS, ids=[repr(x) for x, _ in LAYERS])


def test_convolutions_are_named_with_their_settings():
    found = convolutions.convolutions(get_recipe("conv-r1r2"))
    assert [name for name, _, _ in found] == [
        "G.4 ConvTranspose2d(64, 32, 4, stride=2, padding=1)",
        "G.7 ConvTranspose2d(32, 1, 4, stride=2, padding=1)",
        "D.0 Conv2d(1, 32, 4, stride=2, padding=1)",
        "D.2 Conv2d(32, 64, 4, stride=2, padding=1)",
    ]
    shapes = [shape for _, _, shape in found]
    assert shapes == [(64, 7, 7), (32, 14, 14), (1, 28, 28), (32, 14, 14)]
    name, _, _ = convolutions.convolutions(get_recipe("dcgan"))[0]
    assert name.endswith(" ConvTranspose2d(256, 128, 3, padding=1)")


@pytest.mark.parametrize("name", ["dcgan", "conv-r1r2"])
def test_every_convolution_is_found_built_and_with_the_shape_of_its_input(name):
    recipe = get_recipe(name)
    found = convolutions.convolutions(recipe)
    networks = recipe.generator(), recipe.discriminator()
    kinds = nn.Conv2d, nn.ConvTranspose2d
    assert len(found) == sum(isinstance(layer, kinds) for net in networks for layer in net)
    for name, layer, shape in found:
        assert layer.W.any() and name.startswith(f"{layer.path} {type(layer).__name__}(")
        assert "init" not in name and name.count("(") == name.count(")")
        x, dy = convolutions.arrays(RECIPE, layer, shape)
        assert x.shape == (3, *shape) and dy.shape == layer(x).shape


@each_layer
def test_pytorch_computes_what_ours_does(layer, shape):
    pytest.importorskip("torch")
    layer.build(seed=0)
    forward, input_gradient, weight_gradient = convolutions.ours(RECIPE, layer, shape)
    theirs = convolutions.torch(RECIPE, layer, shape)
    assert_close(forward(), theirs[0](), 1e-5)
    layer.dW[...], layer.db[...] = 7, 7
    assert_close(input_gradient(), theirs[1]()[0], 1e-5)
    assert (layer.dW == 7).all() and (layer.db == 7).all()  # each pass is timed alone
    assert weight_gradient() is None
    _, dW, db = theirs[2]()
    assert_close(layer.dW, dW.numpy().transpose(0, 2, 3, 1), 1e-5)
    assert_close(layer.db, db, 1e-5)


@each_layer
def test_the_bare_products_have_the_sizes_of_im2col(layer, shape):
    layer.build(seed=0)
    products = convolutions.product(RECIPE, layer, shape)
    forward, input_gradient, weight_gradient = (product().shape for product in products)
    K, kh, kw, C = layer.W.shape
    transposed = isinstance(layer, nn.ConvTranspose2d)
    _, P, Q = shape if transposed else layer.output_shape(shape)
    windows, columns = 3 * P * Q, kh * kw * C
    expected = [(windows, columns), (windows, K)]
    assert [input_gradient, forward] == (expected[::-1] if transposed else expected)
    assert weight_gradient == (K, columns)


def test_a_contender_has_three_steps_per_layer():
    steps = convolutions.make_step("product", "conv-r1r2")
    assert len(steps) == 3 * 4 and all(step().ndim == 2 for step in steps)


def test_the_table_has_a_row_per_pass(monkeypatch, capsys):
    def interleaved(names, args, n_steps, rounds, count, module):
        assert (args, n_steps, rounds, count) == (("conv-r1r2",), 12, 2, 7)
        assert module == "benchmarks.harness.contenders.convolutions"
        ms = {"ours": 2.0, "product": 1.0}
        return {name: [[ms[name] * (k + 1)] * rounds for k in range(n_steps)] for name in names}

    monkeypatch.setattr(conv, "interleaved_steps", interleaved)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = ["--recipe", "conv-r1r2", "--rounds", "2", "--repetitions", "7"]
    rows = run_table(monkeypatch, capsys, conv, *words)
    assert rows[0] == ["layer", "pass", "ours, ms", "product, ms", "product / ours"]
    assert [row[1] for row in rows[2:]] == 4 * list(convolutions.PASSES)
    assert rows[2][0].startswith("G.4 ") and rows[3][0] == ""
    assert rows[3][2:] == ["4.00", "2.00", "0.50"]
