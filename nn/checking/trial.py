"""Passes through one layer, in every variant that the layer protocol allows."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from nn.cache import Cache
from nn.checking.passes import LayerPass, copied, own_gradients, random_like
from nn.errors import ShapeError

CLOSE = 1e-10  # largest difference of two computations of a number, relative to it
NOISE = 1e-13  # the same, relative to the largest number

Gradients = tuple[np.ndarray | None, list[np.ndarray]]  # dx, and those of the parameters


class Trial:
    """A layer with two inputs, a gradient for its output, and the results of a reference pass.

    Parameters
    ----------
    record : LayerPass
        What the layer received in a pass through the network.
    rng : numpy.random.Generator

    Raises
    ------
    ShapeError
        If the reference pass gives no usable dx, or results that are not finite.
    """

    def __init__(self, record: LayerPass, rng: np.random.Generator) -> None:
        self.layer, self.train, self.rng = record.layer, record.train, rng
        self.x, self.x_before = record.x, record.x.copy()
        self.stream_state = self.other_stream_state = record.stream_state
        cache = self.cache()
        self.y = copied(self.forward(cache))
        self.other_stream_state = self.layer.stream.state  # gives other random numbers
        self.dy = random_like(self.y, rng)
        zeros = [np.zeros_like(grad) for grad in own_gradients(self.layer)]
        self.dx, self.gradients = self.backward(cache, before=zeros)
        np.copyto(self.x, self.x_before)
        got = None if self.dx is None else self.dx.shape
        if self.dx is None or got != self.x.shape:
            raise ShapeError(f"expected dx of x's shape {self.x.shape}, got {got}")
        if not all(np.isfinite(array).all() for array in (self.y, self.dx, *self.gradients)):
            raise ShapeError("expected a finite y, dx and gradients, got infinity or NaN")
        self.other_x = np.copy(self.x)
        self._fill_other_x()

    def _fill_other_x(self) -> None:
        """x's values permuted and scaled; with random signs too, if y then stays finite."""
        shape = self.x.shape
        values = self.x if self.x.any() else np.ones_like(self.x)
        values = self.rng.permutation(values.reshape(-1)).reshape(shape)
        values = values * self.rng.uniform(0.5, 1.5, shape)
        for signs in (self.rng.choice([-1, 1], shape), 1):
            self.other_x[...] = signs * values
            if np.isfinite(self.forward(self.cache(), other=True)).all():
                return

    def cache(self, *, double_backward: bool = False) -> Cache:
        """A new cache with which running statistics must not change.

        In evaluation the cache tracks statistics, because evaluation must not change them anyway.
        """
        return self.layer.cache(tracks_statistics=not self.train, double_backward=double_backward)

    def forward(self, cache: Cache, *, other: bool = False) -> np.ndarray:
        """y of x, or of `other_x` with other random numbers."""
        self.layer.stream.state = self.other_stream_state if other else self.stream_state
        x = self.other_x if other else self.x
        return cast(np.ndarray, self.layer.forward(x, cache, train=self.train))

    def backward(
        self, cache: Cache, before: Sequence[np.ndarray] | None = None, **options: Any
    ) -> Gradients:
        """Copies of dx and of the parameter gradients.

        Parameters
        ----------
        cache : Cache
        before : sequence of numpy.ndarray, optional
            What the parameter gradients hold before the pass; NaN by default.
        **options
            `grads` and `need_dx`; those left out have the layer's own defaults.
        """
        gradients = own_gradients(self.layer)
        for i, array in enumerate(gradients):
            array[...] = np.nan if before is None else before[i]
        dx = self.layer.backward(np.copy(self.dy), cache, **options)
        return None if dx is None else copied(dx), [array.copy() for array in gradients]

    def forward_and_backward(
        self, before: Sequence[np.ndarray] | None = None, **options: Any
    ) -> Gradients:
        """`backward` after a forward pass through a new cache."""
        cache = self.cache()
        self.forward(cache)
        return self.backward(cache, before, **options)

    def held(self) -> list[np.ndarray]:
        """What the parameter gradients hold before a pass that does not replace it."""
        return random_held(self.gradients, self.rng)

    def added_to(self, held: Sequence[np.ndarray]) -> list[np.ndarray]:
        """held + the gradients of the reference pass."""
        return [a + b for a, b in zip(held, self.gradients)]

    def is_reference(self, result: Gradients) -> bool:
        """Whether a backward pass gave the results of the reference pass."""
        return same_gradients(result, (self.dx, self.gradients))

    def x_is_unchanged(self) -> bool:
        return self.x.tobytes() == self.x_before.tobytes()


def random_held(gradients: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Random numbers for the parameter gradients to hold before a pass that gives such gradients.

    They are as large as each gradient, so that a pass that overwrites them differs from one that
    adds to them or leaves them. Beside a gradient that is 0, or rounding next to the largest, they
    are as large as the largest; if all are 0, of size 1.
    """
    sizes = [float(np.max(np.abs(grad), initial=0)) for grad in gradients]
    largest = max(sizes, default=0) or 1.0
    return [
        rng.standard_normal(grad.shape) * (size if size > CLOSE * largest else largest)
        for grad, size in zip(gradients, sizes)
    ]


def same_gradients(got: Gradients, expected: Gradients) -> bool:
    """Whether two backward passes gave the same, up to rounding."""
    (dx, gradients), (expected_dx, expected_gradients) = got, expected
    if dx is None or expected_dx is None:
        return dx is expected_dx and same_arrays(gradients, expected_gradients)
    return same_arrays([dx, *gradients], [expected_dx, *expected_gradients])


def same_arrays(got: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> bool:
    """Whether all of these are equal, up to rounding."""
    floor = NOISE * max((np.max(np.abs(array), initial=0) for array in expected), default=0)
    return all(
        bool((np.abs(a - b) <= CLOSE * np.abs(b) + floor).all())
        for a, b in zip(got, expected, strict=True)
    )
