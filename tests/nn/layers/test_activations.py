import math

import numpy as np
import pytest

import nn
from nn.ops.numpy.blocks import BLOCK
from tests.oracles import load
from tests.support.tools import assert_close, away_from_zero, in_float64, normal, one_pass

ACTIVATIONS = {
    "relu": (nn.ReLU, lambda x: x if x > 0 else 0.0),
    "leaky": (lambda: nn.LeakyReLU(0.2), lambda x: x if x > 0 else 0.2 * x),
    "sigmoid": (nn.Sigmoid, lambda x: 1 / (1 + math.exp(-x))),
    "tanh": (nn.Tanh, math.tanh),
    "gelu": (
        nn.GELU,
        lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    "silu": (nn.SiLU, lambda x: x / (1 + math.exp(-x))),
}
ORACLES = {name: "blocks" if name in ("gelu", "silu") else "layers" for name in ACTIVATIONS}
each = pytest.mark.parametrize("name", ACTIVATIONS)


@each
@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4, 5)])
def test_forward_is_the_plain_formula(name, shape):
    make, formula = ACTIVATIONS[name]
    x = normal(*shape)
    want = np.array([formula(value) for value in x.flat]).reshape(shape)
    assert_close(in_float64(make())(x), want, 1e-14)


@each
@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4, 5)])
@pytest.mark.gradcheck
def test_gradients_match_finite_differences(name, shape):
    report = nn.gradcheck(ACTIVATIONS[name][0](), away_from_zero(*shape))
    assert report.ok, report


@each
def test_matches_pytorch(name):
    want = load(ORACLES[name])
    y, dx = one_pass(in_float64(ACTIVATIONS[name][0]()), want[f"{name}.x"], want[f"{name}.dy"])
    assert_close(y, want[f"{name}.y"], 1e-14)
    assert_close(dx, want[f"{name}.dx"], 1e-14)


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_pytorch_agrees_far_from_zero(name):
    want = load("layers")
    y, dx = one_pass(
        in_float64(ACTIVATIONS[name][0]()), want[f"{name}_far.x"], want[f"{name}_far.dy"]
    )
    assert_close(y, want[f"{name}_far.y"], 1e-14)
    assert_close(dx, want[f"{name}_far.dx"], 1e-14)


@each
@pytest.mark.parametrize("device", ["cpu", "numpy"])
# several rows in a block; more than one
@pytest.mark.parametrize("rows, columns", [(2 * BLOCK // 1000 + 3, 1000), (3, BLOCK + 1)])
def test_in_blocks_it_is_the_plain_formula_too(name, rows, columns, device):
    x, dy = away_from_zero(rows, columns), normal(rows, columns, seed=1)
    y, dx = one_pass(ACTIVATIONS[name][0]().build(dtype="float64", device=device), x, dy)
    sigmoid, c = 1 / (1 + np.exp(-x)), math.sqrt(2 / math.pi)
    tanh, du = np.tanh(c * (x + 0.044715 * x**3)), c * (1 + 3 * 0.044715 * x**2)
    formula, slope = {
        "relu": (np.where(x > 0, x, 0), x > 0),
        "leaky": (np.where(x > 0, x, 0.2 * x), np.where(x > 0, 1, 0.2)),
        "sigmoid": (1 / (1 + np.exp(-x)), y * (1 - y)),
        "tanh": (np.tanh(x), 1 - y * y),
        "gelu": (x / 2 * (1 + tanh), (1 + tanh + x * (1 - tanh**2) * du) / 2),
        "silu": (x * sigmoid, sigmoid * (1 + x * (1 - sigmoid))),
    }[name]
    assert_close(y, formula, 1e-14)
    assert_close(dx, dy * slope, 1e-14)


def test_a_sigmoid_is_exact_and_silent_where_exp_would_overflow():
    y = nn.Sigmoid().build()(np.array([[-1000.0, -100.0, -80.0, 0.0, 80.0, 1000.0]], np.float32))[0]
    # one of float32's last subnormal numbers, of few digits
    assert y[0] == 0 and 3e-44 < y[1] < 4.5e-44
    assert abs(float(y[2]) * math.exp(80.0) - 1) < 1e-6
    assert (y[3:] == [0.5, 1, 1]).all()


def test_the_derivative_at_zero_is_the_slope():
    for layer, slope in ((nn.ReLU(), 0.0), (nn.LeakyReLU(0.2), 0.2)):
        _, dx = one_pass(in_float64(layer), np.zeros((2, 3)), np.ones((2, 3)))
        assert (dx == slope).all()


@pytest.mark.parametrize("layer", [nn.ReLU(), nn.LeakyReLU(0.2)])
def test_mask_comes_from_x_not_from_dy(layer):
    x = away_from_zero(6, 5)
    for sign in (1.0, -1.0):
        _, dx = one_pass(in_float64(layer), x, np.full((6, 5), sign))
        assert_close(dx, sign * np.where(x > 0, 1.0, layer.slope), 1e-15)


@each
def test_x_is_unchanged_by_both_passes(name):
    layer, x = ACTIVATIONS[name][0]().build(), away_from_zero(5, 4, dtype=np.float32)
    before = x.copy()
    one_pass(layer, x, normal(5, 4, dtype=np.float32))
    assert (x == before).all()


@pytest.mark.parametrize("slope", [-0.1, 1.0, 2.0, math.nan])
def test_slopes_out_of_range_are_refused(slope):
    with pytest.raises(nn.ShapeError, match=r"LeakyReLU: expected slope in \[0, 1\), got"):
        nn.LeakyReLU(slope)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_slope_is_positive_everywhere(dtype):
    """`BCE` divides by it and `Sigmoid` multiplies by it, so 0 would lose the gradient."""
    layer = nn.Sigmoid().build(dtype=dtype)
    x = np.array([[0, 20, -20, 120, -120, 1e3, -1e3, 1e30, -1e30]], dtype)
    cache = layer.cache()
    layer.forward(x, cache)
    slope = layer.backward(np.ones_like(x), cache)
    assert (slope >= np.finfo(dtype).tiny).all() and slope[0, 0] == 0.25


def test_gelu_is_close_to_its_definition():
    x = np.linspace(-6, 6, 1001)
    exact = [value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in x]
    assert 1e-4 < np.abs(in_float64(nn.GELU())(x[None])[0] - exact).max() < 5e-4


@pytest.mark.parametrize("layer", [nn.GELU(), nn.SiLU()], ids=str)
def test_far_from_zero_they_are_0_or_x(layer):
    x = np.array([[-1e4, -200, 200, 1e4]], np.float32)
    y, dx = one_pass(layer.build(), x, np.ones_like(x))
    assert (y == [[0, 0, 200, 1e4]]).all() and (dx == [[0, 0, 1, 1]]).all()
