"""`slope`: finite differences whose error bound holds, also near kinks."""

import numpy as np
import pytest

from nn.checking.finite_differences import slope

pytestmark = pytest.mark.gradcheck


def slope_of(f, at, direction=1.0):
    """(value, error, smooth) of df/dx at a number."""
    array = np.array([float(at)])
    result = slope(lambda: f(array), array, np.array([direction]))
    assert array[0] == at  # restored
    return result.value[0], result.error[0], result.smooth[0]


SMOOTH = {
    "sin": (np.sin, 0.7, np.cos(0.7)),
    "exp": (np.exp, 3.0, np.exp(3.0)),
    "line": (lambda x: 5 * x + 1, 1e3, 5.0),
    "constant": (lambda x: 0 * x + 7, 1.0, 0.0),
    "steep": (lambda x: np.sin(1000 * x), 0.7, 1000 * np.cos(700)),
    "offset": (lambda x: 1e6 + np.sin(x), 0.7, np.cos(0.7)),
    "sqrt": (np.sqrt, 4e-4, 25.0),
    "kink near": (abs, 2e-5, 1.0),
    "kink nearer": (abs, -3e-7, -1.0),
}


@pytest.mark.parametrize("f, at, true", SMOOTH.values(), ids=SMOOTH)
def test_slope_lies_within_its_error(f, at, true):
    value, error, smooth = slope_of(f, at)
    assert smooth and abs(value - true) <= error <= 1e-4 * max(abs(true), 1e-3)


NOT_SMOOTH = {
    "abs": (abs, 0.0),
    "relu": (lambda x: np.maximum(x, 0), 0.0),
    "jump": (lambda x: np.where(x > 0, 1.0, 0.0), 0.0),
    "tie": (lambda x: np.maximum(x, 3), 3.0),
    "nan": (lambda x: np.log(x - 2), 1.0),
    "staircase": (lambda x: np.round(x * 1e6 * np.pi), 1.2),
}


@pytest.mark.parametrize("f, at", NOT_SMOOTH.values(), ids=NOT_SMOOTH)
def test_function_without_a_slope_is_not_smooth(f, at):
    value, error, smooth = slope_of(f, at)
    assert not smooth and value == error == 0


@pytest.mark.parametrize(
    "kink", np.concatenate([-np.logspace(-8.5, -2.5, 25), np.logspace(-8.5, -2.5, 25)])
)
def test_kink_within_the_steps_is_never_taken_for_a_slope(kink):
    value, error, smooth = slope_of(lambda x: np.sin(x) + 3 * np.maximum(x - 1 - kink, 0), 1.0)
    true = np.cos(1.0) + 3 * (kink < 0)
    assert not smooth or abs(value - true) <= error
