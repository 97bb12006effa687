"""Which image shapes fit a generator, alone and in a trainer."""

from dataclasses import replace

import numpy as np
import pytest

from gan.data.image_shapes import check_image_shape
from gan.errors import RunError
from gan.recipes import RECIPES
from gan.training.trainer import Trainer
from nn import Conv2d, ConvTranspose2d, Dense, Flatten, Reshape, Sequential
from tests.support.small import TINY, digits, weights

GREY, COLOUR, FLAT, FLAT_COLOUR = (1, 28, 28), (3, 32, 32), (784,), (3072,)


@pytest.mark.parametrize(
    "made, shapes",
    [
        (GREY, [(1, 28, 28), (28, 28), (28, 28, 1), (784,)]),
        (COLOUR, [(3, 32, 32)]),
        (FLAT, [(784,), (28, 28), (1, 28, 28), (28, 28, 1), (14, 56), (1, 14, 56)]),
        (FLAT_COLOUR, [(3072,), (3, 32, 32), (48, 64)]),
        ((28, 28), [(28, 28), (1, 28, 28), (28, 28, 1), (784,)]),
        ((4, 8, 8), [(4, 8, 8)]),
        ((3, 3, 3), [(3, 3, 3)]),
    ],
)
def test_shapes_of_the_same_pixels_in_the_same_order_fit(made, shapes):
    for shape in shapes:
        check_image_shape(shape, made)


@pytest.mark.parametrize(
    "made, shapes",
    [
        (
            GREY,
            [
                (14, 56),
                (1, 14, 56),
                (56, 14, 1),
                (1, 784),
                (784, 1),
                (16, 7, 7),
                (7, 7, 16),
                (785,),
                (28, 28, 3),
                (1, 1, 28, 28),
            ],
        ),
        (
            COLOUR,
            [
                (3072,),
                (48, 64),
                (1, 48, 64),
                (3, 16, 64),
                (3, 64, 16),
                (32, 32),
                (1024,),
                (4, 32, 32),
                (3, 32),
            ],
        ),
        (FLAT, [(783,), (16, 7, 7), (2, 14, 28), (7, 7, 16), (1, 1, 28, 28), (28, 29)]),
        (FLAT_COLOUR, [(12, 16, 16), (3, 32, 31)]),
    ],
)
def test_other_shapes_are_refused_whatever_their_number_of_pixels(made, shapes):
    for shape in shapes:
        with pytest.raises(
            RunError,
            match="images: expected shape .*, as the generator .*, got .*; reshape the images",
        ):
            check_image_shape(shape, made)


@pytest.mark.parametrize("made", [COLOUR, FLAT_COLOUR])
def test_channels_last_error_names_the_transpose(made):
    with pytest.raises(
        RunError,
        match=r"got \(N, 32, 32, 3\); move the channels first: images\.transpose\(0, 3, 1, 2\)",
    ):
        check_image_shape((32, 32, 3), made)


# ---- in a trainer


def colour_trainer(images):
    return Trainer(
        TINY,
        images,
        generator=Sequential(
            Dense(4, 2 * 4 * 4), Reshape((2, 4, 4)), ConvTranspose2d(2, 3, 4, stride=2, padding=1)
        ),
        discriminator=Sequential(
            Conv2d(3, 2, 4, stride=2, padding=1), Flatten(), Dense(32, 1), input_shape=(3, 8, 8)
        ),
    )


def test_colour_images_train_with_their_channels_first_only():
    images = digits(43, 3 * 8 * 8)
    t = colour_trainer(images.reshape(43, 3, 8, 8))
    t.step()
    numbers = [int(round((row[0] + 1) * 127.5)) for row in t.adversarial_step.real_rows]
    assert np.allclose(
        t.adversarial_step.real, images[numbers].reshape(-1, 3, 8, 8) / 127.5 - 1, atol=1e-6
    )
    with pytest.raises(
        RunError,
        match=r"expected shape \(N, 3, 8, 8\).*got \(N, 8, 8, 3\); move the channels first",
    ):
        colour_trainer(images.reshape(43, 8, 8, 3))
    with pytest.raises(RunError, match=r"expected shape \(N, 3, 8, 8\).*got \(N, 192\)"):
        colour_trainer(images)
    channels_last = np.ascontiguousarray(images.reshape(43, 3, 8, 8).transpose(0, 2, 3, 1))
    moved = colour_trainer(channels_last.transpose(0, 3, 1, 2))
    moved.step()
    assert weights(moved) == weights(t)


@pytest.mark.parametrize("name", ["conv-r1r2", "mlp-dropout"])
def test_shapes_that_fit_train_to_the_same_bytes(name):
    trained = set()
    for shape in [(1, 28, 28), (28, 28), (28, 28, 1), (784,)]:
        t = Trainer(replace(RECIPES[name], batch_size=8), digits().reshape(-1, *shape))
        t.step()
        trained.add(weights(t))
    assert len(trained) == 1


@pytest.mark.parametrize("shape", [(14, 56), (1, 56, 14), (16, 7, 7)])
def test_another_shape_with_as_many_pixels_is_refused(shape):
    for name in ("conv-r1r2", "dcgan", "conv-clusters"):
        with pytest.raises(
            RunError,
            match=r"images: expected shape \(N, 1, 28, 28\), as the generator .*, got \(N, ",
        ):
            Trainer(RECIPES[name], np.zeros((200, *shape), np.uint8))


def test_shape_is_checked_before_clustering(monkeypatch):
    monkeypatch.setattr(
        "gan.training.trainable.cluster_ids", lambda *args: pytest.fail("find_clusters was called")
    )
    with pytest.raises(RunError, match="images: expected shape"):
        Trainer(RECIPES["conv-clusters"], np.zeros((200, 28, 28, 3), np.uint8))


def arrangements(images):
    """The same images in different memory layouts."""
    read_only = images.copy()
    read_only.flags.writeable = False
    return {
        "Fortran's order": np.asfortranarray(images),
        "backwards": images[::-1, ::-1].copy()[::-1, ::-1],
        "with gaps": np.repeat(np.repeat(images, 2, axis=0), 3, axis=2)[::2, :, ::3],
        "read only": read_only,
        "a subclass": images.view(type("Subclass", (np.ndarray,), {})),
    }


@pytest.mark.parametrize("how", arrangements(np.zeros((1, 1, 1), np.uint8)))
@pytest.mark.parametrize("name", ["conv-r1r2", "mlp-dropout"])
def test_memory_layout_of_the_images_does_not_matter(how, name):
    images = digits().reshape(-1, 28, 28)
    same = arrangements(images)[how]
    assert np.array_equal(same, images)
    plain, other = (
        Trainer(replace(RECIPES[name], batch_size=8), given) for given in (images, same)
    )
    for t in (plain, other):
        t.step()
    assert weights(other) == weights(plain)


def test_later_changes_to_the_images_have_no_effect():
    images = digits()
    plain, other = Trainer(TINY, images.copy()), Trainer(TINY, images)
    images[:] = 0
    for t in (plain, other):
        t.fit(steps=7)
    assert weights(other) == weights(plain)
