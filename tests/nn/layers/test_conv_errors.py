"""What layers refuse: dy of a wrong shape, empty batches, settings that are not integers."""

import numpy as np
import pytest

import nn
from tests.support.tools import normal

LAYERS = {
    "conv": lambda: nn.Conv2d(1, 1, 3),
    "conv_transpose": lambda: nn.ConvTranspose2d(1, 1, 3),
    "max_pool": lambda: nn.MaxPool2d(2),
    "avg_pool": lambda: nn.AvgPool2d(2),
    "upsample": lambda: nn.Upsample(2),
}
each = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
ROWS = {"dense": lambda: nn.Dense(3, 4), "batchnorm": lambda: nn.BatchNorm(3)}


@each
@pytest.mark.parametrize(
    "shape", [(2, 1, 30, 30), (2, 1, 1, 1), (1, 1, 4, 4), (2, 3, 4, 4), (2, 16)]
)
def test_dy_of_wrong_shape_is_refused(make, shape):
    layer = make().build(seed=0, dtype="float64", name="D")
    cache = layer.cache()
    y = layer.forward(normal(2, 1, 6, 6), cache)
    with pytest.raises(
        nn.ShapeError,
        match=rf"'D': expected dy of y's shape \(2, 1, {y.shape[2]}, {y.shape[3]}\), got",
    ):
        layer.backward(normal(*shape), cache)


@each
def test_dy_of_wrong_dtype_is_refused(make):
    layer = make().build(seed=0, name="D")
    cache = layer.cache()
    y = layer.forward(normal(2, 1, 6, 6, dtype=np.float32), cache)
    with pytest.raises(nn.DtypeError, match="'D': expected dy of float32, got float64"):
        layer.backward(y.astype(np.float64), cache)


@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS)
def test_dy_of_wrong_batch_size_is_refused(make):
    layer = make().build(seed=0, dtype="float64", name="D")
    cache = layer.cache()
    y = layer.forward(normal(5, 3), cache)
    for shape in ((4, y.shape[1]), (5, 2), (5, y.shape[1], 1, 1)):
        with pytest.raises(
            nn.ShapeError, match=rf"'D': expected dy of y's shape \(5, {y.shape[1]}\), got"
        ):
            layer.backward(normal(*shape), cache)
    with pytest.raises(nn.DtypeError, match="'D': expected dy of float64, got float32"):
        layer.backward(y.astype(np.float32), cache)


@pytest.mark.parametrize("make", [*LAYERS.values(), *ROWS.values()], ids=[*LAYERS, *ROWS])
def test_backward_without_forward_is_refused(make):
    layer = make().build(seed=0, dtype="float64", name="D")
    with pytest.raises(
        nn.ShapeError, match="'D': expected a forward pass through this cache before backward"
    ):
        layer.backward(normal(1, 1, 1, 1), layer.cache())


@each
@pytest.mark.parametrize("shape", [(0, 1, 6, 6), (2, 1, 0, 6), (2, 1, 6, 0)])
def test_empty_batches_and_empty_images_are_refused(make, shape):
    with pytest.raises(nn.ShapeError, match="'D': expected at least one image and no empty ones"):
        make().build(seed=0, name="D")(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: nn.Conv2d("2", 3, 3), "expected c_in to be an integer"),
        (lambda: nn.Conv2d(2.5, 3, 3), "expected c_in"),
        (lambda: nn.Conv2d(None, 3, 3), "expected c_in"),
        (lambda: nn.ConvTranspose2d(3, 0, 3), "expected c_out"),
        (lambda: nn.Conv2d(True, 3, 3), "expected c_in"),
        (lambda: nn.Conv2d(1, 3, True), "expected kernel"),
        (lambda: nn.Conv2d(1, 3, 3.0), "expected kernel"),
        (lambda: nn.MaxPool2d((2, True)), "expected kernel"),
        (
            lambda: nn.ConvTranspose2d(1, 1, 2, stride=2, output_padding=True),
            "expected output_padding",
        ),
        (lambda: nn.Upsample(np.True_), "expected factor"),
        (lambda: nn.Reshape((2.0, 3)), "Reshape: expected shape to be"),
        (lambda: nn.Reshape((2, True)), "Reshape: expected shape to be"),
        (lambda: nn.Reshape("12"), "Reshape: expected shape to be"),
    ],
)
def test_settings_that_are_not_integers_are_refused(make, words):
    with pytest.raises(nn.ShapeError, match=words):
        make()


def test_numpy_integers_are_saved_as_plain_ints(tmp_path):
    two, three = np.int64(2), np.int32(3)
    net = nn.Sequential(
        nn.Conv2d(two, three, (three, two), stride=two, padding=np.uint8(1)),
        nn.ConvTranspose2d(three, two, two, stride=two, output_padding=np.int8(0)),
        nn.MaxPool2d(two),
        nn.AvgPool2d(two, stride=two),
        nn.Upsample(two),
        nn.Reshape((three, two * two, two * two)),
        nn.Flatten(),
        nn.Dense(three * 16, two),
        nn.Reshape(two),
    ).build(seed=0)
    nn.save_weights(tmp_path / "w.npz", {"net": net})
    x = normal(2, 2, 11, 7, dtype=np.float32)
    assert np.array_equal(nn.load_weights(tmp_path / "w.npz")[0]["net"](x), net(x))
    assert repr(net[0]) == "Conv2d(2, 3, (3, 2), stride=2, padding=1)"
