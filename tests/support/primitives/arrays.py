"""Cases of copies and of batches of images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.support.primitives.case import IMAGES, Arrays, Case, case


def cases(make: Arrays) -> Iterator[Case]:
    normal, unset = make.normal, make.unset
    yield case("add_", "row", y=normal(5, 7), x=normal(7))
    yield case("add_", "whole", y=normal(5, 7), x=normal(5, 7))
    yield case("copy_", "same dtype", y=unset(6, 4), x=normal(6, 4))
    yield case("copy_", "other dtype", y=unset(6, 4), x=normal(6, 4).astype("float32"))
    yield case("copy_", IMAGES, y=unset(2, 3, 4, 5), x=normal(2, 3, 4, 5))
    yield case("fill_", "", x=unset(3, 5), value=0.25)

    batch = {
        "bytes_": make.rng.integers(0, 256, (30, 4, 5)).astype(np.uint8),
        "index": np.append(make.rng.permutation(30)[:6], (0, 29)),
    }
    yield case("gather_rows", "flat", **batch, scale=2 / 255, shift=-1.0, out=unset(8, 20))
    yield case("gather_rows", "shaped", **batch, scale=1 / 255, shift=0.0, out=unset(8, 4, 5))

    index = make.array([2, 0, 2, 1.2, 5, -1, 0, np.nan, 4.6, -0.3])
    table = {"index": index, "out": unset(10, 3)}
    yield case("take_rows", "", table=normal(5, 3), **table)
    for add in (False, True):
        out = normal(5, 3) if add else unset(5, 3)
        yield case("sum_rows_at", f"{add}", x=normal(10, 3), index=index, out=out, add=add)
