"""The floor of a training step: its matrix products alone, in their order and on their buffers.

No step with these products can be faster. The ratio of step to floor shows what all else costs:
elementwise passes, optimizers, random numbers and Python itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np

from nn.ops.numpy.conv import NumpyConv

Product = tuple[np.ndarray, np.ndarray, np.ndarray]  # a, b, out


def record_products(step: Callable[[], object], ops: Any) -> list[Product]:
    """Run ``step()`` and return the (a, b, out) of each matrix product of this backend, in order.

    Two kinds of product are left out. A row times a matrix is how the backend sums the rows of the
    matrix. A column times a row is not computed by BLAS. Convolutions run as on the NumPy backend,
    since the products inside compiled ones cannot be recorded.

    An `out` in working memory that an earlier product reads from is replaced by new memory.
    Otherwise each replay would start from the results of the last one, and numbers that grow or
    vanish from replay to replay take a different time to multiply.
    """
    products: list[Product] = []
    product = ops.product

    def recorder(a: np.ndarray, b: np.ndarray, *, out: np.ndarray, **options: Any) -> np.ndarray:
        if 1 not in (a.shape[-2], b.shape[-2]):
            products.append((a, b, out))
        return product(a, b, out=out, **options)

    recorded: dict[str, Any] = {"product": recorder}
    for name in ("conv", "conv_weight_grad", "conv_transpose"):
        recorded[name] = partial(getattr(NumpyConv, name), ops)
    with patch.multiple(ops, **recorded):
        step()
    for i, (a, b, out) in enumerate(products):
        earlier = [x for factors in products[: i + 1] for x in factors[:2]]
        if any(np.may_share_memory(out, x) for x in earlier):
            products[i] = a, b, np.empty_like(out)
    return products


def replay(products: list[Product], ops: Any) -> None:
    """Compute each product again, into its own `out`."""
    for a, b, out in products:
        ops.product(a, b, out=out)


def plain(ops: Any) -> Any:
    """A backend of the same kind that gives BLAS each factor as it is, where ours may be faster."""
    made = type(ops)()
    made.transposes = False
    return made


def gflop(products: list[Product]) -> float:
    """Billions of multiplications and additions in the products."""
    return sum(2 * math.prod(out.shape) * a.shape[-1] for a, _, out in products) / 1e9
