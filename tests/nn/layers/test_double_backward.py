"""The derivative of a penalty on dL/dx against finite differences in float64."""

import numpy as np
import pytest

import nn
from tests.support.tools import assert_close, away_from_zero, normal

STEP = 1e-5

pytestmark = pytest.mark.gradcheck


def penalty(net, x, dy, r, cache):
    """P = <dx, r> for dx = net.backward(dy), with the same dropout masks each time."""
    net.stream.state = net.first_state
    net.forward(x, cache, train=True)
    return float(np.sum(net.backward(dy.copy(), cache, grads="skip") * r))


def built(layer, shape):
    net = (layer if isinstance(layer, nn.Sequential) else nn.Sequential(layer)).build(
        seed=0, dtype="float64"
    )
    net.first_state = net.stream.state
    net.parameters.value.flat[...] = normal(net.parameters.value.flat.size, seed=9) / 2
    return (
        net,
        away_from_zero(4, *shape, seed=1),
        normal(4, *net.output_shape(shape), seed=2),
        normal(4, *shape, seed=3),
    )


def assert_right(layer, shape, tolerance=1e-7):
    """Parameters, dy and x each moved along a random direction; returns whether x mattered."""
    net, x, dy, r = built(layer, shape)
    cache = net.cache(double_backward=True)
    net.parameters.grad.flat[...] = 0
    penalty(net, x, dy, r, cache)
    ddy, dx = (None if a is None else a.copy() for a in net.double_backward(r.copy(), cache))
    grad, fresh = net.parameters.grad.flat.copy(), net.cache()
    for array, by_hand in (
        (net.parameters.value.flat, grad),
        (dy, ddy),
        (x, np.zeros_like(x) if dx is None else dx),
    ):
        direction = normal(*array.shape, seed=4)
        here, at = array.copy(), []
        for k in (-2, -1, 1, 2):
            array[...] = here + k * STEP * direction
            at.append(penalty(net, x, dy, r, fresh))
        array[...] = here
        numeric = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * STEP)
        assert abs(np.sum(by_hand * direction) - numeric) <= tolerance * max(abs(numeric), 1e-2)
    return dx is not None


SMOOTH = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU, "silu": nn.SiLU}
IMAGE = (2, 6, 5)


@pytest.mark.parametrize(
    "layer, shape",
    [
        (nn.Dense(5, 3), (5,)),
        (nn.LeakyReLU(0.2), (5,)),
        (nn.ReLU(), (5,)),
        (nn.Dropout(0.4), (5,)),
        (nn.Conv2d(2, 3, 3, stride=2, padding=1), IMAGE),
        (nn.Conv2d(2, 3, (2, 3), stride=(1, 2)), IMAGE),
        (nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1), IMAGE),
        (nn.ConvTranspose2d(2, 3, 3, stride=2, output_padding=1), IMAGE),
        (nn.AvgPool2d(2), IMAGE),
        (nn.GlobalAvgPool2d(), IMAGE),
        (nn.Upsample(2), IMAGE),
        (nn.Flatten(), IMAGE),
        (nn.Reshape((4, 3, 5)), IMAGE),
        (nn.LeakyReLU(0.2), IMAGE),
        (nn.Dropout(0.4), IMAGE),
    ],
    ids=str,
)
def test_piecewise_linear_layer(layer, shape):
    assert not assert_right(layer, shape)


@pytest.mark.parametrize("kind", SMOOTH.values(), ids=SMOOTH)
@pytest.mark.parametrize("shape", [(5,), IMAGE])
def test_smooth_layer_has_a_second_order_term(kind, shape):
    assert assert_right(kind(), shape)


@pytest.mark.parametrize("layer", [nn.SelfAttention2d(2), nn.SelfAttention2d(2, 3)], ids=str)
def test_attention_has_a_second_order_term(layer):
    assert assert_right(layer, (2, 3, 2))


def test_attention_in_a_network():
    assert assert_right(
        nn.Sequential(
            nn.Conv2d(2, 4, 3),
            nn.SelfAttention2d(4, 2),
            nn.Tanh(),
            nn.Flatten(),
            nn.Dense(16, 1),
        ),
        (2, 4, 4),
    )


NETWORKS = {
    "leaky mlp": lambda: [
        nn.Dense(6, 7),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Dense(7, 5),
        nn.ReLU(),
        nn.Dense(5, 1),
    ],
    "smooth mlp": lambda: [nn.Dense(6, 7), nn.Tanh(), nn.Dense(7, 5), nn.Sigmoid(), nn.Dense(5, 1)],
    "mixed mlp": lambda: [
        nn.Dense(6, 7),
        nn.LeakyReLU(0.2),
        nn.Tanh(),
        nn.Sigmoid(),
        nn.Dropout(0.3),
        nn.Dense(7, 2),
        nn.Tanh(),
    ],
    "nested": lambda: [
        nn.Sequential(nn.Dense(6, 7), nn.Tanh()),
        nn.Sequential(nn.Sequential(nn.Dense(7, 4)), nn.Sigmoid()),
    ],
}


@pytest.mark.parametrize("layers", NETWORKS.values(), ids=NETWORKS)
def test_network(layers):
    assert_right(nn.Sequential(*layers()), (6,))


@pytest.mark.parametrize("act", [nn.ReLU, nn.Tanh, nn.Sigmoid])
def test_convolutional_network(act):
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1),
        act(),
        nn.Upsample(2),
        nn.Conv2d(3, 4, 3),
        act(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Dense(16, 1),
    )
    assert_right(net, (2, 6, 6))


def test_r1_matches_its_formula():
    """(gamma / 2) mean |g|^2 and its derivative: norm_penalty gives v, double_backward the rest."""
    net, x, _, _ = built(nn.Sequential(nn.Dense(6, 7), nn.LeakyReLU(0.2), nn.Dense(7, 1)), (6,))
    cache, value, dg = net.cache(double_backward=True), np.empty(1), np.empty_like(x)
    net.parameters.grad.flat[...] = 0
    net.forward(x, cache, train=True)
    g = net.backward(np.ones((4, 1)), cache, grads="skip")
    net.ops.norm_penalty(g, 0.0, 10.0, dg=dg, value=value)
    assert np.isclose(value[0], 5 * np.mean(np.sum(g**2, axis=1)), rtol=1e-14)
    net.double_backward(dg, cache)
    # two layers with masks m: g = W2 (m * W1^T), so P = 5 mean |W1 (m w2)|^2 in closed form
    (W1, w2), m = (net[0].W, net[2].W[:, 0]), np.where(x @ net[0].W + net[0].b > 0, 1, 0.2)
    signal = m * w2
    gradient = signal @ W1.T
    assert_close(net[0].dW, 10 / 4 * gradient.T @ signal, 1e-13)
    assert_close(net[2].dW[:, 0], 10 / 4 * np.sum((gradient @ W1) * m, axis=0), 1e-13)
    assert not net[0].db.any() and not net[2].db.any()


@pytest.mark.parametrize(
    "layer, shape",
    [
        (nn.Dense(5, 3), (5,)),
        (nn.Conv2d(2, 3, 3), IMAGE),
        (nn.Conv2d(8, 6, 3), (8, 6, 5)),
        (nn.ConvTranspose2d(2, 3, 3), IMAGE),
        (nn.ConvTranspose2d(8, 6, 3), (8, 6, 5)),
        (nn.SpectralNorm(nn.Dense(5, 3)), (5,)),
    ],
    ids=str,
)
def test_gradients_are_added_and_biases_untouched(layer, shape):
    net, x, dy, r = built(layer, shape)
    cache, found = net.cache(double_backward=True), []
    net.forward(x, cache)
    for before in (0, 7):
        net.backward(dy.copy(), cache, grads="skip")
        net.parameters.grad.flat[...] = before
        net.double_backward(r.copy(), cache)
        found.append(net[0].dW - before)
        assert (net[0].db == before).all() and np.abs(found[0]).max() > 0.1
    assert_close(found[1], found[0], 1e-12)
    if isinstance(layer, nn.Dense):
        assert_close(found[0], r.T @ dy, 1e-13)


@pytest.mark.parametrize("layer", [nn.Dropout(0.4), nn.RandomShift(2), nn.Cutout(3)], ids=str)
def test_evaluation_mode_draws_nothing(layer):
    net, x, dy, r = built(layer, IMAGE)
    cache = net.cache(double_backward=True)
    net.forward(x, cache, train=True)
    net.forward(x, cache, train=False)
    net.backward(dy.copy(), cache)
    ddy, dx = net.double_backward(r.copy(), cache)
    assert np.array_equal(ddy, r) and dx is None


def test_ordinary_cache_keeps_nothing_for_it_and_is_refused():
    layers = (
        nn.Conv2d(2, 3, 3),
        nn.ConvTranspose2d(3, 2, 3),
        nn.Sigmoid(),
        nn.Flatten(),
        nn.Dense(60, 3),
        nn.Tanh(),
    )
    net, x, dy, r = built(nn.Sequential(*layers), IMAGE)
    cache = net.cache()
    penalty(net, x, dy, r, cache)
    assert [vars(part)["dy"] for part in cache.parts if "dy" in vars(part)] == 5 * [None]
    with pytest.raises(
        nn.ShapeError,
        match=r"Sequential 'net': expected a cache made by cache\(double_backward=True\)",
    ):
        net.double_backward(r, cache)


def test_cache_of_another_network_is_refused():
    net, _, _, r = built(nn.Dense(5, 3), (5,))
    with pytest.raises(nn.ShapeError, match="Sequential 'net': expected a cache of this network"):
        net.double_backward(r, built(nn.Dense(5, 3), (5,))[0].cache(double_backward=True))


@pytest.mark.parametrize("layer, shape", [(nn.BatchNorm(5), (5,)), (nn.MaxPool2d(2), IMAGE)])
def test_layer_without_double_backward_is_an_error(layer, shape):
    net, x, dy, r = built(layer, shape)
    cache = net.cache(double_backward=True)
    penalty(net, x, dy, r, cache)
    with pytest.raises(
        nn.ShapeError,
        match=f"{type(layer).__name__} 'net.0': expected a layer with double_backward",
    ):
        net.double_backward(r, cache)
