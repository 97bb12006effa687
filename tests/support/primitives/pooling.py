"""Cases of pooling and upsampling."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.support.primitives.case import Arrays, Case, case

# (N, H, W, C), kernel, stride, padding: windows that overlap, leave gaps, reach into the padding
GEOMETRIES = (
    ((2, 6, 4, 3), (2, 2), (2, 2), (0, 0)),
    ((2, 7, 8, 5), (3, 4), (2, 1), (1, 2)),
    ((3, 7, 5, 1), (1, 2), (3, 2), (0, 1)),
)


def cases(make: Arrays) -> Iterator[Case]:
    normal, unset = make.normal, make.unset
    for x_shape, (kh, kw), (sh, sw), (ph, pw) in GEOMETRIES:
        N, H, W, C = x_shape
        y_shape = N, (H + 2 * ph - kh) // sh + 1, (W + 2 * pw - kw) // sw + 1, C
        id_, geometry = f"{kh}x{kw}", {"kernel": (kh, kw), "stride": (sh, sw), "padding": (ph, pw)}
        x, dy = np.round(normal(*x_shape)), normal(*y_shape)  # rounded: many values are equal
        odd = make.rng.choice([-np.inf, -np.inf, np.inf, np.nan, 1.0], x_shape).astype(make.dtype)
        for suffix, pixels in (("", x), (" edges", odd)):
            results = {"out": unset(*y_shape), "winner": np.full(y_shape, 255, np.uint8)}
            yield case("max_pool", id_ + suffix, x=pixels, **geometry, **results)
        winner = make.rng.integers(0, kh * kw, y_shape).astype(np.uint8)
        for suffix, slopes in (("", dy), (" infinite", np.full(y_shape, np.inf, make.dtype))):
            given = {"dy": slopes, "winner": winner, **geometry, "out": unset(*x_shape)}
            yield case("max_pool_backward", id_ + suffix, **given)
        yield case("avg_pool", id_, x=x, **geometry, out=unset(*y_shape))
        yield case("avg_pool", id_ + " edges", x=np.abs(odd), **geometry, out=unset(*y_shape))
        yield case("avg_pool_backward", id_, dy=dy, **geometry, out=unset(*x_shape))

    for fh, fw in ((2, 2), (1, 3), (1, 1)):
        id_, small, large = f"{fh}x{fw}", (2, 3, 4, 5), (2, 3 * fh, 4 * fw, 5)
        yield case("upsample", id_, x=normal(*small), factor=(fh, fw), out=unset(*large))
        yield case("upsample_backward", id_, dy=normal(*large), factor=(fh, fw), out=unset(*small))
