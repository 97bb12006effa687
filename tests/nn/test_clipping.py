"""Gradient clipping by optimizers, and their state on the host."""

import copy
import pickle

import numpy as np
import pytest

import nn
from tests.oracles import load
from tests.support.tools import Vector, normal

CLIP_NORM, CLIP_VALUE = 9.0, 0.5  # as in make_oracles.py
MAKE = {
    "sgd_clip_norm": lambda net: nn.SGD(net, 0.05, clip_norm=CLIP_NORM),
    "adam_clip_norm": lambda net: nn.Adam(net, 0.001, clip_norm=CLIP_NORM),
    "sgd_clip_value": lambda net: nn.SGD(net, 0.05, clip_value=CLIP_VALUE),
}
each_device = pytest.mark.parametrize("device", ["cpu", "numpy"])


@each_device
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-13), ("float32", 2e-6)])
@pytest.mark.parametrize("name", MAKE)
def test_ten_steps_with_clipping_match_pytorch(name, dtype, tolerance, device):
    stored = load("optimizers")
    net = nn.Sequential(Vector(24)).build(dtype=dtype, device=device)
    net[0].w[...] = stored["w"]
    optimizer = MAKE[name](net)
    for i, (grad, want) in enumerate(zip(stored["grads"], stored[f"{name}.{dtype}"])):
        if i == 5:
            optimizer.learning_rate *= 3
        net[0].dw[...] = grad
        optimizer.step()
        np.testing.assert_allclose(net[0].w, want, rtol=tolerance, atol=tolerance)
        norm = np.linalg.norm(grad)
        np.testing.assert_allclose(optimizer.grad_norm, norm, rtol=max(tolerance, 1e-7))


@each_device
def test_an_infinite_gradient_is_limited_by_value(device):
    net = nn.Sequential(Vector(3)).build(device=device)
    optimizer = nn.SGD(net, 1.0, clip_value=0.5)
    net[0].w[...], net[0].dw[...] = 0, [np.inf, -np.inf, 0.25]
    optimizer.step()
    np.testing.assert_array_equal(net[0].w, [-0.5, 0.5, -0.25])
    assert optimizer.grad_norm[0] == np.inf


@each_device
def test_a_limit_of_the_norm_set_later(device):
    net = nn.Sequential(Vector(4)).build(device=device)
    optimizer = nn.SGD(net, 1.0)
    optimizer.clip_norm = 1.0
    net[0].w[...], net[0].dw[...] = 0, 2
    optimizer.step()
    np.testing.assert_allclose(net[0].w, -0.5, rtol=1e-6)
    assert optimizer.grad_norm[0] == 4


@each_device
def test_norm_of_huge_float32_gradients_does_not_overflow(device):
    net = nn.Sequential(Vector(9)).build(device=device)
    optimizer = nn.SGD(net, 1.0, clip_norm=3.0)
    net[0].w[...], net[0].dw[...] = 0, 1e30
    optimizer.step()
    np.testing.assert_allclose(optimizer.grad_norm, 3e30, rtol=1e-6)
    np.testing.assert_allclose(net[0].w, -1, rtol=1e-6)


@each_device
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_is_not_hidden(bad, device):
    net = nn.Sequential(Vector(9)).build(device=device)
    optimizer = nn.SGD(net, 1.0, clip_norm=3.0)
    net[0].dw[...] = 1
    net[0].dw[4] = bad
    with np.errstate(invalid="ignore"):
        optimizer.step()
    assert not np.isfinite(net[0].w).all() and not np.isfinite(optimizer.grad_norm).any()


def test_zero_gradient_stays_zero():
    net = nn.Dense(2, 3).build(seed=0)
    before, optimizer = net.W.copy(), nn.Adam(net, clip_norm=1.0, clip_value=1.0)
    optimizer.step()
    assert (net.W == before).all() and optimizer.grad_norm[0] == 0


def test_clipping_of_a_part_sees_the_gradients_of_that_part_alone():
    net = nn.Sequential(nn.Dense(3, 4), nn.Dense(4, 5)).build(seed=0)
    net.parameters.grad.flat[...] = 0
    net[0].dW[...], net[1].dW[...] = 100, 2
    optimizer = nn.Adam(net[-1:], clip_norm=1.0)
    optimizer.step()
    np.testing.assert_allclose(optimizer.grad_norm, 2 * np.sqrt(20), rtol=1e-6)
    assert (net[0].dW == 100).all()
    np.testing.assert_allclose(np.linalg.norm(net[1].dW), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"]
)
@pytest.mark.parametrize("name", MAKE)
def test_copies_clip_on_their_own(name, way):
    net = nn.Sequential(Vector(24)).build(seed=0)
    optimizer = MAKE[name](net)
    twin, its = way((net, optimizer))
    for network, stepped in ((net, optimizer), (twin, its)):
        network[0].dw[...] = 10 * normal(24)
        stepped.step()
    assert net[0].w.tobytes() == twin[0].w.tobytes()
    if optimizer.grad_norm is not None:
        before = optimizer.grad_norm.copy()
        twin[0].dw[...] = 100
        its.step()
        assert optimizer.grad_norm == before != its.grad_norm


def test_state_dict_continues_another_optimizer():
    def run(net, optimizer, steps):
        for step in steps:
            net[0].dw[...] = normal(24, seed=step)
            optimizer.step()

    nets = [nn.Sequential(Vector(24)).build(seed=0) for _ in range(2)]
    first = nn.AdamW(nets[0], 0.01)
    run(nets[0], first, range(3))
    first.learning_rate = 0.002
    second = nn.AdamW(nets[1], 0.5)
    nets[1][0].w[...] = nets[0][0].w
    saved = first.state_dict()
    second.load_state_dict(saved)
    assert second.learning_rate == 0.002 and second.step_count == 3
    run(nets[0], first, range(3, 6))
    run(nets[1], second, range(3, 6))
    assert nets[0][0].w.tobytes() == nets[1][0].w.tobytes()
    assert saved["clock"][0] == 3  # a copy


def test_state_dict_of_another_optimizer_or_network_is_refused():
    net, wide = nn.Dense(2, 3).build(seed=0), nn.Dense(50, 3).build(seed=0)
    with pytest.raises(
        nn.ShapeError, match="SGD: expected .* 'velocity' of float32.*no 'velocity'"
    ):
        nn.SGD(net).load_state_dict(nn.Adam(net).state_dict())
    with pytest.raises(nn.ShapeError, match=r"Adam: expected .* 'm' of float32 \(\d+,\), got 'm'"):
        nn.Adam(net).load_state_dict(nn.Adam(wide).state_dict())


@pytest.mark.parametrize("name", ["clip_norm", "clip_value"])
@pytest.mark.parametrize("limit", [0, -1.0, np.nan, np.inf, "1"])
def test_invalid_limits_are_refused(name, limit):
    with pytest.raises(nn.ShapeError, match=f"AdamW: expected {name} above 0, got"):
        nn.AdamW(nn.Dense(2, 3).build(seed=0), **{name: limit})


@pytest.mark.parametrize("name", ["sgd_decay", "rmsprop_decay", "adam_clip_norm", "sgd_clip_value"])
def test_every_backend_takes_the_same_steps_also_after_a_copy(any_backend, name):
    make = {
        "sgd_decay": lambda net: nn.SGD(net, 0.05, momentum=0.9, weight_decay=0.1, clip_norm=2.0),
        "rmsprop_decay": lambda net: nn.RMSProp(net, 0.01, weight_decay=0.1, clip_value=1.0),
        **MAKE,
    }[name]

    def run(ops, copied):
        net = nn.Sequential(Vector(24)).build(device=ops)
        net.ops.copy_(net[0].w, net.ops.asarray(normal(24, dtype="float32")))
        optimizer = make(net)
        for step in range(4):
            if copied and step == 2:
                net, optimizer = copy.deepcopy((net, optimizer))
            optimizer.learning_rate *= 0.9
            grad = 5 * normal(24, seed=step, dtype="float32")
            net.ops.copy_(net[0].dw, net.ops.asarray(grad))
            optimizer.step()
        norm = [] if optimizer.grad_norm is None else net.ops.to_host(optimizer.grad_norm)
        return np.concatenate([net.ops.to_host(net[0].w), norm])

    want = run("numpy", copied=False)
    np.testing.assert_allclose(run(any_backend, copied=True), want, rtol=1e-5, atol=1e-6)
