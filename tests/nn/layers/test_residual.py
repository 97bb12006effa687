import re

import numpy as np
import pytest

import nn
from nn.serialization.pass_size import pass_size
from nn.serialization.torch_state import from_torch_state, to_torch_state
from tests.oracles import load
from tests.support.tools import assert_close, away_from_zero, in_float64, normal, one_pass

# the blocks of tests/oracles/make_block_oracles.py
BLOCKS = {
    "residual": lambda: nn.Residual(nn.Sequential(nn.Dense(4, 6), nn.Tanh(), nn.Dense(6, 4))),
    "residual_conv": lambda: nn.Residual(
        nn.Sequential(
            nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1)
        ),
        shortcut=nn.Conv2d(2, 3, 1, stride=2),
    ),
}
each = pytest.mark.parametrize("name", BLOCKS)


@each
def test_matches_pytorch(name):
    want, layer = load("blocks"), in_float64(BLOCKS[name]())
    before = f"{name}.before.branches."
    state = {key.removeprefix(before): a for key, a in want.items() if key.startswith(before)}
    from_torch_state(layer, state)
    y, dx = one_pass(layer, want[f"{name}.x"], want[f"{name}.dy"])
    assert_close(y, want[f"{name}.y"], 1e-14)
    assert_close(dx, want[f"{name}.dx"], 1e-14)
    for value, grad in zip(
        layer.parameters.value.views.values(), layer.parameters.grad.views.values()
    ):
        value[...] = grad  # gradients in PyTorch's layout
    for key, grad in to_torch_state(layer).items():
        assert_close(grad, want[f"{name}.d.branches.{key}"], 1e-13)


@each
@pytest.mark.gradcheck
def test_gradients_match_finite_differences(name):
    """Including `double_backward`."""
    report = nn.gradcheck(BLOCKS[name](), away_from_zero(*load("blocks")[f"{name}.x"].shape))
    assert report.ok, report


@pytest.mark.gradcheck
@pytest.mark.parametrize(
    "layer",
    [
        nn.Tanh(),
        nn.Residual(nn.Tanh(), nn.Dense(4, 4)),
        nn.Residual(nn.Residual(nn.Dense(4, 4)), nn.Residual(nn.Sigmoid())),
        nn.Residual(nn.Dropout(0.4), nn.Flatten()),
    ],
    ids=str,
)
def test_blocks_nest(layer):
    net = nn.Sequential(nn.Dense(4, 4), nn.Residual(layer), nn.Tanh(), nn.Dense(4, 2))
    report = nn.gradcheck(net, away_from_zero(5, 4))
    assert report.ok, report


def test_y_is_the_sum_and_f_alone_is_not_changed():
    layer, x = in_float64(nn.Residual(nn.Tanh())), normal(3, 4)
    cache = layer.cache()
    y = layer.forward(x, cache)
    assert (y == np.tanh(x) + x).all() and (cache.parts[0].y == np.tanh(x)).all()
    assert cache.last is cache


def test_an_inner_dropout_in_evaluation_doubles_x():
    layer, x = in_float64(nn.Residual(nn.Dropout(0.5))), normal(3, 4)
    y, dx = one_pass(layer, x, np.ones((3, 4)), train=False)
    assert (y == 2 * x).all() and (dx == 2).all() and (layer(x) == 2 * x).all()


def test_config_and_weights_round_trip(tmp_path):
    net = nn.Sequential(BLOCKS["residual_conv"](), nn.Flatten()).build(seed=0)
    again = nn.Layer.from_config(net.to_config())
    assert repr(again) == repr(net)
    nn.save_weights(tmp_path / "w.npz", {"net": net})
    x = normal(2, 2, 5, 6, dtype=np.float32)
    assert (nn.load_weights(tmp_path / "w.npz")[0]["net"](x) == net(x)).all()


def test_pass_size_counts_both_branches():
    f, s = nn.Sequential(nn.Dense(4, 6), nn.Dense(6, 5)), nn.Dense(4, 5)
    assert pass_size(nn.Sequential(nn.Residual(f, s), nn.Dense(5, 2)), (4,)) == 4 + (
        (6 + 5) + 5 + 5 + 2
    )


def test_summary_names_the_block():
    net = nn.Sequential(nn.Dense(3, 4), BLOCKS["residual"]())
    assert "Residual" in net.summary() and "Tanh" not in net.summary()


def test_branches_of_different_shapes_are_refused():
    message = re.escape(
        "expected a layer and a shortcut that return one shape, got (3,) and (4,) from (4,); "
        "pass a shortcut that returns (3,)"
    )
    with pytest.raises(nn.ShapeError, match=message):
        nn.Residual(nn.Dense(4, 3))
    layer = nn.Residual(nn.Flatten()).build()
    with pytest.raises(nn.ShapeError, match="Residual 'net': expected a layer and a shortcut"):
        layer(np.ones((2, 3, 4), np.float32))


def test_what_is_no_layer_or_occurs_twice_is_refused():
    with pytest.raises(nn.ShapeError, match="Residual: expected layers, got 3; pass the layers"):
        nn.Residual(3)
    dense = nn.Dense(4, 4)
    with pytest.raises(nn.ShapeError, match="Residual: expected layers that are each a separate"):
        nn.Residual(dense, dense)


def test_a_branch_without_double_backward_is_an_error():
    layer = in_float64(nn.Residual(nn.BatchNorm(4)))
    cache, x = layer.cache(double_backward=True), normal(5, 4)
    layer.forward(x, cache, train=True)
    layer.backward(np.ones_like(x), cache)
    with pytest.raises(nn.ShapeError, match="BatchNorm 'net.0': expected a layer with double_b"):
        layer.double_backward(x.copy(), cache)
