"""Memory layout of images: layers pass them as (N, C, H, W), primitives take (N, H, W, C)."""

from nn.ops.base import Array


def channels_last(x: Array) -> Array:
    """(N, C, H, W) as (N, H, W, C), a view."""
    return x.transpose(0, 2, 3, 1)


def channels_first(x: Array) -> Array:
    """(N, H, W, C) as (N, C, H, W), a view."""
    return x.transpose(0, 3, 1, 2)
