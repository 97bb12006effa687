"""How fast an array-valued function changes, measured by finite differences that know how far off they may be."""

from dataclasses import dataclass

import numpy as np

STEPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)  # tried in this order until the slope is known well enough
A = 0.37  # of each step, the second one: no simple fraction, so that rounding does not make the two agree by chance
GOOD_ENOUGH = 1e-8  # error of a slope, relative to the slopes around it, at which no smaller step is tried
KINK = 1e-6  # an error above this is not rounding's or curvature's: a kink or a jump lies within the smallest step
ROUNDING = 8 * np.finfo(np.float64).eps  # of one evaluation, relative to its result
UNDERFLOW = np.finfo(np.float64).tiny / np.finfo(np.float64).eps  # numbers below this lose digits


@dataclass(frozen=True)
class Slope:
    """df/dt, element by element; its true value lies within `error` of it, where `smooth` is True."""

    value: np.ndarray  # 0 where it is not smooth
    error: np.ndarray  # there, too
    smooth: np.ndarray


def slope(f, array, direction, terms=0.0):
    """df/dt at t = 0, where f() is evaluated while `array` holds array + t direction.

    With f(t) known at 0, +-ah and +-h, two central differences give an estimate whose error is of order h^4, and two
    quantities that vanish with h where f is smooth:

        D(h) = (f(h) - f(-h)) / 2h                    df/dt = (D(ah) - a^2 D(h)) / (1 - a^2) + O(h^4)
        T    = D(h) - D(ah)                           of order h^2
        S(h) = f(h) - 2 f(0) + f(-h)
        K    = (S(ah) / a^2 - S(h)) / h               of order h^3

    A kink, f = c max(t - t1, 0) with t1 in [0, ah], makes T = 0.85 c t1/h and K = c (1.7 - 6.3 t1/h): it cannot hide from
    both, and |T| + |K| is more than it changes the estimate by. Rounding shows in T and K as it does in D. So
    2 (|T| + |K|) + (rounding of f) / h bounds the error of each element, and for each the step with the smallest bound is
    kept. But where rounding within f makes a staircase of it, a step smaller than the stairs finds it flat, T = K = 0: then two
    steps exclude each other, and the error is what lies between them.

    f returns a new array. terms: the size of what f is the sum of, where that may be larger than f.
    """
    here = array.copy()

    def at(t):
        array[...] = here + t * direction
        return f()

    with np.errstate(all="ignore"):  # a step may leave the domain of f: NaN is never smooth
        middle = at(0.0)
        rounding = ROUNDING * (np.abs(middle) + rms(middle) + terms) + UNDERFLOW
        value, noise, doubt = np.zeros((3, *middle.shape))
        error = np.full(middle.shape, np.inf)
        for h in STEPS:
            far, near = (at(h), at(-h)), (at(A * h), at(-A * h))
            D, D_near = (far[0] - far[1]) / (2 * h), (near[0] - near[1]) / (2 * A * h)
            K = ((near[0] - 2 * middle + near[1]) / A**2 - (far[0] - 2 * middle + far[1])) / h
            estimate, bound = (D_near - A**2 * D) / (1 - A**2), 2 * (np.abs(D - D_near) + np.abs(K)) + rounding / h
            apart = np.abs(estimate - value)
            np.maximum(doubt, apart, out=doubt, where=apart > error + bound)
            better = (bound < error) & (apart <= error + bound)
            np.copyto(value, estimate, where=better)
            np.copyto(noise, rounding / h, where=better)
            np.copyto(error, bound, where=better)
            around = np.abs(value) + rms(value)
            if (error <= GOOD_ENOUGH * around).all() or (bound == rounding / h).all():  # or flat, also for any smaller step
                break
    array[...] = here
    error = np.maximum(error, doubt)
    smooth = error <= KINK * around + 100 * noise
    return Slope(np.where(smooth, value, 0), np.where(smooth, error, 0), smooth)


def rms(array):
    """The root of the mean square of all elements; of none, 0."""
    return float(np.sqrt(np.mean(np.square(array)))) if array.size else 0.0
