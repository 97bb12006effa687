"""Comparison of a hand-written pullback with finite differences.

A function f of several arrays has a derivative J with respect to each. Its pullback claims to
compute J^T dy for any dy. For a direction d of one array, finite differences measure J d, and

    <dy, J d> = <J^T dy, d>

must hold for every dy. J d is undefined for an output that has a kink within the smallest step
(ReLU at 0, two equal values in a window of max pooling); the finite differences detect it. Such an
output gets dy = 0 and is compared again at a point nearby.

Source: one random direction, as in chainer's `gradient_check`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nn.checking.finite_differences import Slope, rms, slope

Arrays = dict[str, np.ndarray]

TRIALS = 3  # directions that must all disagree: a single one may do so through rounding
NEARBY = 0.01  # distance of another point, relative to x
DECISIVE = 1e-6  # a comparison whose own error bound exceeds this is inconclusive


@dataclass(frozen=True)
class Function:
    """A function of named arrays, and its pullback.

    Attributes
    ----------
    arrays : dict of str to numpy.ndarray
        What f depends on, modified in place; "x" is the one that is moved away from kinks.
    f : callable
        f() returns a new array.
    pullback : callable
        pullback(dy) returns J^T dy for each array, by name.
    terms : float
        The magnitude of the terms that f adds up, if it may exceed that of f.
    """

    arrays: Arrays
    f: Callable[[], np.ndarray]
    pullback: Callable[[np.ndarray], Arrays]
    terms: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """The derivative of <dy, f> along a random direction of one array, computed in both ways.

    Attributes
    ----------
    by_hand, numeric : float
    error : float
        Their difference, relative to the magnitudes of the terms that `numeric` adds up.
    allowed : float
        The tolerance plus the error bound of the finite difference.
    conclusive : bool
        False if all outputs are too flat to be told from rounding, or at kinks, here and nearby.
    """

    by_hand: float
    numeric: float
    error: float
    allowed: float
    conclusive: bool

    @property
    def wrong(self) -> bool:
        """Whether the error exceeds what is allowed, or is NaN."""
        return not self.error <= self.allowed

    def outranks(self, other: "Comparison") -> bool:
        """Whether to prefer this one: a wrong comparison, then a conclusive one."""
        return (self.wrong, self.conclusive) > (other.wrong, other.conclusive)


def check_pullback(
    function: Function,
    cotangents: Sequence[np.ndarray],
    rng: np.random.Generator,
    tolerance: float,
    *,
    nearby: bool = True,
) -> tuple[dict[str, Comparison], int]:
    """Compare a pullback with finite differences, for each array of the function.

    Parameters
    ----------
    function : Function
    cotangents : sequence of numpy.ndarray
        The dy to try, each of f's shape.
    rng : numpy.random.Generator
    tolerance : float
        The relative error that is allowed beyond that of the finite differences.
    nearby : bool
        Whether f may also be evaluated at points other than x.

    Returns
    -------
    comparisons : dict of str to Comparison
        By array; a wrong one if there is any.
    kinks : int
        The number of outputs that have a kink at x.
    """
    x = function.arrays["x"]
    here = x.copy()
    comparisons: dict[str, Comparison] = {}
    kinks = 0
    # the arrays that still need a comparison, and which outputs have had a slope along them so far
    pending = {name: np.zeros((), bool) for name in function.arrays}
    points: Iterable[np.ndarray] = _points(function, cotangents[0], rng) if nearby else [here]
    for n, point in enumerate(points):
        x[...] = point
        for name, covered in list(pending.items()):
            new, smooth = _compare(function, name, cotangents, rng, tolerance)
            if n == 0:
                kinks = max(kinks, int(np.sum(~smooth)))
            old = comparisons.get(name, new)
            best = comparisons[name] = new if new.outranks(old) else old
            pending[name] = covered | smooth
            known = best.conclusive or best.by_hand == best.numeric == 0
            enough = pending[name].all() and (n > 0 or not nearby)
            if best.wrong or (known and enough):
                del pending[name]
        if not pending:
            break
    x[...] = here
    comparisons = {
        name: replace(comparison, conclusive=name not in pending)
        for name, comparison in comparisons.items()
    }
    return comparisons, kinks


def _points(
    function: Function, cotangent: np.ndarray, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """x, then in turn points of size 1, where little is saturated, and points near x.

    The first of each kind lie in the direction J^T 1. There, of equal values in a window of max
    pooling, the one that the pullback chose is the largest.
    """
    x = function.arrays["x"].copy()
    yield x
    size, uphill = rms(x) or 1.0, function.pullback(np.ones_like(cotangent))["x"].copy()
    with np.errstate(all="ignore"):
        uphill = uphill / rms(uphill)
    for step in (uphill if np.isfinite(uphill).all() else 0.0, 0.0, 0.0):
        move = NEARBY * (step + 0.1 * rng.standard_normal(x.shape))
        yield x / size + move
        yield x + size * move


def _compare(
    function: Function,
    name: str,
    cotangents: Sequence[np.ndarray],
    rng: np.random.Generator,
    tolerance: float,
) -> tuple[Comparison, np.ndarray]:
    """Compare along new directions; also return which outputs have a slope."""
    array = function.arrays[name]
    for _ in range(TRIALS):
        direction = (rms(array) or 1.0) * random_signs(array.shape, rng)
        Jd = slope(function.f, array, direction, function.terms)
        comparisons = [
            _compare_along(function, name, direction, Jd, dy, tolerance) for dy in cotangents
        ]
        worst = next((result for result in comparisons if result.wrong), comparisons[0])
        if not worst.wrong:
            break
    conclusive = any(comparison.conclusive for comparison in comparisons)
    return replace(worst, conclusive=conclusive), Jd.smooth


def _compare_along(
    function: Function,
    name: str,
    direction: np.ndarray,
    Jd: Slope,
    dy: np.ndarray,
    tolerance: float,
) -> Comparison:
    """Compare <J^T dy, d> with <dy, J d> for one dy, set to 0 at kinks."""
    dy = np.copy(dy)
    dy[~Jd.smooth] = 0
    with np.errstate(all="ignore"):  # an overflow is an infinite error
        by_hand = float(np.sum(function.pullback(dy)[name] * direction))
        terms = dy * Jd.value
        numeric = float(np.sum(terms))
        size = max(float(np.sum(np.abs(terms))), abs(by_hand))
        bound = float(np.sum(np.abs(dy) * Jd.error)) / (size or 1.0)
        error = abs(by_hand - numeric) / (size or 1.0)
    conclusive = size > 0 and bound <= DECISIVE
    return Comparison(by_hand, numeric, error, tolerance + bound, conclusive)


def random_signs(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Random numbers of magnitude 0.5 to 1.5: a product with one never vanishes."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)
