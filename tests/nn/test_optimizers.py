"""Optimizers: steps, state and settings."""

import math

import numpy as np
import pytest

import nn
from nn.ops.numpy.blocks import BLOCK
from tests.oracles import load
from tests.support.tools import Vector, in_float64, normal

MAKE = {
    "sgd": lambda net: nn.SGD(net, 0.05),
    "momentum": lambda net: nn.SGD(net, 0.05, momentum=0.9),
    "nesterov": lambda net: nn.SGD(net, 0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda net: nn.RMSProp(net, 0.01),
    "rmsprop_eps": lambda net: nn.RMSProp(net, 0.01, decay=0.9, eps=0.01),
    "adam": lambda net: nn.Adam(net, 0.001),
    "adam_beta1": lambda net: nn.Adam(net, 2e-4, beta1=0.5),
    "adam_eps": lambda net: nn.Adam(net, 0.01, eps=1e-3),
    "adamw": lambda net: nn.Adam(net, 0.01, weight_decay=0.1),
    "adamw_plain": lambda net: nn.Adam(net, 0.01),
    "adamw_default": lambda net: nn.AdamW(net, 0.01),
    "sgd_decay": lambda net: nn.SGD(net, 0.05, weight_decay=0.1),
    "nesterov_decay": lambda net: nn.SGD(net, 0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
    "rmsprop_decay": lambda net: nn.RMSProp(net, 0.01, weight_decay=0.1),
}
each = pytest.mark.parametrize("name", MAKE)


def ten_steps(name, dtype, copies=1, device="cpu"):
    """The parameters after each of ten stored steps, and PyTorch's, repeated `copies` times."""
    stored = load("optimizers")
    w, grads = np.tile(stored["w"], copies), np.tile(stored["grads"], copies)
    net = nn.Sequential(Vector(len(w))).build(dtype=dtype, device=device)
    net[0].w[...] = w
    optimizer, steps = MAKE[name](net), []
    for i, grad in enumerate(grads):
        if i == 5:
            optimizer.learning_rate *= 3
        net[0].dw[...] = grad
        optimizer.step()
        steps.append(net[0].w.copy())
    return np.array(steps), np.tile(stored[f"{name}.{dtype}"], copies)


@each
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 1e-6)])
def test_ten_steps_match_pytorch(name, dtype, tolerance):
    """The rate triples after the fifth step; gradients are far below and far above Adam's eps."""
    got, want = ten_steps(name, dtype)
    assert got.dtype == want.dtype == dtype
    start = load("optimizers")["w"]
    # relative to the distance moved, so that a wrong step cannot hide behind a large weight
    distance = np.cumsum(
        np.abs(np.diff(want.astype(np.float64), axis=0, prepend=start[None])), axis=0
    )
    rounding = 4 * np.finfo(dtype).eps * np.abs(start)
    assert (np.abs(got - want) <= tolerance * distance + rounding).all()


@each
@pytest.mark.parametrize("device", ["cpu", "numpy"])
def test_parameters_in_several_blocks_take_the_same_steps(name, device):
    copies = 2 * BLOCK // 24 + 100  # of 24 parameters each: more than two blocks
    got, want = ten_steps(name, "float64", copies, device)
    assert np.abs(got[-1] - want[-1]).max() < 1e-12
    pieces = got[-1].reshape(copies, -1)
    assert (pieces == pieces[0]).all()


@each
def test_two_optimizers_keep_their_own_state(name):
    """One network's moments are never applied to another with the same names."""
    lone, _ = ten_steps(name, "float64")
    stored = load("optimizers")
    nets = [nn.Sequential(Vector(24)).build(dtype="float64") for _ in range(2)]
    optimizers = [MAKE[name](net) for net in nets]
    for net in nets:
        net[0].w[...] = stored["w"]
    for i, grad in enumerate(stored["grads"]):
        if i == 5:
            optimizers[0].learning_rate *= 3
        nets[0][0].dw[...] = grad
        nets[1][0].dw[...] = 100 * normal(24, seed=i)
        for optimizer in (optimizers[1], optimizers[0], optimizers[1]):
            optimizer.step()
    assert (nets[0][0].w == lone[-1]).all()


@each
def test_one_optimizer_serves_all_layers_each_with_its_own_moments(name):
    stored, net = load("optimizers"), nn.Sequential(Vector(24), Vector(24)).build(dtype="float64")
    lone, _ = ten_steps(name, "float64")
    optimizer = MAKE[name](net)
    for layer in net:
        layer.w[...] = stored["w"]
    for i, grad in enumerate(stored["grads"]):
        if i == 5:
            optimizer.learning_rate *= 3
        net[0].dw[...] = grad
        net[1].dw[...] = -3 * grad[::-1]
        optimizer.step()
    assert (net[0].w == lone[-1]).all()
    assert (net[1].w != lone[-1]).any()


def test_adam_step_for_a_constant_gradient_is_the_learning_rate():
    """The first and the hundredth step are both lr: the bias correction uses the power t."""
    net = in_float64(nn.Sequential(Vector(3)))
    optimizer = nn.Adam(net, 0.01)
    net[0].dw[...] = [0.5, -2.0, 30.0]
    for _ in range(100):
        before = net[0].w.copy()
        optimizer.step()
        np.testing.assert_allclose(before - net[0].w, [0.01, -0.01, 0.01], rtol=1e-6)


def test_weight_decay_is_off_by_default_and_decoupled():
    net = in_float64(nn.Sequential(Vector(2)))
    net[0].w[...] = [1.0, -2.0]
    nn.Adam(net, 0.1).step()
    assert (net[0].w == [1, -2]).all()
    nn.Adam(net, 0.1, weight_decay=0.5).step()  # the gradient is zero: only the decay acts
    np.testing.assert_allclose(net[0].w, [0.95, -1.9], rtol=1e-15)


@each
def test_step_does_not_change_the_gradient(name):
    net = in_float64(nn.Sequential(nn.Dense(5, 3)))
    net.parameters.grad.flat[...] = normal(*net.parameters.grad.flat.shape)
    before = net.parameters.grad.flat.tobytes()
    MAKE[name](net).step()
    assert net.parameters.grad.flat.tobytes() == before


@each
def test_state_and_parameters_are_all_a_checkpoint_needs(name):
    """A checkpoint of `state` and the parameters continues exactly."""
    stored = load("optimizers")

    def run(net, optimizer, grads):
        for grad in grads:
            net[0].dw[...] = grad
            optimizer.step()
        return net[0].w.copy()

    def fresh():
        net = nn.Sequential(Vector(24)).build(dtype="float64")
        net[0].w[...] = stored["w"]
        return net, MAKE[name](net)

    want = run(*fresh(), stored["grads"])
    net, optimizer = fresh()
    half = run(net, optimizer, stored["grads"][:4])
    saved = {key: array.copy() for key, array in optimizer.state.items()}
    net, optimizer = fresh()
    net[0].w[...] = half
    for key, array in saved.items():
        optimizer.state[key][...] = array
    assert (run(net, optimizer, stored["grads"][4:]) == want).all()


@each
def test_state_has_the_networks_dtype_except_the_step_state(name):
    optimizer = MAKE[name](nn.Dense(5, 3).build(seed=0))
    dtypes = {key: array.dtype.name for key, array in optimizer.state.items()}
    assert dtypes.pop("clock") == "float64" and set(dtypes.values()) == {"float32"}


def test_running_statistics_are_never_optimized():
    net = in_float64(nn.Sequential(nn.BatchNorm(3)))
    optimizer = nn.Adam(net, 0.1)
    net.parameters.grad.flat[...] = 1.0
    optimizer.step()
    assert (net[0].W != 1).all()
    assert (net[0].running_var == 1).all() and not net[0].running_mean.any()


def test_learning_rate_reads_as_set():
    optimizer = nn.SGD(nn.Dense(5, 3).build(seed=0), 0.1)
    optimizer.learning_rate = 0.025
    assert optimizer.learning_rate == 0.025 and optimizer.step_state[1] == 0.025


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda net: nn.SGD(net, 0.0), "SGD: expected learning_rate above 0, got 0.0"),
        (lambda net: nn.Adam(net, math.nan), "Adam: expected learning_rate above 0, got nan"),
        (lambda net: nn.SGD(net, momentum=1.0), r"SGD: expected momentum in \[0, 1\), got 1.0"),
        (lambda net: nn.SGD(net, momentum=-0.1), r"SGD: expected momentum in \[0, 1\), got -0.1"),
        (lambda net: nn.RMSProp(net, decay=-0.1), r"RMSProp: expected decay in \[0, 1\), got -0.1"),
        (lambda net: nn.RMSProp(net, decay=1), r"RMSProp: expected decay in \[0, 1\), got 1"),
        (lambda net: nn.RMSProp(net, eps=0), "RMSProp: expected eps above 0, got 0"),
        (lambda net: nn.Adam(net, beta1=1), r"Adam: expected beta1 in \[0, 1\), got 1"),
        (lambda net: nn.Adam(net, beta1=-0.1), r"Adam: expected beta1 in \[0, 1\), got -0.1"),
        (lambda net: nn.Adam(net, beta2=1), r"Adam: expected beta2 in \[0, 1\), got 1"),
        (lambda net: nn.Adam(net, beta2=-0.1), r"Adam: expected beta2 in \[0, 1\), got -0.1"),
        (lambda net: nn.Adam(net, eps=0), "Adam: expected eps above 0, got 0"),
        (
            lambda net: nn.Adam(net, weight_decay=-1),
            "Adam: expected weight_decay of at least 0, got -1",
        ),
        (
            lambda net: setattr(nn.Adam(net), "learning_rate", -1),
            "Adam: expected learning_rate of at least 0, got -1",
        ),
        (lambda net: nn.Adam(nn.Dense(2, 2)), "Adam: expected a built network; call .build"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(nn.ShapeError, match=message):
        make(nn.Dense(2, 2).build(seed=0))


def test_coefficients_of_zero_make_each_step_depend_on_its_gradient_only():
    """Momentum, decay and betas of 0 are allowed: Adam and RMSProp then step by the sign."""
    for make in (
        lambda net: nn.RMSProp(net, 0.25, decay=0),
        lambda net: nn.Adam(net, 0.25, beta1=0, beta2=0),
    ):
        net = nn.Dense(2, 3).build(seed=0, dtype="float64")
        before, optimizer = net.W.copy(), make(net)
        for _ in range(2):
            net.dW[...] = [[1, -2, 3], [-4, 5, -6]]
            optimizer.step()
        np.testing.assert_allclose(net.W, before - 0.5 * np.sign(net.dW), rtol=1e-7)


def adam_in_python(gradients, rate, beta1=0.9, beta2=0.999, eps=1e-8):
    """A parameter that starts at 1, after steps by these gradients, by the paper's formulas."""
    w, m, v = 1.0, 0.0, 0.0
    for t, g in enumerate(gradients, 1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        w -= rate * m / (1 - beta1**t) / (math.sqrt(v / (1 - beta2**t)) + eps)
    return w


def rmsprop_in_python(gradients, rate, decay=0.99, eps=1e-8):
    w, square = 1.0, 0.0
    for g in gradients:
        square = decay * square + (1 - decay) * g * g
        w -= rate * g / (math.sqrt(square) + eps)
    return w


@pytest.mark.parametrize("device", ["cpu", "numpy"])
@pytest.mark.parametrize(
    "spike, optimizer, in_python",
    [
        (1.5e19, nn.Adam, adam_in_python),
        (-1e20, nn.Adam, adam_in_python),
        (1e20, nn.RMSProp, rmsprop_in_python),
        (1e-25, nn.Adam, adam_in_python),
    ],
)
def test_gradient_whose_square_overflows_does_not_stop_later_steps(
    spike, optimizer, in_python, device
):
    """(1 - beta2) g is multiplied first, as in PyTorch, so the mean of squares stays finite."""
    gradients = [spike, spike] + 100 * [1.0]
    net = nn.Sequential(Vector(3)).build(device=device)
    net[0].w[...] = 1
    made = optimizer(net, 0.01)
    for g in gradients:
        net[0].dw[...] = g
        made.step()
    assert all(np.isfinite(array).all() for array in made.state.values())
    np.testing.assert_allclose(net[0].w, in_python(gradients, 0.01), rtol=1e-5, atol=1e-6)


def test_adam_state_has_the_papers_names():
    net = nn.Dense(2, 3).build(seed=0, dtype="float64")
    optimizer = nn.Adam(net, beta1=0.5, beta2=0.5)
    net.dW[...] = -3
    optimizer.step()
    m, v = optimizer.state["m"][:6], optimizer.state["v"][:6]
    assert (m < 0).all() and np.allclose(v, 0.5 * 9)  # v = (1 - beta2) g^2
    assert optimizer.step_state.shape == (2,)


def test_optimizer_steps_a_network_that_was_built_again():
    net = nn.Dense(2, 2).build(seed=0)
    optimizer = nn.SGD(net, 0.5)
    net.build(seed=1)
    before = net.W.copy()
    net.dW[...] = 1
    optimizer.step()
    np.testing.assert_allclose(net.W, before - 0.5, rtol=1e-6)
