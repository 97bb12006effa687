"""Derivatives of array-valued functions by finite differences, each with a bound on its error."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

STEPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)  # tried in this order until the error is small enough
A = 0.37  # inner step / outer step; no simple fraction, so the two do not share rounding errors
GOOD_ENOUGH = 1e-8  # relative error of the slopes at which no smaller step is tried
# A relative error above this comes neither from rounding nor from curvature: the function has a
# kink or a jump within the smallest step.
KINK = 1e-6
ROUNDING = 8 * np.finfo(np.float64).eps  # of one evaluation, relative to its result
UNDERFLOW = np.finfo(np.float64).tiny / np.finfo(np.float64).eps  # smaller numbers lose digits


@dataclass(frozen=True)
class Slope:
    """df/dt, element by element.

    Attributes
    ----------
    value : numpy.ndarray
        The estimate; 0 where f is not smooth.
    error : numpy.ndarray
        A bound on the distance to the true derivative; 0 where f is not smooth.
    smooth : numpy.ndarray of bool
        Where the derivative exists.
    """

    value: np.ndarray
    error: np.ndarray
    smooth: np.ndarray


def slope(
    f: Callable[[], np.ndarray], array: np.ndarray, direction: np.ndarray, terms: float = 0.0
) -> Slope:
    """df/dt at t = 0, where f() is evaluated with array + t direction in `array`.

    The values of f(t) at 0, +-ah and +-h give an estimate whose error is of order h^4, and two
    quantities that vanish with h where f is smooth:

        D(h) = (f(h) - f(-h)) / 2h          df/dt = (D(ah) - a^2 D(h)) / (1 - a^2) + O(h^4)
        T    = D(h) - D(ah)                 is of order h^2
        S(h) = f(h) - 2 f(0) + f(-h)
        K    = (S(ah) / a^2 - S(h)) / h     is of order h^3

    A kink, f = c max(t - t1, 0) with t1 in [0, ah], gives T = 0.85 c t1/h and
    K = c (1.7 - 6.3 t1/h). These are never both small, and |T| + |K| exceeds the kink's effect on
    the estimate. Rounding affects T and K as it affects D. So 2 (|T| + |K|) + (rounding of f) / h
    bounds the error. Each element keeps the step with the smallest bound.

    The bound can fail in one case: where rounding inside f makes it a staircase, a step smaller
    than its stairs sees a flat function with T = K = 0. Then the error intervals of two steps do
    not overlap, and the error is the distance between their estimates.

    Parameters
    ----------
    f : callable
        Returns a new array each time.
    array, direction : numpy.ndarray, float64, of one shape
        `array` has its old values again afterwards.
    terms : float
        The magnitude of the terms that f adds up, if it may exceed that of f.
    """
    here = array.copy()

    def at(t: float) -> np.ndarray:
        array[...] = here + t * direction
        return f()

    with np.errstate(all="ignore"):  # a step may leave the domain of f; NaN is never smooth
        middle = at(0.0)
        rounding = ROUNDING * (np.abs(middle) + rms(middle) + terms) + UNDERFLOW
        value, noise, contradiction = np.zeros((3, *middle.shape))
        error = np.full(middle.shape, np.inf)
        for h in STEPS:
            outer, inner = (at(h), at(-h)), (at(A * h), at(-A * h))
            D, D_inner = (outer[0] - outer[1]) / (2 * h), (inner[0] - inner[1]) / (2 * A * h)
            S, S_inner = outer[0] - 2 * middle + outer[1], inner[0] - 2 * middle + inner[1]
            T, K = D - D_inner, (S_inner / A**2 - S) / h
            estimate = (D_inner - A**2 * D) / (1 - A**2)
            bound = 2 * (np.abs(T) + np.abs(K)) + rounding / h
            distance = np.abs(estimate - value)
            disjoint = distance > error + bound
            np.maximum(contradiction, distance, out=contradiction, where=disjoint)
            better = (bound < error) & (distance <= error + bound)
            np.copyto(value, estimate, where=better)
            np.copyto(noise, rounding / h, where=better)
            np.copyto(error, bound, where=better)
            magnitude = np.abs(value) + rms(value)
            is_flat = (bound == rounding / h).all()  # T = K = 0, also for any smaller step
            if (error <= GOOD_ENOUGH * magnitude).all() or is_flat:
                break
    array[...] = here
    error = np.maximum(error, contradiction)
    smooth = error <= KINK * magnitude + 100 * noise
    return Slope(np.where(smooth, value, 0), np.where(smooth, error, 0), smooth)


def rms(array: np.ndarray) -> float:
    """The root mean square of the elements; 0 for an empty array."""
    return float(np.sqrt(np.mean(np.square(array)))) if array.size else 0.0
