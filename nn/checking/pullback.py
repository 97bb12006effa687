"""Is a pullback right? <dy, J d>, measured by finite differences, against <J^T dy, d>, worked out by hand.

A function f of several arrays has a derivative J with respect to each; its pullback claims to give J^T dy for any dy. For a
direction d of one array, finite differences give J d as an array of f's shape, whatever the pullback says, and then

    <dy, J d> = <J^T dy, d>

must hold for every dy. Where an output has a kink within the smallest step (ReLU at 0, two equal values in a window of max
pooling), J d is not defined, and the differences show it. Such outputs get a dy of 0, and are looked at again at a point nearby.
Source: the idea of one random direction is chainer's `gradient_check`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nn.checking.finite_differences import rms, slope

TRIALS = 3  # directions that must all disagree before a pullback is called wrong: one may meet rounding by chance
NEARBY = 0.01  # how far another point is moved, relative to x
DECISIVE = 1e-6  # a comparison that is off by more than this, for reasons of its own, settles nothing


@dataclass(frozen=True)
class Function:
    """f() of arrays that are moved in place, and pullback(dy), a dict of J^T dy for each of them.

    arrays["x"] is the one that is moved away from kinks. f returns a new array. terms: the size of what f is the sum of, where
    that may be larger than f.
    """

    arrays: dict
    f: Callable
    pullback: Callable
    terms: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """The derivative of <dy, f> along one random direction of one array."""

    by_hand: float
    numeric: float
    error: float  # their difference, relative to the magnitudes of all that numeric is the sum of
    allowed: float  # the tolerance, and what the finite difference may be off by
    settled: bool  # False: too flat to be told from rounding, or at kinks, here and nearby

    @property
    def wrong(self):
        return not self.error <= self.allowed


def check_pullback(function, cotangents, rng, tolerance, elsewhere=True):
    """{array's name: its `Comparison`}, the worst where one is wrong; and the number of outputs that have a kink at x.

    elsewhere: whether f may be looked at where x is another, too.
    """
    x, results, kinks = function.arrays["x"], {}, 0
    here = x.copy()
    seen = dict.fromkeys(function.arrays, False)  # which outputs had a slope, at whatever point
    points = _points(function, cotangents[0], rng) if elsewhere else [here]
    for n, point in enumerate(points):
        x[...] = point
        for name, outputs in list(seen.items()):
            result, smooth = _compare(function, name, cotangents, rng, tolerance)
            if n == 0:
                kinks = max(kinks, int(np.sum(~smooth)))
            before = results.get(name, result)
            result = results[name] = result if (result.wrong, result.settled) > (before.wrong, before.settled) else before
            seen[name] = outputs | smooth
            known = result.settled or result.by_hand == result.numeric == 0
            if result.wrong or known and seen[name].all() and (n > 0 or not elsewhere):
                del seen[name]
        if not seen:
            break
    x[...] = here
    return {name: replace(result, settled=name not in seen) for name, result in results.items()}, kinks


def _points(function, cotangent, rng):
    """x; then points of size 1, where little is saturated, and points nearby: away from kinks, both.

    The first of each are moved to where J^T 1 points: the largest of equal values in a window of max pooling becomes the one that
    the pullback took for it.
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


def _compare(function, name, cotangents, rng, tolerance):
    """The `Comparison` along a new direction, a wrong one if any dy gives one; and the outputs that have a slope."""
    array = function.arrays[name]
    for _ in range(TRIALS):
        direction = (rms(array) or 1.0) * random_signs(array.shape, rng)
        Jd = slope(function.f, array, direction, function.terms)
        results = []
        for dy in cotangents:
            dy = np.copy(dy)
            dy[~Jd.smooth] = 0
            with np.errstate(all="ignore"):  # an overflow is an infinite error
                by_hand, terms = float(np.sum(function.pullback(dy)[name] * direction)), dy * Jd.value
                numeric = float(np.sum(terms))
                size = max(float(np.sum(np.abs(terms))), abs(by_hand))
                off = float(np.sum(np.abs(dy) * Jd.error)) / (size or 1.0)
                error, settled = abs(by_hand - numeric) / (size or 1.0), size > 0 and off <= DECISIVE
                results.append(Comparison(by_hand, numeric, error, tolerance + off, settled))
        worst = next((result for result in results if result.wrong), results[0])
        if not worst.wrong:
            break
    return replace(worst, settled=any(result.settled for result in results)), Jd.smooth


def random_signs(shape, rng):
    """Random numbers of either sign, none near 0: what they are multiplied by never drops out."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)
