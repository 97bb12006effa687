"""Weights to PyTorch and back, compared with a stored PyTorch network."""

from pathlib import Path

import numpy as np
import pytest

import nn
from nn.layers.conv import Conv2d
from nn.layers.conv_transpose import ConvTranspose2d
from nn.serialization.torch_state import from_torch_state, to_torch_state, torch_shapes
from tests.support.tools import assert_close

with np.load(Path(__file__).parents[2] / "oracles" / "torch_state.npz") as stored:
    X, Y = stored["x"], stored["y"]
    STATE, LATER = (
        {
            name.removeprefix(prefix): stored[name]
            for name in stored.files
            if name.startswith(prefix)
        }
        for prefix in ("state/", "later/")
    )
    LATER_X, LATER_Y = stored["later_x"], stored["later_y"]


class Tensor:
    """A PyTorch tensor that requires grad, as NumPy sees it."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


def network():
    return nn.Sequential(
        nn.Dense(10, 128),
        nn.Reshape((8, 4, 4)),
        nn.BatchNorm(8),
        nn.LeakyReLU(0.2),
        ConvTranspose2d(8, 6, (4, 3), stride=(2, 1), padding=1),
        nn.ReLU(),
        Conv2d(6, 3, (3, 2), padding=(1, 0)),
        nn.Flatten(),
        nn.Dense(72, 20),
        nn.BatchNorm(20),
        nn.Sequential(nn.Tanh(), nn.Dense(20, 5)),
        nn.Sigmoid(),
    ).build(seed=3)


def later_layers():
    return nn.Sequential(
        nn.SpectralNorm(nn.Dense(5, 48)),
        nn.Reshape((4, 3, 4)),
        nn.SpectralNorm(ConvTranspose2d(4, 6, (4, 3), stride=2, padding=1)),
        nn.GroupNorm(2, 6),
        nn.SelfAttention2d(6, 2),
        nn.Residual(
            nn.SpectralNorm(Conv2d(6, 4, (3, 2), padding=(1, 0))), shortcut=Conv2d(6, 4, (1, 2))
        ),
        nn.LayerNorm((4, 6, 6)),
        nn.Flatten(),
        nn.SpectralNorm(nn.Dense(144, 3)),
    ).build(seed=3)


def test_later_layers_and_spectral_norm_go_both_ways():
    net = later_layers()
    from_torch_state(net, LATER)
    assert_close(net(LATER_X), LATER_Y, 1e-5)
    back = to_torch_state(net)
    assert back.keys() - LATER.keys() == {"5.1.bias", "8.bias"}  # PyTorch's layers have none
    for name, array in LATER.items():
        np.testing.assert_array_equal(back[name], array)
    assert "parametrizations.weight.0._u" in " ".join(back)


def test_shapes_are_known_before_a_network_is_built():
    net = later_layers()
    shapes = {name: array.shape for name, array in to_torch_state(net).items()}
    net.unbind()
    assert torch_shapes(net) == shapes


def test_an_embedding_is_the_same_table_in_pytorch():
    net = nn.Sequential(nn.Embedding(7, 3)).build(seed=0)
    state = to_torch_state(net)
    np.testing.assert_array_equal(state["0.weight"], net[0].W)
    from_torch_state(net, {"0.weight": 2 * state["0.weight"]})
    np.testing.assert_array_equal(net[0].W, 2 * state["0.weight"])


def test_pytorch_weights_give_pytorch_outputs():
    net = network()
    from_torch_state(net, STATE)
    assert_close(net(X), Y, 1e-5)


def test_written_state_has_pytorch_names_shapes_and_values():
    net = network()
    from_torch_state(net, STATE)
    back = to_torch_state(net)
    assert back.keys() == STATE.keys()
    for name in STATE:
        if not name.endswith("num_batches_tracked"):
            assert back[name].dtype == np.float32
            np.testing.assert_array_equal(back[name], STATE[name])


def test_the_state_is_a_copy():
    net = network()
    to_torch_state(net)["0.weight"][:] = 7
    assert not (net[0].W == 7).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("6.weight"), "'6.weight' is missing"),
        # the bias of a batch norm is not optional
        (lambda s: s.pop("9.bias"), "'9.bias' is missing"),
        (lambda s: s.update({0: s["0.weight"]}), "expected names, such as '0.weight', got 0"),
        (lambda s: s.update({"12.weight": s["0.weight"]}), "'12.weight' was not expected"),
        (
            lambda s: s.update({"0.weight": s["0.weight"].T}),
            r"'0.weight': expected shape \(128, 10\), got \(10, 128\)",
        ),
        (
            lambda s: s.update({"8.bias": np.append(np.ones(19), np.nan)}),
            "'8.bias': expected finite floats",
        ),
        (
            lambda s: s.update({"8.bias": np.ones(20, int)}),
            "'8.bias': expected finite floats, got int64",
        ),
        (
            lambda s: s.update({"8.bias": np.full(20, 1e300)}),
            "'8.bias': expected finite floats, .* infinite in float32",
        ),
        (
            lambda s: s.update({"9.running_var": np.append(np.ones(19), -0.5)}),
            "'9.running_var': expected values of at least 0, got -0.5",
        ),
        (
            lambda s: s.update({"8.bias": Tensor()}),
            r"'8.bias': expected a NumPy array \(Can't call .* v\.detach\(\)\.cpu\(\)\.numpy",
        ),
    ],
)
def test_state_that_does_not_fit_is_an_error_and_changes_nothing(change, words):
    net, state = network(), dict(STATE)
    before = net.parameters.value.flat.copy()
    change(state)
    with pytest.raises(nn.WeightsError, match=words):
        from_torch_state(net, state)
    np.testing.assert_array_equal(net.parameters.value.flat, before)


def test_state_without_names_is_an_error():
    with pytest.raises(
        nn.WeightsError, match="expected arrays by name, as in a state_dict, got list"
    ):
        from_torch_state(network(), list(STATE.items()))


def test_missing_bias_is_zero():
    net, state = (
        network(),
        {
            name: array
            for name, array in STATE.items()
            if name not in ("0.bias", "4.bias", "6.bias", "8.bias")
        },
    )
    from_torch_state(net, state)
    assert not any(net[i].b.any() for i in (0, 4, 6, 8)) and net[10][1].b.any()
    zeros = network()
    from_torch_state(
        zeros, STATE | {name: np.zeros_like(STATE[name]) for name in STATE.keys() - state.keys()}
    )
    np.testing.assert_array_equal(net(X), zeros(X))


def test_float64_network_accepts_values_beyond_float32():
    net = network().build(seed=0, dtype="float64")
    from_torch_state(net, STATE | {"8.bias": np.full(20, 1e300)})
    assert (net[8].b == 1e300).all()


def test_a_variance_may_be_zero():
    net = network()
    from_torch_state(net, STATE | {"9.running_var": np.append(np.ones(19), 0)})
    assert net[9].running_var[19] == 0


def test_a_network_without_memory_is_an_error():
    with pytest.raises(nn.WeightsError, match="no memory yet"):
        to_torch_state(nn.Sequential(nn.Dense(2, 3)))


def test_users_layer_without_a_layout_is_an_error():
    class Scale(nn.Layer):
        def __init__(self):
            super().__init__()
            self.parameter_shapes = {"s": (1,)}

    with pytest.raises(nn.WeightsError, match="Scale 'net.0'"):
        to_torch_state(nn.Sequential(Scale()).build(seed=0))
