"""LayerNorm, GroupNorm and PixelNorm."""

import numpy as np
import pytest

import nn
from nn.serialization.torch_state import from_torch_state, to_torch_state
from tests.oracles import load
from tests.support.tools import assert_close, in_float64, normal, one_pass

# the layers of tests/oracles/make_block_oracles.py
LAYERS = {
    "layernorm": lambda: nn.LayerNorm(6),
    "layernorm_eps": lambda: nn.LayerNorm((2, 3, 4), eps=0.5),
    "layernorm_last": lambda: nn.LayerNorm(4),
    "groupnorm": lambda: nn.GroupNorm(2, 6),
    "groupnorm_instance": lambda: nn.GroupNorm(3, 3, eps=0.5),
    "pixelnorm": nn.PixelNorm,
    "pixelnorm_images": nn.PixelNorm,
}
each = pytest.mark.parametrize("name", LAYERS)


def channels_last_in_memory(x):
    """The same images in the memory order of convolutions."""
    if x.ndim != 4:
        return x
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def arrays_of(name, kind):
    """PyTorch's arrays by name: `before` and `d` are the parameters and their gradients."""
    prefix = f"{name}.{kind}."
    return {k.removeprefix(prefix): a for k, a in load("blocks").items() if k.startswith(prefix)}


@each
@pytest.mark.parametrize("memory", [np.array, channels_last_in_memory], ids=["C", "channels last"])
def test_matches_pytorch(name, memory):
    want, layer = load("blocks"), in_float64(LAYERS[name]())
    from_torch_state(layer, arrays_of(name, "before"))
    y, dx = one_pass(layer, memory(want[f"{name}.x"]), memory(want[f"{name}.dy"]))
    assert_close(y, want[f"{name}.y"], 1e-14)
    assert_close(dx, want[f"{name}.dx"], 1e-13)
    for key, value in layer.parameters.value.items():
        value[...] = layer.parameters.grad[key]  # gradients in PyTorch's layout
    gradients = to_torch_state(layer)
    assert gradients.keys() == arrays_of(name, "d").keys()
    for key, grad in gradients.items():
        assert_close(grad, want[f"{name}.d.{key}"], 1e-13)


@each
@pytest.mark.gradcheck
def test_gradients_match_finite_differences(name):
    """Including `double_backward`."""
    layer = in_float64(LAYERS[name]())
    layer.parameters.value.flat[...] = normal(layer.parameters.value.flat.size, seed=3)
    report = nn.gradcheck(layer, load("blocks")[f"{name}.x"])
    assert report.ok, report


@pytest.mark.gradcheck
def test_gradients_of_a_network_match_finite_differences():
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.GroupNorm(2, 4),
        nn.Tanh(),
        nn.PixelNorm(),
        nn.Flatten(),
        nn.Dense(48, 5),
        nn.LayerNorm(5),
        nn.Sigmoid(),
    )
    report = nn.gradcheck(net, normal(3, 2, 3, 4))
    assert report.ok, report


@each
def test_a_sample_does_not_depend_on_the_others(name):
    layer, x = LAYERS[name]().build(), load("blocks")[f"{name}.x"].astype(np.float32)
    assert_close(layer(x)[:1], layer(x[:1]), 1e-6)


@pytest.mark.parametrize(
    "layer, axes", [(nn.LayerNorm((4, 3, 5)), (1, 2, 3)), (nn.GroupNorm(4, 4), (2, 3))], ids=str
)
def test_y_has_mean_0_and_variance_1(layer, axes):
    """Also where the mean is a thousand times the deviation."""
    y = layer.build()(1000 + normal(6, 4, 3, 5, dtype=np.float32))
    assert np.abs(y.mean(axis=axes)).max() < 1e-5
    assert np.abs(y.var(axis=axes) - 1).max() < 1e-3


def test_pixelnorm_divides_each_pixel_by_its_size():
    x = normal(2, 3, 4, 5)
    want = np.empty_like(x)
    for n, h, w in np.ndindex(2, 4, 5):
        pixel = x[n, :, h, w]
        want[n, :, h, w] = pixel / np.sqrt(np.mean(pixel**2) + 1e-8)
    assert_close(in_float64(nn.PixelNorm())(x), want, 1e-14)


@each
def test_a_constant_input_has_finite_results(name):
    layer, shape = in_float64(LAYERS[name]()), load("blocks")[f"{name}.x"].shape
    for value in (0.0, 3.0):
        y, dx = one_pass(layer, np.full(shape, value), normal(*shape))
        assert np.isfinite(y).all() and np.isfinite(dx).all()


def test_an_output_can_be_written_to_a_given_array():
    net = nn.Sequential(nn.Dense(3, 4), nn.PixelNorm()).build(seed=0)
    cache, mine, x = net.cache(), np.zeros((2, 4), np.float32), np.ones((2, 3), np.float32)
    cache.write_output_to(mine)
    assert net.forward(x, cache) is mine and np.array_equal(mine, net(x))


def test_errors_name_what_was_expected():
    for make, message in (
        (lambda: nn.GroupNorm(3, 4), "expected groups to divide n, got groups=3 and n=4; pass a"),
        (lambda: nn.GroupNorm(0, 4), "GroupNorm: expected groups to be an integer of at least 1"),
        (lambda: nn.LayerNorm((3, 0)), "LayerNorm: expected shape to be integers of at least 1"),
        (lambda: nn.LayerNorm(3, eps=0), "LayerNorm: expected eps above 0, got 0"),
        (lambda: nn.PixelNorm(eps=-1), "PixelNorm: expected eps above 0, got -1"),
    ):
        with pytest.raises(nn.ShapeError, match=message):
            make()
    for layer, shape, message in (
        (nn.LayerNorm((3, 4)), (2, 4), r"expected samples of a shape that ends in \(3, 4\), got"),
        (nn.GroupNorm(2, 4), (2, 3, 5, 5), r"expected x of shape \(N, 4, H, W\), got \(2, 3, 5, 5"),
        (nn.PixelNorm(), (2, 3, 4), r"expected samples of shape \(n,\) or \(C, H, W\), got \(3, 4"),
    ):
        with pytest.raises(nn.ShapeError, match=message):
            layer.build()(np.ones(shape, np.float32))
    with pytest.raises(nn.ShapeError, match=r"expected samples of shape \(4, H, W\), got \(4,\)"):
        nn.Sequential(nn.Dense(3, 4), nn.GroupNorm(2, 4))
