"""How much memory a pass through a network takes, told before any is taken: of a network that a stranger described, it may be
far more than its file's size. A layer without parameters makes a million pixels of one, or frames an image with them."""

import math

from nn.layers.conv import Conv2d, ConvTranspose2d
from nn.layers.pooling import AvgPool2d
from nn.layers.spectral_norm import SpectralNorm


def pass_size(network, shape):
    """About how many numbers a pass works with for one sample of that shape: it, what each layer makes, and what of.

    Errors: `ShapeError` where a layer cannot take what comes.
    """
    size = math.prod(shape)
    for _, leaf in network.leaves():
        before, shape = shape, leaf.output_shape(shape)
        size += math.prod(shape) + _inside(leaf.layer if isinstance(leaf, SpectralNorm) else leaf, before, shape)
    return size


def _inside(leaf, before, after):
    """The numbers between x and y, of the layers that have any; before, after: the shapes (C, H, W) of x and y."""
    if isinstance(leaf, Conv2d):  # the image in its frame, and a row of the kernel's size for each pixel of y
        frame = [n + 2 * p for n, p in zip(before[1:], leaf._padding)]
        return before[0] * math.prod(frame) + math.prod(after[1:]) * math.prod(leaf._kernel) * before[0]
    if isinstance(leaf, ConvTranspose2d):  # what comes before the frame is cut off, the kernel for each pixel of x, and phases
        frame = [n + 2 * p for n, p in zip(after[1:], leaf._padding)]
        return after[0] * math.prod(frame) + math.prod(before[1:]) * math.prod(leaf._kernel) * after[0] + math.prod(leaf._stride)
    if isinstance(leaf, AvgPool2d):  # no memory, but a pass over y for each tap
        return math.prod(after) * math.prod(leaf._kernel)
    return 0
