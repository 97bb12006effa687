"""What `watch` returns equals what passed, and a watched step computes the same bytes."""

import inspect
import sys
import threading

import numpy as np
import pytest

from nn import Adam, BatchNorm, Dense, Dropout, LeakyReLU, Residual, Sequential, Tanh
from nn.errors import DeviceMemoryError
from nn.watching import watch

X = np.random.default_rng(0).standard_normal((6, 4), dtype=np.float32)
DY = np.random.default_rng(1).standard_normal((6, 2), dtype=np.float32)


def network(seed=0):
    return Sequential(Dense(4, 3), BatchNorm(3), LeakyReLU(0.2), Dropout(0.5), Dense(3, 2)).build(
        seed=seed, device="numpy"
    )


def one_step(net, adam, cache):
    """A training step whose buffers are used again by a second pass."""
    net.forward(X, cache, train=True)
    net.backward(DY.copy(), cache, need_dx=False)
    adam.step()
    net.forward(2 * X, cache, train=True)
    return net.backward(DY.copy(), cache, grads="add")


def made(seed=0):
    net = network(seed)
    return net, Adam(net, 0.1), net.cache()


def test_events_hold_what_passed_in_order():
    net, adam, cache = made()
    W, b = net[0].W.copy(), net[0].b.copy()
    events = watch(lambda: one_step(net, adam, cache), net, adam)
    assert [(e.what, e.of.path[-1]) for e in events] == (
        [("forward", str(k)) for k in range(5)]
        + [("backward", str(k)) for k in (4, 3, 2, 1, 0)]
        + [("step", str(k)) for k in (0, 1, 4)]
        + [("forward", str(k)) for k in range(5)]
        + [("backward", str(k)) for k in (4, 3, 2, 1, 0)]
    )
    first = events[0].arrays
    assert np.array_equal(first["x"], X) and np.array_equal(first["W"], W)
    assert np.allclose(first["y"], X @ W + b, atol=1e-6)
    assert events[1].arrays["x"] is first["y"]  # one copy for both
    mask = events[3].arrays["mask"]
    assert set(np.unique(mask)) <= {0, 2}
    assert np.array_equal(events[3].arrays["y"], events[3].arrays["x"] * mask)
    batch = events[1].arrays
    assert np.allclose(batch["mean"], first["y"].mean(axis=0), atol=1e-6)
    assert np.allclose(batch["running_mean"], 0.1 * batch["mean"], atol=1e-6)
    last = events[9].arrays  # the first layer's backward pass
    assert np.allclose(last["dW"], X.T @ last["dy"], atol=1e-5)
    assert "dx" not in last and events[9].settings == {"grads": "write", "need_dx": False}
    leaky = events[7].arrays  # overwrites its dy
    slope = np.where(events[2].arrays["y"] > 0, np.float32(1), np.float32(0.2))
    assert np.array_equal(leaky["dx"], leaky["dy"] * slope)


def test_gradients_that_are_added_and_updates_are_shown_before_and_after():
    net, adam, cache = made()
    events = watch(lambda: one_step(net, adam, cache), net, adam)
    update, added = events[10], events[-1].arrays
    assert update.what == "step" and update.settings["learning_rate"] == pytest.approx(0.1)
    assert np.array_equal(update.arrays["dW"], events[9].arrays["dW"])
    assert np.array_equal(update.arrays["W"], events[0].arrays["W"])
    assert np.array_equal(update.arrays["W_after"], events[13].arrays["W"])
    assert not update.arrays["m_W"].any() and update.arrays["m_W_after"].any()
    assert np.array_equal(added["dW_before"], events[9].arrays["dW"])
    new = added["dW"] - added["dW_before"]
    assert np.allclose(new, 2 * X.T @ added["dy"], atol=1e-4)
    assert np.array_equal(net[0].dW, added["dW"])


def test_a_watched_step_has_the_same_bytes_and_leaves_nothing_behind():
    (net, adam, cache), (other, other_adam, other_cache) = made(), made()
    held = [set(vars(each)) for each in (net, *net.layers, adam)]
    dx = []
    watch(lambda: dx.append(one_step(net, adam, cache).copy()), net, adam)
    assert held == [set(vars(each)) for each in (net, *net.layers, adam)]
    assert dx[0].tobytes() == one_step(other, other_adam, other_cache).tobytes()
    for name in ("value", "grad", "statistics"):
        one, two = (getattr(each.parameters, name).flat for each in (net, other))
        assert one.tobytes() == two.tobytes()
    assert "buffer" not in vars(cache.parts[0])


def test_a_frozen_pass_has_no_gradients():
    net, _, cache = made()

    def step():
        net.forward(X, cache, train=True)
        net.backward(DY.copy(), cache, grads="skip")

    for event in watch(step, net)[5:]:
        assert set(event.arrays) == {"dy", "dx"}


def test_the_lines_that_ran_are_those_of_the_branch_that_was_taken():
    net, _, cache = made()

    def lines(event):
        source, first = inspect.getsourcelines(event.function)
        return "".join(source[line - first] for line in sorted(event.lines))

    def step(train, grads):
        net.forward(X, cache, train=train)
        net.backward(DY.copy(), cache, grads=grads)

    events = watch(lambda: step(True, "write"), net)
    assert "self.ops.normalize(" in lines(events[1])
    assert "shift_scale" not in lines(events[1])
    assert "dL/dW = x^T dy" in lines(events[-1])
    events = watch(lambda: step(False, "skip"), net)
    assert "shift_scale" in lines(events[1]) and "self.ops.normalize(" not in lines(events[1])
    assert "dL/dW" not in lines(events[-1]) and "dL/dx = dy W^T" in lines(events[-1])
    assert events[-1].forward == 0 and events[5].forward == 4


def test_another_tracer_is_left_alone():
    net, _, cache = made()

    def trace(frame, event, arg):
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        events = watch(lambda: net.forward(X, cache), net)
        found = sys.gettrace()
    finally:
        sys.settrace(before)
    assert found is trace and events[0].lines is None
    assert watch(lambda: net.forward(X, cache), net)[0].lines and sys.gettrace() is before


def test_layers_within_layers_and_double_backward():
    inner = Sequential(Dense(4, 4), Tanh())
    net = Sequential(Residual(inner), Dense(4, 1)).build(seed=0, device="numpy")
    cache = net.cache(double_backward=True)

    def step():
        net.forward(X, cache, train=True)
        net.backward(np.ones((6, 1), np.float32), cache, grads="write")
        net.double_backward(X.copy(), cache)

    events = watch(step, net)
    assert events[0].of.path == "net.0.0.0"
    assert events[0].within == ("net.forward", "net.0.forward", "net.0.0.forward")
    ups = [event for event in events if event.what == "double_backward"]
    assert [event.of.path for event in ups] == ["net.0.0.0", "net.0.0.1", "net.1"]
    assert np.array_equal(ups[1].arrays["v"], ups[0].arrays["ddy"]) and "ddx" in ups[1].arrays
    last = ups[2].arrays
    assert np.allclose(last["dW"] - last["dW_before"], last["v"].T @ np.ones((6, 1)), atol=1e-5)
    again = [event for event in events if event.settings.get("grads") == "add"]
    assert [event.of.path for event in again] == ["net.0.0.0"]  # the second-order term goes down
    assert np.array_equal(again[0].arrays["dy"], ups[1].arrays["ddx"])


def test_copies_have_a_limit_after_which_nothing_is_left_behind():
    net, adam, cache = made()
    with pytest.raises(DeviceMemoryError, match="take a smaller batch"):
        watch(lambda: one_step(net, adam, cache), net, adam, max_bytes=500)
    assert "forward" not in vars(net[0]) and "step" not in vars(adam)
    assert "buffer" not in vars(cache.parts[0])


def test_other_threads_are_not_watched():
    net, _, cache = made()

    def step():
        thread = threading.Thread(target=lambda: net(X))
        thread.start()
        thread.join()
        net.forward(X, cache)

    assert len(watch(step, net)) == 5


def test_an_object_is_watched_once():
    net, _, cache = made()
    with pytest.raises(TypeError, match="watched once"):
        watch(lambda: net.forward(X, cache), net, net[0])
    assert "forward" not in vars(net[0])
