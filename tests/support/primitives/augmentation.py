"""Cases of random shifts and cut-outs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.support.primitives.case import IMAGES, Arrays, Case, case


def cases(make: Arrays) -> Iterator[Case]:
    normal, unset = make.normal, make.unset
    last = np.nextafter(np.ones(2), 0, dtype=make.dtype)  # the largest draw
    for shape, reach in (((5, 4, 6, 3), 2), ((40, 7, 5, 1), 3), ((3, 29, 31, 1), 14)):
        x, draws = normal(*shape), make.rng.random((shape[0], 2)).astype(make.dtype)
        draws[0], draws[1], draws[2] = 0, last, (0, last[0])
        size = f"{shape[1]}x{shape[2]}"
        for back in (False, True):
            given = {"x": x, "draws": draws, "reach": reach, "fill": -1.0, "back": back}
            yield case("shift_images", f"{size} {reach} {back}", **given, out=unset(*shape))
        for side in (reach, reach + 1):
            given = {"x": x, "draws": draws, "size": side, "fill": 0.5}
            yield case("cut_out", f"{size} {side}", **given, out=unset(*shape))
    given = {"x": x[:3], "draws": draws[:3], "size": 9, "fill": 0.0}
    yield case("cut_out", IMAGES, **given, out=unset(*x[:3].shape))
