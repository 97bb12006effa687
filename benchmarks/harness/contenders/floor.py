"""The floor under a training step: its matrix products alone, on the very buffers and in the very order of the step.

No step that multiplies these matrices in this way can be faster, so step time over floor says what everything else
costs: elementwise passes, the optimizers, random numbers and Python itself.
"""

import math
from functools import partial
from unittest.mock import patch

import numpy as np

from nn.ops.numpy.conv import NumpyConv


def record_products(step, ops):
    """Run step() once; return the (a, b, out) of each matrix product of this backend in it, in order.

    A row times a matrix is left out: it is how the backend sums the rows of the matrix, no product of the step. So is a
    column times a row, which the backend does not leave to BLAS. Convolutions are as NumPy's backend multiplies them: compiled
    ones do so where nobody can watch.
    An `out` in working memory that an earlier product reads from is replaced by memory of its own, else each replay would
    start from the last one's results, and numbers that grow or vanish from one to the next take another time to multiply.
    """
    products, product = [], ops.product

    def recorder(a, b, *, out, **options):
        if 1 not in (a.shape[-2], b.shape[-2]):
            products.append((a, b, out))
        return product(a, b, out=out, **options)

    watched = {name: partial(getattr(NumpyConv, name), ops) for name in ("conv", "conv_weight_grad", "conv_transpose")}
    with patch.multiple(ops, product=recorder, **watched):
        step()
    for i, (a, b, out) in enumerate(products):
        if any(np.may_share_memory(out, x) for earlier in products[: i + 1] for x in earlier[:2]):
            products[i] = a, b, np.empty_like(out)
    return products


def replay(products, ops):
    """Compute each product again, into where it went."""
    for a, b, out in products:
        ops.product(a, b, out=out)


def gflop(products):
    """Billions of multiplications and additions in the products."""
    return sum(2 * math.prod(out.shape) * a.shape[-1] for a, _, out in products) / 1e9
