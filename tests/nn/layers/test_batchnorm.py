import math

import numpy as np
import pytest

import nn
from nn.layers.batchnorm import settle_batchnorm
from tests.oracles import load
from tests.support.tools import assert_close, in_float64, normal, one_pass, set_parameters

ORACLES = {"norm": {}, "norm_eps": {"eps": 0.5, "momentum": 0.3}, "norm_images": {}}


def plain_batchnorm(x, W, b, eps):
    """Channel by channel; x: (N, n) or (N, n, H, W)."""
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        values = list(x[:, c].flat)
        mean = sum(values) / len(values)
        var = sum((value - mean) ** 2 for value in values) / len(values)
        y[:, c] = W[c] * (x[:, c] - mean) / math.sqrt(var + eps) + b[c]
    return y


def layer_with_values(n, **settings):
    layer = in_float64(nn.BatchNorm(n, **settings))
    set_parameters(layer, W=normal(n, seed=5), b=normal(n, seed=6), running_mean=normal(n, seed=7))
    set_parameters(layer, running_var=0.5 + normal(n, seed=8) ** 2)
    return layer


def channels_last(x):
    """The same images, channels-last (N, H, W, C) in memory."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def test_initial_scale_and_shift_are_identity():
    layer = nn.BatchNorm(np.int64(3), momentum=1).build(seed=0)
    assert repr(layer) == "BatchNorm(3, momentum=1.0)" and type(layer.n) is int
    assert [set(a.tolist()) for a in (layer.W, layer.b, layer.running_mean, layer.running_var)] == [
        {1},
        {0},
        {0},
        {1},
    ]


@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 4, 5), (1, 3, 2, 1), (500, 100)])
def test_training_matches_plain_loops(shape):
    layer, x = layer_with_values(shape[1], eps=0.1), 2 + 3 * normal(*shape)
    y = layer.forward(x, layer.cache(), train=True)
    assert_close(y, plain_batchnorm(x, layer.W, layer.b, 0.1), 1e-13)


@pytest.mark.parametrize("n", [682, 900, 1024, 1025, 2049, 140_000])
def test_any_width_matches_the_formula(n):
    """Narrow rows are joined, wide ones are processed a few at a time, or one by one."""
    x, dy = 1 + normal(5, n), normal(5, n, seed=1)
    layer = in_float64(nn.BatchNorm(n, eps=0.1))
    y, dx = one_pass(layer, x, dy)
    std = np.sqrt(x.var(axis=0) + 0.1)
    xhat = (x - x.mean(axis=0)) / std
    assert_close(y, xhat, 1e-13)
    assert_close(layer.dW, (dy * xhat).sum(axis=0), 1e-13)
    assert_close(layer.db, dy.sum(axis=0), 1e-13)
    assert_close(dx, (dy - dy.mean(axis=0) - xhat * (dy * xhat).mean(axis=0)) / std, 1e-13)


def test_evaluation_uses_the_running_statistics():
    layer, x = layer_with_values(3, eps=0.1), normal(6, 3)
    want = layer.W * (x - layer.running_mean) / np.sqrt(layer.running_var + 0.1) + layer.b
    assert_close(layer(x), want, 1e-14)
    assert_close(layer(x[:1]), want[:1], 1e-14)  # a single sample is enough


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 4, 5)])
@pytest.mark.gradcheck
def test_gradients_match_finite_differences(shape, train):
    report = nn.gradcheck(layer_with_values(3), 1 + 2 * normal(*shape), train=train)
    assert report.ok and len(report.entries) == 3, report


@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 4, 5)])
@pytest.mark.gradcheck
def test_gradients_where_eps_is_as_large_as_the_variance(shape):
    report = nn.gradcheck(layer_with_values(3, eps=1.0), normal(*shape))
    assert report.ok, report


@pytest.mark.parametrize("when", ["train", "again", "eval"])
@pytest.mark.parametrize(
    "name, memory", [*((name, np.array) for name in ORACLES), ("norm_images", channels_last)]
)
def test_matches_pytorch(name, memory, when):
    want = {
        key.removeprefix(f"{name}.{when}."): value
        for key, value in load("layers").items()
        if key.startswith(f"{name}.{when}.")
    }
    layer = in_float64(nn.BatchNorm(3, **ORACLES[name]))
    set_parameters(layer, W=want["before.weight"], b=want["before.bias"])
    set_parameters(
        layer, running_mean=want["before.running_mean"], running_var=want["before.running_var"]
    )
    y, dx = one_pass(layer, memory(want["x"]), memory(want["dy"]), train=when != "eval")
    assert_close(y, want["y"], 1e-13)
    assert_close(dx, want["dx"], 1e-12)
    assert_close(layer.dW, want["d.weight"], 1e-13)
    assert_close(layer.db, want["d.bias"], 1e-13)
    assert_close(layer.running_mean, want["after.running_mean"], 1e-14)
    assert_close(layer.running_var, want["after.running_var"], 1e-14)  # of the unbiased variance


def test_images_have_one_statistic_per_channel():
    layer = in_float64(nn.BatchNorm(3))
    y = layer.forward(5 + normal(4, 3, 6, 7), layer.cache(), train=True)
    assert np.abs(y.mean(axis=(0, 2, 3))).max() < 1e-13
    assert np.abs(y.mean(axis=0)).max() > 0.1  # single pixels keep their differences
    assert layer.running_mean.shape == (3,) and layer.n_parameters == 6


def test_default_settings_are_pytorchs():
    layer = nn.BatchNorm(2)
    assert layer.eps == 1e-5 and layer.momentum == 0.1


def test_eps_and_momentum_are_keyword_only():
    """BatchNorm(c, 0.8), meant as momentum, must not silently become eps."""
    with pytest.raises(TypeError):
        nn.BatchNorm(2, 0.8)


def test_cache_that_does_not_track_statistics_still_uses_the_batch():
    layer, x = layer_with_values(3), normal(6, 3)
    before = layer.running_mean.copy(), layer.running_var.copy()
    y = layer.forward(x, layer.cache(tracks_statistics=False), train=True)
    assert_close(y, plain_batchnorm(x, layer.W, layer.b, 1e-5), 1e-13)
    assert (layer.running_mean == before[0]).all() and (layer.running_var == before[1]).all()


def test_evaluation_does_not_update_running_statistics():
    layer = layer_with_values(3)
    before = layer.running_mean.copy(), layer.running_var.copy()
    layer.forward(normal(6, 3), layer.cache(), train=False)
    assert (layer.running_mean == before[0]).all() and (layer.running_var == before[1]).all()


def test_frozen_is_not_evaluation_mode():
    """`skip` gives the same dx as `write`, from the batch's statistics."""
    layer, x, dy = layer_with_values(3), normal(6, 3), normal(6, 3, seed=1)
    _, written = one_pass(layer, x, dy, grads="write")
    _, skipped = one_pass(layer, x, dy, grads="skip")
    _, evaluated = one_pass(layer, x, dy, train=False)
    assert (written == skipped).all()
    assert np.abs(written - evaluated).max() > 0.1


@pytest.mark.parametrize("train", [True, False])
def test_frozen_layer_sums_over_the_batch_only_if_dx_needs_it(train, monkeypatch):
    layer, x, dy, summed = layer_with_values(3), normal(6, 3), normal(6, 3, seed=1), []
    for name in ("sum_rows", "sum_product_rows"):
        usual = getattr(layer.ops, name)
        monkeypatch.setattr(
            layer.ops,
            name,
            lambda *a, _usual=usual, _name=name, **k: summed.append(_name) or _usual(*a, **k),
        )
    _, written = one_pass(layer, x, dy, train=train)
    assert sorted(summed) == ["sum_product_rows", "sum_rows"]
    summed.clear()
    _, skipped = one_pass(layer, x, dy, train=train, grads="skip")
    assert sorted(summed) == (["sum_product_rows", "sum_rows"] if train else [])
    assert (written == skipped).all()


def test_float32_batch_far_from_zero_is_normalized():
    layer = nn.BatchNorm(3).build(seed=0)
    x = (1000 + normal(64, 3)).astype(np.float32)
    y = layer.forward(x, layer.cache(), train=True)
    assert_close(y, plain_batchnorm(x.astype(np.float64), np.ones(3), np.zeros(3), 1e-5), 1e-3)


def test_running_statistics_are_not_parameters():
    net = nn.Sequential(nn.BatchNorm(3)).build(seed=0)
    assert set(dict(net.parameters.value.items())) == {"0.W", "0.b"}
    assert set(dict(net.parameters.statistics.items())) == {"0.running_mean", "0.running_var"}


@pytest.mark.parametrize("x", [np.zeros((0, 3)), np.zeros((1, 3)), np.zeros((1, 3, 1, 1))])
def test_training_on_a_single_value_is_refused(x):
    layer = in_float64(nn.BatchNorm(3))
    message = f"expected more than one value for each feature in training, got {len(x)}"
    with pytest.raises(nn.ShapeError, match=f"BatchNorm 'net': {message}"):
        layer.forward(x, layer.cache(), train=True)


@pytest.mark.parametrize(
    "shape, wanted",
    [((6, 4), "(N, 3)"), ((6,), "(N, 3)"), ((6, 3, 2), "(N, 3)"), ((6, 4, 2, 2), "(N, 3, H, W)")],
)
def test_x_of_wrong_shape_is_an_error(shape, wanted):
    with pytest.raises(nn.ShapeError) as error:
        in_float64(nn.BatchNorm(3))(np.zeros(shape))
    assert str(error.value) == f"BatchNorm 'net': expected x of shape {wanted}, got {shape}"


def test_x_that_is_not_an_array_or_has_wrong_dtype_is_an_error():
    layer = nn.BatchNorm(3).build(seed=0)
    with pytest.raises(
        nn.DtypeError, match="BatchNorm 'net': expected x as an array on cpu.*, got list"
    ):
        layer([[1.0, 2.0, 3.0]])
    with pytest.raises(nn.DtypeError, match="BatchNorm 'net': expected x of float32, got float64"):
        layer(np.zeros((2, 3)))


@pytest.mark.parametrize(
    "settings",
    [{"n": 0}, {"n": 4.5}, {"eps": 0.0}, {"eps": math.nan}, {"momentum": 0.0}, {"momentum": 1.1}],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(
        nn.ShapeError,
        match="BatchNorm: expected (n to be an integer of at least 1|eps above 0|momentum in)",
    ):
        nn.BatchNorm(**{"n": 3} | settings)


def test_samples_of_wrong_shape_are_refused():
    for shape in ((4,), (3, 2), (4, 5, 5)):
        with pytest.raises(
            nn.ShapeError,
            match=r"BatchNorm\(3\): expected samples of shape \(3,\) or \(3, H, W\), got",
        ):
            nn.BatchNorm(3).output_shape(shape)
    assert nn.BatchNorm(3).output_shape((3, 2, 2)) == (3, 2, 2)


def test_a_settled_network_normalizes_as_in_training():
    net = in_float64(
        nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.Residual(nn.Sequential(nn.BatchNorm(4), nn.ReLU(), nn.Conv2d(4, 4, 1))),
            nn.Flatten(),
            nn.SpectralNorm(nn.Dense(4 * 36, 5)),
            nn.BatchNorm(5),
            input_shape=(2, 6, 6),
        )
    )
    x = normal(40, 2, 6, 6, seed=1)
    kept = {name: value.copy() for name, value in net.parameters.statistics.items()}
    settle_batchnorm(net, x)
    passed = net.forward(x, net.cache(tracks_statistics=False), train=True)
    assert_close(net(x), passed, 1e-10)
    changed = {
        name
        for name, value in net.parameters.statistics.items()
        if not np.array_equal(value, kept[name])
    }
    assert {name for name in kept if "running" in name} == changed and changed != set(kept)


def test_settling_draws_the_same_masks_each_time():
    net = in_float64(nn.Sequential(nn.Dense(3, 4), nn.Dropout(0.5), nn.BatchNorm(4)))
    x, means = normal(30, 3, seed=2), []
    for _ in range(2):
        settle_batchnorm(net, x)
        means.append(net.layers[2].running_mean.copy())
    assert np.array_equal(*means) and means[0].any()
