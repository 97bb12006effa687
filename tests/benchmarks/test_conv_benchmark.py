"""That the sides of benchmarks/conv.py do the same work; no test here looks at a clock."""

import dataclasses

import pytest

import nn
from benchmarks import conv
from gan.recipes import get_recipe
from tests.support.tools import assert_close

RECIPE = dataclasses.replace(get_recipe("dcgan"), batch_size=3)
LAYERS = [
    (nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=1), (2, 7, 5)),
    (nn.ConvTranspose2d(3, 2, (3, 4), stride=(2, 3), padding=1, output_padding=(1, 0)), (3, 4, 2)),
]
each = pytest.mark.parametrize("layer, shape", LAYERS, ids=[repr(layer) for layer, _ in LAYERS])


@pytest.mark.parametrize("recipe", ["dcgan", "conv-r1r2"])
def test_every_convolution_is_found_built_with_the_shape_of_its_input(recipe):
    recipe = get_recipe(recipe)
    found = conv.convolutions(recipe)
    kinds = nn.Conv2d, nn.ConvTranspose2d
    assert len(found) == sum(isinstance(layer, kinds) for net in (recipe.generator(), recipe.discriminator()) for layer in net)
    for name, layer, shape in found:
        assert layer.W.any() and name.startswith(f"{layer.path} {type(layer).__name__}(")
        assert "init" not in name and name.count("(") == name.count(")")
        x, dy = conv.arrays(RECIPE, layer, shape)
        assert x.shape == (3, *shape) and dy.shape == layer(x).shape


@each
def test_pytorchs_side_computes_what_ours_does(layer, shape):
    pytest.importorskip("torch")
    layer.build(seed=0)
    forward, input_gradient, weight_gradient = conv.ours(RECIPE, layer, shape)
    its_forward, its_input_gradient, its_weight_gradient = conv.torch(RECIPE, layer, shape)
    assert_close(forward(), its_forward(), 1e-5)
    layer.dW[...], layer.db[...] = 7, 7
    assert_close(input_gradient(), its_input_gradient()[0], 1e-5)
    assert (layer.dW == 7).all() and (layer.db == 7).all()  # each pass is timed alone
    assert weight_gradient() is None
    _, dW, db = its_weight_gradient()
    assert_close(layer.dW, dW.numpy().transpose(0, 2, 3, 1), 1e-5)
    assert_close(layer.db, db, 1e-5)


@each
def test_the_bare_products_have_im2cols_sizes(layer, shape):
    layer.build(seed=0)
    forward, input_gradient, weight_gradient = (product().shape for product in conv.product(RECIPE, layer, shape))
    K, kh, kw, C = layer.W.shape
    transposed = isinstance(layer, nn.ConvTranspose2d)
    _, P, Q = shape if transposed else layer.output_shape(shape)
    windows, columns = 3 * P * Q, kh * kw * C
    assert (input_gradient, forward) == ((windows, columns), (windows, K))[:: -1 if transposed else 1]
    assert weight_gradient == (K, columns)


def test_a_childs_answer_is_the_time_of_the_pass_that_was_asked_for(monkeypatch, capsys):
    timed = []
    monkeypatch.setattr(conv, "timed", lambda step, repetitions: timed.append((step, repetitions)) or len(timed))
    monkeypatch.setattr(conv, "convolutions", lambda recipe: [("", "a layer", "a shape")])
    monkeypatch.setitem(conv.SIDES, "ours", lambda *of: ("forward", "input gradient", "weight gradient"))
    monkeypatch.setattr(conv.sys, "stdin", ["2 5\n", "0 4\n"])
    conv.be_a_side("ours", RECIPE)
    assert capsys.readouterr().out.split() == ["ready", "1", "2"] and timed == [("weight gradient", 5), ("forward", 4)]
