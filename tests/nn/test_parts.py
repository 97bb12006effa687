"""Parts of a network share its memory; no layer has memory in two networks."""

import copy

import numpy as np
import pytest

import nn
from tests.support.tools import Vector, normal

OPTIMIZERS = {
    "sgd": lambda part: nn.SGD(part, 0.1, momentum=0.9),
    "rmsprop": lambda part: nn.RMSProp(part, 0.1),
    "adam": lambda part: nn.Adam(part, 0.1),
    "adamw": lambda part: nn.Adam(part, 0.1, weight_decay=0.1),
    "sgd, with decay": lambda part: nn.SGD(part, 0.1, weight_decay=0.1),
}
PARTS = {
    "the first layer": (lambda net: net[0], "0."),
    "the last slice": (lambda net: net[-1:], "3."),
    "a slice in the middle": (lambda net: net[1:3], ("1.", "2.")),
    "a slice of a slice": (lambda net: net[1:][:2], ("1.", "2.")),
    "a nested network": (lambda net: net[2], "2."),
    "a layer of a nested network": (lambda net: net[2][1], "2.1."),
    "a slice of a nested network": (lambda net: net[2][1:], ("2.1.", "2.2.")),
    "spectral norm": (lambda net: net[1], "1."),
    "the layer within spectral norm": (lambda net: net[1].layer, "1."),
    "no parameters": (lambda net: net[2][:1], ()),
    "all": (lambda net: net[:], ""),
}
each_part = pytest.mark.parametrize("name", PARTS)


def unbuilt():
    inner = nn.Sequential(nn.Tanh(), nn.BatchNorm(5), Vector(5))
    return nn.Sequential(nn.Dense(3, 4), nn.SpectralNorm(nn.Dense(4, 5)), inner, nn.Dense(5, 1))


def network(**settings):
    return unbuilt().build(seed=0, **settings)


@each_part
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizer_of_a_part_steps_only_that_part(name, optimizer):
    """Even though the rest has gradients, and weight decay would move what has none."""
    take, prefixes = PARTS[name]
    net, whole = network(), network()
    part = take(net)
    mine, wholes = OPTIMIZERS[optimizer](part), OPTIMIZERS[optimizer](whole)
    for seed in range(3):
        for buffer in (net.parameters.grad, whole.parameters.grad):
            for view in buffer.views.values():
                view[...] = normal(*view.shape, seed=seed)
        mine.step()
        wholes.step()
    start, moved = dict(network().parameters.value.items()), []
    for key, view in net.parameters.value.items():
        if key.startswith(prefixes):
            # the same bytes as with one optimizer for all
            assert np.array_equal(view, whole.parameters.value[key])
            moved.append(key)
        else:
            assert np.array_equal(view, start[key])
    assert part.n_parameters == sum(net.parameters.value[key].size for key in moved)
    assert mine.state["clock"][0] == 3


@each_part
def test_names_in_a_part_are_those_of_a_separate_network(name):
    take, _ = PARTS[name]
    net = network()
    part, alone = take(net), take(network(dtype="float64"))
    alone = copy.deepcopy(alone).build(seed=0)
    for held, wanted in (
        (part.parameters.value, alone.parameters.value),
        (part.parameters.grad, alone.parameters.grad),
        (part.parameters.statistics, alone.parameters.statistics),
    )[: 2 if "within" in name else 3]:  # u and v are spectral norm's
        assert [(key, view.shape) for key, view in held.items()] == [
            (key, view.shape) for key, view in wanted.items()
        ]
        assert held.flat.shape == wanted.flat.shape and (
            held.flat.ctypes.data % 64 == 0 or not held.flat.size
        )
        for view in held.views.values():
            assert np.shares_memory(view, held.flat)
    leaves = {
        prefix + key: getattr(leaf, key)
        for prefix, leaf in part.modules()
        for key in leaf.parameter_shapes
    }
    assert all(part.parameters.value[key] is view for key, view in leaves.items())


def test_two_parts_train_with_separate_optimizers():
    net, x = network(), normal(6, 3, dtype=np.float32)
    body, head = net[:2], net[2:]
    optimizers, caches = [nn.Adam(body, 1e-3), nn.SGD(head, 0.1)], [body.cache(), head.cache()]
    before = net.parameters.value.flat.copy()
    y = head.forward(body.forward(x, caches[0], train=True), caches[1], train=True)
    dy = nn.BCEWithLogits()(y, 1, caches[1])[1]
    body.backward(head.backward(dy, caches[1]), caches[0], need_dx=False)
    for optimizer in optimizers:
        optimizer.step()
    moved = net.parameters.value.flat != before
    assert (
        moved[: body.parameters.value.flat.size].any()
        and moved[body.parameters.value.flat.size :].any()
    )
    assert body.parameters.value.flat.size + head.parameters.value.flat.size == before.size


def test_moving_average_of_a_part_changes_only_that_part():
    net, twin = network(), network()
    net.parameters.value.flat[...] = 2.0
    before = twin.parameters.value.flat.copy()
    twin.ops.moving_average_(twin[2:].parameters.value.flat, net[2:].parameters.value.flat, 1.0)
    n = twin[:2].parameters.value.flat.size
    assert (twin.parameters.value.flat[:n] == before[:n]).all() and np.allclose(
        twin.parameters.value.flat[n:], 2
    )


@pytest.mark.parametrize("index", [slice(None, None, 2), slice(None, None, -1)])
def test_slice_with_a_step_or_without_layers_is_refused(index):
    for net in (network(), nn.Sequential(nn.Tanh(), nn.ReLU())):
        with pytest.raises(
            nn.ShapeError,
            match=f"expected a slice of neighbouring layers, got a step of {index.step}",
        ):
            net[index]
    with pytest.raises(nn.ShapeError, match="Sequential: expected one or more layers"):
        network()[2:2]


# ---- layers in two networks


def sharing(net):
    """Networks that share layers with net, and where net's layer 0 or 2 is in them."""
    yield nn.Sequential(*net.layers[:-1], nn.Dense(5, 3)), lambda new: (new[0], net[0])
    yield nn.Sequential(nn.Dense(2, 3), net), lambda new: (new[1][0], net[0])
    yield nn.Sequential(net[0], nn.ReLU()), lambda new: (new[0], net[0])
    yield (
        nn.Sequential(nn.Sequential(nn.Tanh(), net[2]), nn.ReLU()),
        lambda new: (new[0][1][0], net[2][0]),
    )
    # without parameters, but with a path
    yield (
        nn.Sequential(net[2][0], nn.Dense(5, 3)),
        lambda new: (new[0], net[2][0]),
    )
    yield nn.Sequential(nn.Dense(2, 3), net[:2]), lambda new: (new[1][0], net[0])
    yield nn.Sequential(*copy.deepcopy(net[:2]), nn.Dense(5, 3)), lambda new: (new[0], net[0])


def step_once(net, x):
    optimizer, cache = nn.SGD(net, 0.1), net.cache()
    net.backward(np.ones_like(net.forward(x, cache, train=True)), cache)
    optimizer.step()


def test_network_copies_the_layers_of_another_and_both_are_independent():
    for k in range(len(list(sharing(network())))):
        net, x = network(), normal(6, 3, dtype=np.float32)
        old, cache, before = nn.SGD(net, 0.1), net.cache(), net(x)
        net[0].b[...] = 0.5  # as if trained
        (new, pair), trained = list(sharing(net))[k], net(x)
        with pytest.warns(
            UserWarning,
            match=r"'net[0-9.]*' belong to another network; this one takes copies of them",
        ):
            new.build(seed=7)
        twin, original = pair(new)
        assert (
            twin is not original
            and twin.parameters.whole is new.parameters
            and original.parameters.whole is net.parameters
        )
        for name in original.parameter_shapes:
            assert np.array_equal(getattr(twin, name), getattr(original, name))
            assert not np.shares_memory(getattr(twin, name), getattr(original, name))
        assert np.array_equal(net(x), trained) and not np.array_equal(trained, before)
        step_once(new, normal(6, new.input_shape[0] if new.input_shape else 5, dtype=np.float32))
        assert np.array_equal(net(x), trained)  # unchanged by the other's training
        kept = new.parameters.value.flat.copy()
        net.backward(np.ones_like(net.forward(x, cache, train=True)), cache)
        old.step()
        assert not np.array_equal(net(x), trained) and np.array_equal(
            new.parameters.value.flat, kept
        )


def test_adopted_layer_keeps_its_statistics_and_takes_the_new_dtype():
    body = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4)).build(seed=0)
    body.forward(normal(8, 3, dtype=np.float32), body.cache(), train=True)
    with pytest.warns(
        UserWarning, match="Dense 'net.0', BatchNorm 'net.1' belong to another network"
    ):
        new = nn.Sequential(*body.layers, nn.Dense(4, 2)).build(seed=1, dtype="float64")
    assert new[1].running_mean.dtype == "float64" and np.array_equal(
        new[1].running_mean, body[1].running_mean
    )
    assert new.build(seed=2) is new  # without a warning: the copies are its own


@each_part
def test_building_a_part_of_a_built_network_is_refused(name):
    take, _ = PARTS[name]
    net = network()
    with pytest.raises(
        nn.ShapeError,
        match="expected a whole network to build, got a part of a built one; build that",
    ):
        take(net).build(seed=1)
    assert np.array_equal(net[0].W, network()[0].W)


def test_layer_that_was_built_alone_is_copied_too():
    dense = nn.Dense(3, 4).build(seed=0)
    with pytest.warns(UserWarning, match="Dense 'net' belong to another network"):
        new = nn.Sequential(dense, nn.Dense(4, 2)).build()
    assert np.array_equal(new[0].W, dense.W) and not np.shares_memory(new[0].W, dense.W)
    with pytest.raises(
        nn.ShapeError,
        match="SpectralNorm: expected a layer without memory, got Dense 'net', which is built",
    ):
        nn.SpectralNorm(dense)


def test_two_networks_with_the_same_layer_get_separate_copies():
    layer = nn.Dense(3, 3)
    first, second = nn.Sequential(layer), nn.Sequential(layer, nn.ReLU())
    first.build(seed=0)
    with pytest.warns(UserWarning, match="Dense 'net.0' belong to another network"):
        second.build(seed=1)
    assert first[0] is layer and second[0] is not layer and np.array_equal(first[0].W, second[0].W)


@each_part
def test_a_deep_copy_of_a_part_can_be_built(name):
    take, _ = PARTS[name]
    part = copy.deepcopy(take(network()))
    again = part.build(seed=5, dtype="float64")
    assert again is part and part.dtype == "float64"
    with pytest.raises(
        nn.ShapeError, match="expected a whole network to build"
    ):  # it is a whole network now
        part = nn.Sequential(nn.Tanh(), nn.ReLU()).build()
        part[0].build()


def test_a_deep_copy_of_a_network_guards_its_layers_too():
    twin = copy.deepcopy(network())
    with pytest.raises(nn.ShapeError, match="expected a whole network to build"):
        twin[0].build()
    assert np.array_equal(
        twin.build(seed=3).parameters.value.flat, network().build(seed=3).parameters.value.flat
    )


# ---- a network that is built again


def test_optimizers_and_caches_stay_valid_when_a_network_is_built_again():
    net, x = network(), normal(6, 3, dtype=np.float32)
    head, cache, W = net[3:], net.cache(), net[3].W
    optimizers = nn.Adam(net, 0.1), nn.SGD(head, 0.5), nn.SGD(net[3], 0.5)
    net.backward(np.ones_like(net.forward(x, cache, train=True)), cache)
    optimizers[0].step()
    net.build(seed=1)
    fresh = unbuilt().build(seed=1)
    for held, wanted in zip(
        (net.parameters.value, net.parameters.grad, net.parameters.statistics),
        (fresh.parameters.value, fresh.parameters.grad, fresh.parameters.statistics),
        strict=True,
    ):
        assert held.flat.tobytes() == wanted.flat.tobytes()
    assert net[3].W is W and head[0].W is W
    net.backward(np.ones_like(net.forward(x, cache, train=True)), cache)
    before, gradient = W.copy(), net[3].dW.copy()
    assert gradient.any() and net[1].db.any()
    for optimizer in optimizers[1:]:
        optimizer.step()
    np.testing.assert_allclose(W, before - gradient, rtol=1e-5)


@pytest.mark.parametrize("again", [{"dtype": "float64"}, {"device": "numpy"}])
def test_optimizer_of_a_network_built_in_new_memory_refuses_to_step(again):
    net = network(device="cpu")
    if type(net.ops) is type(nn.get_ops("numpy")) and "device" in again:
        pytest.skip("needs Numba, without which both devices are one")
    optimizers = [nn.SGD(part) for part in (net, net[2:], net[0], net[2][1:])]
    cache, values = net.cache(), net.parameters.value.flat
    net.build(seed=1, **again)
    for optimizer in optimizers:
        for _ in range(2):
            with pytest.raises(
                nn.ShapeError,
                match="SGD: expected the network it was made for, which has since been built again",
            ):
                copy.deepcopy(optimizer).step()
            with pytest.raises(nn.ShapeError, match="make a new optimizer"):
                optimizer.step()
    assert not np.shares_memory(values, net.parameters.value.flat)
    nn.SGD(net).step()
    if "dtype" in again:
        with pytest.raises(
            nn.ShapeError, match="expected a cache of float64, got float32; make a new one"
        ):
            net.forward(normal(6, 3), cache)


def test_optimizer_of_a_copied_part_that_is_built_again_refuses_to_step():
    net = network()
    part, optimizer = copy.deepcopy((net[2:], nn.SGD(net[2:])))
    optimizer.step()
    part[1].build(seed=0)  # one layer alone
    with pytest.raises(nn.ShapeError, match="SGD: expected the network it was made for"):
        optimizer.step()
