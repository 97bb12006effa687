import numpy as np
import pytest

import nn
from tests.support.tools import normal


def transposed_images():
    """Images that are channels-last in memory."""
    return normal(2, 4, 5, 3).transpose(0, 3, 1, 2)


def plain_flatten(x):
    return np.array([list(sample.flat) for sample in x])


@pytest.mark.parametrize(
    "x", [normal(2, 3, 4, 5), transposed_images(), normal(2, 6), normal(1, 1, 1)]
)
def test_flatten_matches_a_loop_and_backward_inverts_it(x):
    layer = nn.Flatten().build(dtype="float64")
    cache = layer.cache()
    y = layer.forward(x, cache, train=True).copy()
    assert (y == plain_flatten(x)).all()
    dx = layer.backward(y, cache)
    assert dx.shape == x.shape and (dx == x).all()


@pytest.mark.parametrize("x", [normal(2, 60), transposed_images(), normal(2, 60)[:, ::-1]])
def test_reshape_keeps_the_order_and_backward_inverts_it(x):
    layer = nn.Reshape((5, 3, 4)).build(dtype="float64")
    cache = layer.cache()
    y = layer.forward(x, cache, train=True).copy()
    assert y.shape == (2, 5, 3, 4) and (plain_flatten(y) == plain_flatten(x)).all()
    dx = layer.backward(y, cache)
    assert dx.shape == x.shape and (dx == x).all()


def test_backward_accepts_dy_in_any_memory_order():
    for layer, shape in ((nn.Flatten(), (2, 60)), (nn.Reshape((5, 12)), (2, 5, 12))):
        layer.build(dtype="float64")
        cache, dy = layer.cache(), normal(*shape[::-1]).T
        layer.forward(normal(2, 3, 4, 5), cache, train=True)
        assert (layer.backward(dy.copy(order="F"), cache).reshape(2, -1) == dy.reshape(2, -1)).all()


@pytest.mark.parametrize("layer", [nn.Flatten(), nn.Reshape((5, 3, 4))])
@pytest.mark.gradcheck
def test_gradients_match_finite_differences(layer):
    report = nn.gradcheck(layer, normal(2, 3, 4, 5))
    assert report.ok, report


def test_output_shapes():
    assert nn.Flatten().output_shape((3, 4, 5)) == (60,)
    assert nn.Reshape([3, 20]).output_shape((60,)) == (3, 20)
    assert nn.Reshape(60).output_shape((3, 20)) == (60,)


def test_samples_of_wrong_size_are_an_error():
    layer = nn.Reshape((1, 28, 28)).build(name="G")
    with pytest.raises(nn.ShapeError) as error:
        layer(np.zeros((2, 783), np.float32))
    assert (
        str(error.value)
        == "Reshape 'G': expected samples of 784 elements for (1, 28, 28), got (783,)"
    )


@pytest.mark.parametrize("shape", [(), (0, 3), (-1,)])
def test_shapes_without_elements_are_refused(shape):
    with pytest.raises(nn.ShapeError, match="Reshape: expected shape to be integers of at least 1"):
        nn.Reshape(shape)
