"""Cases of convolutions."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.primitives.case import Arrays, Case, case

# (N, H, W, C), (K, kh, kw), stride, padding: windows that overlap, windows with gaps between them,
# pixels that no window covers
GEOMETRIES = (
    ((2, 6, 5, 3), (4, 3, 3), (1, 1), (0, 0)),
    ((2, 7, 8, 6), (5, 4, 3), (2, 1), (1, 1)),
    ((3, 6, 6, 1), (2, 1, 2), (3, 2), (0, 1)),
    ((1, 5, 5, 7), (1, 5, 5), (2, 2), (2, 2)),
)


def cases(make: Arrays) -> Iterator[Case]:
    normal, unset = make.normal, make.unset
    for x_shape, (K, kh, kw), (sh, sw), (ph, pw) in GEOMETRIES:
        N, H, W_in, C = x_shape
        y_shape = N, (H + 2 * ph - kh) // sh + 1, (W_in + 2 * pw - kw) // sw + 1, K
        id_, geometry = f"{N} {H}x{W_in}x{C} {kh}x{kw}", {"stride": (sh, sw), "padding": (ph, pw)}
        x, W, y = normal(*x_shape), normal(K, kh, kw, C), normal(*y_shape)
        for suffix, b, c in (("", normal(K), normal(C)), (" no b", None, None)):
            yield case("conv", id_ + suffix, x=x, W=W, b=b, **geometry, out=unset(*y_shape))
            yield case(
                "conv_transpose", id_ + suffix, y=y, W=W, b=c, **geometry, out=unset(*x_shape)
            )
        gradient = {"x": x, "dy": y, **geometry}
        yield case("conv_weight_grad", id_, **gradient, out=unset(*W.shape))
        yield case("conv_weight_grad", id_ + " add", **gradient, out=normal(*W.shape), add=True)
