"""Which images a generator can learn from: those of its own shape, not merely of as many pixels."""

import math

from nn import RunError

COLOURS = 3


def check_image_shape(shape, made):
    """Raise `RunError` unless images of this shape fit a generator that makes images of the shape `made`.

    Both are shapes of one image. Images of one channel may be (1, H, W), (H, W, 1), (H, W) or flat, (H * W,): the pixels
    come in the same order. Images of more channels must be (C, H, W), exactly as they are made. A generator of flat images
    knows only their number of pixels; it takes any images of one channel, and colour images with their channels first.
    """
    if fits(shape, made):
        return
    if len(shape) == 3 and fits((shape[2], *shape[:2]), made):
        remedy = "move the channels first: images.transpose(0, 3, 1, 2)"
    else:
        remedy = "bring the images to that shape, or pass a generator and a discriminator for theirs"
    raise RunError(f"images: expected shape {of_many(made)}, as the generator makes them, got {of_many(shape)}; {remedy}")


def fits(shape, made):
    shape, made = without_channel(shape), without_channel(made)
    if shape == made:
        return True
    if math.prod(shape) != math.prod(made):
        return False
    if len(made) == 1:
        return len(shape) == 2 or len(shape) == 3 and shape[0] == COLOURS
    return len(made) == 2 and len(shape) == 1


def without_channel(shape):
    """The shape of an image without the axis of its only channel: (1, H, W) or (H, W, 1) -> (H, W)."""
    if len(shape) == 3 and shape[0] == 1:
        return shape[1:]
    return shape[:2] if len(shape) == 3 and shape[2] == 1 else shape


def of_many(shape):
    return f"(N, {', '.join(map(str, shape))})"
