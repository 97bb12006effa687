"""Each layer as an ONNX model, run in onnxruntime."""

import sys

import numpy as np
import onnx
import pytest

import nn
from nn.ops import NumpyOps
from nn.serialization.onnx import forms
from nn.serialization.onnx.forms import onnx_form
from nn.serialization.onnx.graph import IR_VERSION, OPSET, Graph
from nn.serialization.onnx.model import save_onnx, to_onnx
from tests.nn.layers.test_base import CASES, a_case
from tests.support.onnx_runtime import run_onnx
from tests.support.strict import StrictOps
from tests.support.tools import Vector, assert_close, normal


@pytest.fixture
def own_form(monkeypatch):
    """The form of `Vector`, a layer that a user has written: y = x + w."""
    monkeypatch.setattr(forms, "FORMS", dict(forms.FORMS))

    @onnx_form(Vector)
    def vector(layer, graph, x, shape):
        return graph.node("Add", x, graph.weights(layer, "w"))


def randomize(layer):
    """Different values for each parameter and running statistic, as training leaves them."""
    rng = np.random.default_rng(8)
    for view in layer.parameters.value.views.values():
        view[...] = rng.standard_normal(view.shape)
    for key, view in layer.parameters.statistics.items():
        if "running" in key:
            view[...] = 0.5 + rng.random(view.shape)


@pytest.mark.parametrize("name", CASES)
def test_onnxruntime_computes_what_the_layer_does(name, own_form):
    """Every layer of the package has a line in CASES: a test in test_base.py sees to that."""
    layer, x, _, other = a_case(name)
    randomize(layer)
    model = to_onnx(layer, input_shape=x.shape[1:])  # which onnx.checker passes
    assert_close(run_onnx(model, x=x), layer(x), 1e-5)
    one = other[:1]  # the batch has any size
    assert_close(run_onnx(model, x=one), layer(one), 1e-5)


def test_the_model_says_what_it_is():
    model = to_onnx(nn.Sequential(nn.Dense(3, 2), nn.BatchNorm(2)).build(seed=0, name="G"))
    onnx.checker.check_model(model, full_check=True)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", OPSET)]
    assert (model.ir_version, model.producer_name) == (IR_VERSION, "byhand")
    assert model.producer_version == nn.__version__
    for value, size in ((model.graph.input[0], 3), (model.graph.output[0], 2)):
        batch, features = value.type.tensor_type.shape.dim
        assert (batch.dim_param, features.dim_value) == ("N", size)
    names = [each.name for each in model.graph.initializer]
    assert names == ["G.0.W", "G.0.b", "G.1.W", "G.1.b", "G.1.running_mean", "G.1.running_var"]


def test_the_checker_is_asked_for_everything(monkeypatch):
    asked = []
    monkeypatch.setattr(onnx.checker, "check_model", lambda *args, **how: asked.append(how))
    to_onnx(nn.Dense(3, 2).build(seed=0))
    assert asked == [{"full_check": True}]


def test_a_float64_network_becomes_float32():
    net = nn.Dense(3, 2).build(seed=0, dtype="float64")
    x = normal(4, 3)
    assert_close(run_onnx(to_onnx(net), x=x.astype("float32")), net(x), 1e-5)
    net.W[0, 0] = 1e300
    with pytest.raises(nn.WeightsError, match="Dense 'net': expected W finite in float32"):
        to_onnx(net)


def test_a_network_on_another_device_becomes_the_same_model():
    models = [
        to_onnx(nn.SpectralNorm(nn.Dense(3, 2)).build(seed=0, device=ops))
        for ops in (NumpyOps(), StrictOps())
    ]
    assert models[0] == models[1]


def test_numbers_outside_an_embedding_are_nan_and_others_are_rounded():
    layer = nn.Embedding(3, 2).build(seed=0)
    x = np.array([[-1], [0], [0.4], [1.6], [2], [2.7], [np.nan]], np.float32)
    got, want = run_onnx(to_onnx(layer, input_shape=(1,)), x=x), layer(x)
    assert np.array_equal(got, want, equal_nan=True)
    assert np.isnan(got).all(axis=(1, 2)).tolist() == [True, *4 * [False], True, True]


def test_a_convolution_with_output_padding():
    layer = nn.ConvTranspose2d(2, 3, 3, stride=(2, 3), padding=(1, 0), output_padding=(1, 2))
    x = normal(2, 2, 3, 4, dtype=np.float32)
    assert_close(run_onnx(to_onnx(layer.build(seed=0), input_shape=(2, 3, 4)), x=x), layer(x), 1e-5)


def test_an_upsampling_by_different_factors():
    layer = nn.Upsample((3, 2)).build()
    x = normal(2, 2, 3, 4, dtype=np.float32)
    assert np.array_equal(run_onnx(to_onnx(layer, input_shape=(2, 3, 4)), x=x), layer(x))


# ---- own layers


def test_an_own_layer_without_a_form_is_an_error_that_says_how_to_write_one():
    net = nn.Sequential(nn.Dense(3, 2), Vector(2)).build(seed=0)
    words = r"Vector 'net.1': expected .* ONNX form, got Vector, .*write one with @onnx_form\(Vec"
    with pytest.raises(nn.WeightsError, match=words):
        to_onnx(net)


def test_a_form_stands_for_subclasses_that_compute_the_same(own_form):
    class Wide(nn.Dense):
        def __init__(self):
            super().__init__(3, 20)

    class Doubled(nn.Dense):
        def forward(self, x, cache, *, train=False):
            return 2 * super().forward(x, cache, train=train)

    class Net(nn.Sequential):
        def __init__(self):
            super().__init__(Wide(), nn.Tanh())

    x = normal(2, 3, dtype=np.float32)
    net = Net().build(seed=0)
    assert_close(run_onnx(to_onnx(net), x=x), net(x), 1e-5)
    with pytest.raises(nn.WeightsError, match="got Doubled, which has none"):
        to_onnx(Doubled(3, 2).build(seed=0))


# ---- mistakes


def test_a_network_that_takes_any_input_needs_a_shape():
    with pytest.raises(nn.ShapeError, match="pass input_shape, the shape of one sample"):
        to_onnx(nn.Sequential(nn.Flatten()).build())
    with pytest.raises(nn.ShapeError, match=r"expected samples of shape \(3,\), got \(4,\)"):
        to_onnx(nn.Dense(3, 2).build(seed=0), input_shape=(4,))


def test_a_network_without_memory_is_an_error():
    with pytest.raises(nn.WeightsError, match=r"expected a built network; call \.build"):
        to_onnx(nn.Dense(3, 2))


def test_without_the_library_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(nn.MissingLibraryError, match=r"pip install -e '\.\[onnx\]'"):
        to_onnx(nn.Dense(3, 2).build(seed=0))


def test_a_file_holds_the_model_and_equal_models_make_equal_files(tmp_path):
    net = nn.Dense(3, 2).build(seed=0)
    for name in ("a.onnx", "b.onnx"):
        save_onnx(tmp_path / name, to_onnx(net))
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    x = normal(2, 3, dtype=np.float32)
    assert_close(run_onnx((tmp_path / "a.onnx").read_bytes(), x=x), net(x), 1e-5)


def test_names_in_a_graph_are_unique():
    graph = Graph("g")
    assert [graph.constant(1.0, "c") for _ in range(3)] == ["c", "c_1", "c_2"]
    assert graph.input("c", (), "") == "c_3"
