"""Which training images fit a generator: those of its image shape, not of its number of pixels."""

from __future__ import annotations

import math

from gan.errors import RunError

ImageShape = tuple[int, int, int]  # (C, H, W)
COLOURS = 3
POINTS = (1, 1, 2)  # a point of a plane is an image of two pixels, x and y; no picture is as small


def check_image_shape(shape: tuple[int, ...], generated: tuple[int, ...]) -> None:
    """Raise `RunError` unless the training images fit the generator.

    Images of one channel may be (1, H, W), (H, W, 1), (H, W) or flat, (H * W,): the order of their
    pixels is the same. Images of more channels must have exactly the generated shape, (C, H, W). A
    generator of flat images fits any image of one channel with its number of pixels, and colour
    images with channels first.

    Parameters
    ----------
    shape : of one training image
    generated : of one generated image
    """
    if fits(shape, generated):
        return
    if len(shape) == 3 and fits((shape[2], *shape[:2]), generated):
        remedy = "move the channels first: images.transpose(0, 3, 1, 2)"
    else:
        remedy = "reshape the images, or pass a generator and a discriminator for their shape"
    raise RunError(
        f"images: expected shape {batch_shape(generated)}, as the generator makes them, "
        f"got {batch_shape(shape)}; {remedy}"
    )


def fits(shape: tuple[int, ...], generated: tuple[int, ...]) -> bool:
    """Whether images of these shapes hold the same pixels in the same order."""
    shape, generated = without_channel(shape), without_channel(generated)
    if shape == generated:
        return True
    if math.prod(shape) != math.prod(generated):
        return False
    if len(generated) == 1:
        return len(shape) == 2 or len(shape) == 3 and shape[0] == COLOURS
    return len(generated) == 2 and len(shape) == 1


def without_channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without the axis of a single channel: (1, H, W) or (H, W, 1) -> (H, W)."""
    if len(shape) == 3 and shape[0] == 1:
        return shape[1:]
    return shape[:2] if len(shape) == 3 and shape[2] == 1 else shape


def batch_shape(shape: tuple[int, ...]) -> str:
    """The shape of N images, for a message."""
    return f"(N, {', '.join(map(str, shape))})"


def in_words(image_shape: ImageShape) -> str:
    """An image shape (C, H, W) for a message: 32 x 32 in grey."""
    if image_shape == POINTS:
        return "two coordinates"
    channels, height, width = image_shape
    return f"{width} x {height} in {'colour' if channels == COLOURS else 'grey'}"
