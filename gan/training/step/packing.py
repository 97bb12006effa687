"""Packing: D scores several images at once, stacked as channels, and so sees how they vary.

Source: Lin et al. 2018 (PacGAN).
"""

from __future__ import annotations

from nn.ops.base import Array


def packed_shape(image_shape: tuple[int, ...], pack: int) -> tuple[int, ...]:
    """The shape of `pack` images as one: (C, H, W) -> (pack * C, H, W)."""
    return (pack * image_shape[0], *image_shape[1:])


def pack_images(images: Array, pack: int) -> Array:
    """A view of consecutive images as one: (N, C, H, W) -> (N / pack, pack * C, H, W)."""
    return images.reshape(len(images) // pack, *packed_shape(images.shape[1:], pack))
