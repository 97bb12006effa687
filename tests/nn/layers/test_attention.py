import numpy as np
import pytest

import nn
from nn.serialization.pass_size import pass_size
from nn.serialization.torch_state import from_torch_state, to_torch_state
from tests.nn.layers.test_conv import LAYOUTS
from tests.oracles import load
from tests.support.tools import assert_close, in_float64, normal, one_pass, set_parameters


@LAYOUTS
def test_matches_pytorch(memory):
    want, layer = load("blocks"), in_float64(nn.SelfAttention2d(6, 3))
    before = "attention.before."
    from_torch_state(
        layer, {k.removeprefix(before): a for k, a in want.items() if k.startswith(before)}
    )
    y, dx = one_pass(layer, memory(want["attention.x"]), memory(want["attention.dy"]))
    assert_close(y, want["attention.y"], 1e-14)
    assert_close(dx, want["attention.dx"], 1e-13)
    layer.parameters.value.flat[...] = layer.parameters.grad.flat  # gradients in PyTorch's layout
    for key, grad in to_torch_state(layer).items():
        assert_close(grad, want[f"attention.d.{key}"], 1e-12)


@pytest.mark.gradcheck
def test_gradients_match_finite_differences():
    layer = in_float64(nn.SelfAttention2d(4, 2))
    layer.parameters.value.flat[...] = normal(layer.parameters.value.flat.size, seed=3)
    report = nn.gradcheck(layer, normal(2, 4, 3, 2))
    assert report.ok, report


def test_y_is_a_weighted_mean_over_pixels():
    """By a loop over images and pixels."""
    layer, x = in_float64(nn.SelfAttention2d(3, 2)), normal(2, 3, 2, 4)
    set_parameters(layer, gamma=0.5)
    want = x.copy()
    for image, out in zip(x, want, strict=True):
        pixels = image.reshape(3, 8).T
        for i, pixel in enumerate(pixels):
            scores = [(pixel @ layer.Wq) @ (other @ layer.Wk) for other in pixels]
            weights = np.exp(scores) / np.sum(np.exp(scores))
            mean = sum(w * (other @ layer.Wh) for w, other in zip(weights, pixels, strict=True))
            out[:, i // 4, i % 4] += 0.5 * mean @ layer.Wv
    assert_close(layer(x), want, 1e-13)


def test_it_begins_as_the_identity():
    layer, x = in_float64(nn.SelfAttention2d(16)), normal(2, 16, 3, 3)
    assert layer.Wq.shape == (16, 2) and (layer(x) == x).all()
    one_pass(layer, x, normal(2, 16, 3, 3, seed=1))
    assert layer.dgamma != 0 and not layer.dWq.any()


def test_large_scores_do_not_overflow():
    layer, x = nn.SelfAttention2d(4, 2).build(seed=0), 1e3 * normal(2, 4, 3, 3, dtype=np.float32)
    set_parameters(layer, gamma=1.0)
    y, dx = one_pass(layer, x, np.ones_like(x))
    assert np.isfinite(y).all() and np.isfinite(dx).all()


def test_pass_size_counts_the_attention_of_all_pairs_of_pixels():
    assert pass_size(nn.SelfAttention2d(4, 2), (4, 30, 30)) > 3 * 900**2


def test_other_shapes_are_refused():
    layer = in_float64(nn.SelfAttention2d(4, 2))
    with pytest.raises(nn.ShapeError, match=r"expected x of shape \(N, 4, H, W\), got \(2, 3, 2"):
        layer(normal(2, 3, 2, 2))
    with pytest.raises(nn.ShapeError, match=r"expected samples of shape \(4, H, W\), got \(4,\)"):
        layer.output_shape((4,))
    with pytest.raises(
        nn.ShapeError, match="SelfAttention2d: expected n_inner to be an integer of"
    ):
        nn.SelfAttention2d(4, 0)


def test_double_backward_adds_to_the_gradients_and_may_run_twice():
    layer, x, dy = (
        in_float64(nn.SelfAttention2d(4, 2)),
        normal(2, 4, 3, 2),
        normal(2, 4, 3, 2, seed=1),
    )
    set_parameters(layer, gamma=0.5)
    cache, found = layer.cache(double_backward=True), []
    for before in (0, 7):
        layer.forward(x, cache)
        layer.backward(dy.copy(), cache, grads="skip")
        layer.parameters.grad.flat[...] = before
        ddy, ddx = layer.double_backward(normal(2, 4, 3, 2, seed=2), cache)
        found.append((layer.parameters.grad.flat - before, ddy.copy(), ddx.copy()))
    for first, second in zip(*found):
        assert_close(second, first, 1e-12)
        assert np.abs(first).max() > 0.01
