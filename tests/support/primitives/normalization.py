"""Cases of sums over rows and of normalization."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.primitives.case import Arrays, Case, case


def cases(make: Arrays) -> Iterator[Case]:
    normal, positive, unset = make.normal, make.positive, make.unset
    for add, name, out in ((False, "write", unset), (True, "add", normal)):
        for n, c in ((1, 1), (17, 5), (64, 32), (100, 33)):
            yield case("sum_rows", f"{name} {n}x{c}", x=normal(n, c), out=out(c), add=add)

    for n, c in ((2, 1), (17, 5), (64, 32), (100, 33)):
        id_ = f"{n}x{c}"
        rows = {key: unset(c) for key in ("mean", "var", "inv_std")}
        yield case("normalize", id_, x=3 + normal(n, c), eps=1e-5, out=unset(n, c), **rows)
        rows = {key: normal(c) for key in ("W", "dW", "db")} | {"inv_std": positive(c)}
        matrices = {"dy": normal(n, c), "xhat": normal(n, c), "out": unset(n, c)}
        yield case("normalize_backward", id_, **matrices, **rows)
        yield case("sum_product_rows", id_, x=normal(n, c), y=normal(n, c), out=unset(c))

    for name in ("scale_shift", "shift_scale"):
        yield case(name, "", x=normal(9, 5), scale=normal(5), shift=normal(5), out=unset(9, 5))
    yield case("inverse_std", "", var=positive(5), eps=1e-5, out=unset(5))
    for id_, scale in (("", {}), ("scaled", {"scale": 64 / 63})):
        yield case("moving_average_", id_, average=normal(5), value=normal(5), weight=0.1, **scale)

    for n in (1, 5, 700):
        yield case("normalize_vector_", f"{n}", x=normal(n), tiny=1e-12)
    yield case("normalize_vector_", "zero", x=0 * normal(5), tiny=1e-12)
    yield case("normalize_vector_", "tiny", x=1e-10 * normal(5), tiny=1e-3)
