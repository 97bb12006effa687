"""Cases of matrix products."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.primitives.case import Arrays, Case, case

SHAPES = ((5, 7, 3), (64, 100, 32), (40, 300, 260), (9, 1, 4), (9, 4, 1))  # (m, k, n)


def cases(make: Arrays) -> Iterator[Case]:
    normal, unset = make.normal, make.unset
    for add, name, out in ((False, "write", unset), (True, "add", normal)):
        for id_, (m, k, n), transposed in (
            (name, (5, 7, 3), {}),
            (name + " aT", (5, 7, 3), {"trans_a": True}),
            (name + " bT", (5, 7, 3), {"trans_b": True}),
            (name + " column", (9, 4, 1), {}),
            (name + " outer", (9, 1, 4), {}),
            (name + " inner", (1, 300, 1), {}),
        ):
            a = normal(k, m) if "trans_a" in transposed else normal(m, k)
            b = normal(n, k) if "trans_b" in transposed else normal(k, n)
            yield case("gemm", id_, a=a, b=b, out=out(m, n), **transposed, add=add)

    for m, k, n in SHAPES:
        id_ = f"{m}x{k}x{n}"
        yield case("affine", id_, x=normal(m, k), W=normal(k, n), b=normal(n), out=unset(m, n))
        for trans_a, trans_b in ((False, False), (True, False), (False, True)):
            a = normal(k, m) if trans_a else normal(m, k)
            b = normal(n, k) if trans_b else normal(k, n)
            transposed = {"trans_a": trans_a, "trans_b": trans_b}
            yield case("gemm", id_, a=a, b=b, out=normal(m, n), **transposed, add=trans_a)

    for trans_a, trans_b in ((False, False), (True, False), (False, True)):
        a = normal(3, 6, 5) if trans_a else normal(3, 5, 6)
        b = normal(3, 4, 6) if trans_b else normal(3, 6, 4)
        transposed = {"trans_a": trans_a, "trans_b": trans_b}
        yield case(
            "batched_gemm", f"{trans_a} {trans_b}", a=a, b=b, out=unset(3, 5, 4), **transposed
        )
