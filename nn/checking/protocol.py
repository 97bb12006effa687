"""Does a layer keep the promises of the layer protocol? Each rule tries one of them; its docstring states it.

The promises themselves are in `nn.layers.base.Layer`. Whether a gradient is right is not looked at here, only whether it is the same
whichever way it is asked for.
"""

import numpy as np

from nn.checking.passes import has_double_backward, own_gradients, random_like
from nn.errors import ShapeError

CLOSE, NOISE = 1e-10, 1e-13  # how far two computations of one number may be apart: relative to it, and to the largest of all


def broken_promises(visit, rng):
    """-> (a sentence for each promise that a layer does not keep in such a pass, whether its passes can be used at all)."""
    label, mode, broken = visit.layer.label, visit.mode, []
    try:
        trial = Trial(visit, rng)
    except Exception as problem:  # whatever a layer of the user's raises
        return [f"{label}: in {mode}, {_first_line(problem)}"], False
    for rule in RULES:
        try:
            kept, got = rule(trial), "that does not hold"
        except Exception as problem:
            kept, got = False, _first_line(problem)
        np.copyto(visit.x, trial.x_before)
        if not kept:
            broken.append(f"{label}: expected that {rule.__doc__}; in {mode}, {got}")
    return broken, True


def same_arrays(got, wanted):
    """Whether all of these are the same but for rounding."""
    floor = NOISE * max((np.max(np.abs(array), initial=0) for array in wanted), default=0)
    return all((np.abs(a - b) <= CLOSE * np.abs(b) + floor).all() for a, b in zip(got, wanted, strict=True))


class Trial:
    """A layer with an x, another x, a dy for its output, and what one pass through a new cache gives."""

    def __init__(self, visit, rng):
        self.layer, self.x, self.state, self.train, self.rng = visit.layer, visit.x, visit.state, visit.train, rng
        self.x_before, cache = self.x.copy(), self.cache()
        self.y = np.copy(self.forward(cache))
        self.other_state = self.layer.stream.state  # other draws than those that the first pass made
        self.dy = random_like(self.y, rng)
        self.dx, self.gradients = self.backward(cache, before=[0.0] * len(own_gradients(self.layer)))
        np.copyto(self.x, self.x_before)
        if self.dx is None or self.dx.shape != self.x.shape:
            raise ShapeError(f"expected dx of x's shape {self.x.shape}, got {None if self.dx is None else self.dx.shape}")
        if not all(np.isfinite(array).all() for array in (self.y, self.dx, *self.gradients)):
            raise ShapeError("expected a finite y, dx and gradients, got infinity or NaN")
        self.other_x = np.copy(self.x)
        self.fill_other_x()

    def fill_other_x(self):
        """x's values in other places, larger or smaller, and with other signs where the layer can take them."""
        values = self.x if self.x.any() else np.ones_like(self.x)
        values = self.rng.permutation(values.reshape(-1)).reshape(values.shape) * self.rng.uniform(0.5, 1.5, values.shape)
        for signs in (self.rng.choice([-1, 1], values.shape), 1):
            self.other_x[...] = signs * values
            if np.isfinite(self.forward(self.cache(), other=True)).all():
                return

    def cache(self, double_backward=False):
        """A cache with which running statistics stay: in evaluation they must, whatever the cache says."""
        return self.layer.cache(tracks_statistics=not self.train, double_backward=double_backward)

    def forward(self, cache, other=False):
        self.layer.stream.state = self.other_state if other else self.state
        return self.layer.forward(self.other_x if other else self.x, cache, train=self.train)

    def backward(self, cache, before=None, **how):
        """dx and the layer's gradients, as copies. before: what the gradients hold; NaN, unless it is said."""
        own = own_gradients(self.layer)
        for array, first in zip(own, [np.nan] * len(own) if before is None else before):
            array[...] = first
        dx = self.layer.backward(np.copy(self.dy), cache, **how)
        return None if dx is None else np.copy(dx), [array.copy() for array in own]

    def passes(self, **how):
        """A forward and a backward pass through a new cache."""
        cache = self.cache()
        self.forward(cache)
        return self.backward(cache, **how)

    def held(self):
        """Numbers as large as the gradients are, for these to be added to, or to stay."""
        return [self.rng.standard_normal(g.shape) * np.max(np.abs(g), initial=0) for g in self.gradients]

    def is_first(self, result):
        """Whether a backward pass gave what the first one did."""
        return self.same(result, (self.dx, self.gradients))

    def same(self, result, wanted):
        (dx, gradients), (wanted_dx, wanted_gradients) = result, wanted
        if dx is None or wanted_dx is None:
            return dx is wanted_dx and same_arrays(gradients, wanted_gradients)
        return same_arrays([dx, *gradients], [wanted_dx, *wanted_gradients])

    def x_is_untouched(self):
        return self.x.tobytes() == self.x_before.tobytes()


# ---- the rules: "expected that ..." -----------------------------------------------------------------------------------------


def forward_leaves_x(trial):
    """forward leaves x as it is"""
    trial.forward(trial.cache())
    return trial.x_is_untouched()


def backward_leaves_x(trial):
    """backward leaves the x of its forward pass as it is"""
    trial.passes()
    return trial.x_is_untouched()


def values_stay(trial):
    """a pass leaves parameters as they are, and running statistics, too, in evaluation or with a cache that tracks none"""
    parameters = trial.layer.parameters
    before = parameters.value.flat.tobytes(), parameters.statistics.flat.tobytes()
    trial.passes()
    return (parameters.value.flat.tobytes(), parameters.statistics.flat.tobytes()) == before


def write_overwrites(trial):
    """grads="write", the default, replaces whatever the gradients held"""
    return trial.is_first(trial.passes()) and trial.is_first(trial.passes(grads="write"))


def add_adds(trial):
    """with grads="add", gradients are added to what was there, and dx is the same"""
    held = trial.held()
    return trial.same(trial.passes(before=held, grads="add"), (trial.dx, _sums(held, trial.gradients)))


def skip_skips(trial):
    """with grads="skip", gradients stay as they were, and dx is the same"""
    held = trial.held()
    dx, after = trial.passes(before=held, grads="skip")
    return all(map(np.array_equal, after, held)) and trial.is_first((dx, trial.gradients))


def dx_can_be_left_out(trial):
    """with need_dx=False, backward returns None, and gradients are the same"""
    held = trial.held()
    return (
        trial.same(trial.passes(need_dx=False), (None, trial.gradients))
        and trial.same(trial.passes(before=held, grads="add", need_dx=False), (None, _sums(held, trial.gradients)))
        and trial.same(trial.passes(before=held, grads="skip", need_dx=False), (None, held))
    )


def backward_repeats(trial):
    """a second backward pass through the same cache gives what the first gave"""
    cache = trial.cache()
    trial.forward(cache)
    return trial.is_first(trial.backward(cache)) and trial.is_first(trial.backward(cache))


def caches_are_apart(trial):
    """two passes that are alive at once, each with a cache of its own, do not spoil each other"""
    first, second, alone = trial.cache(), trial.cache(), trial.cache()
    trial.forward(alone, other=True)
    wanted = trial.backward(alone)
    y = trial.forward(first)
    trial.forward(second, other=True)
    if not np.array_equal(y, trial.y):
        return False
    dx = trial.layer.backward(np.copy(trial.dy), first)
    held = np.copy(dx)
    return trial.same(trial.backward(second), wanted) and np.array_equal(dx, held) and trial.is_first(trial.backward(first))


def caches_are_reusable(trial):
    """a cache that another pass went through gives what a new one gives"""
    cache = trial.cache()
    trial.forward(cache, other=True)
    trial.backward(cache)
    return np.array_equal(trial.forward(cache), trial.y) and trial.is_first(trial.backward(cache))


def double_backward_adds(trial):
    """double_backward adds to what the gradients held, and leaves x as it is"""
    if not has_double_backward(trial.layer):
        return True
    v, found = random_like(trial.x, trial.rng), []
    held = trial.held()
    for before in ([np.zeros_like(array) for array in held], held):
        cache = trial.cache(double_backward=True)
        trial.forward(cache)
        trial.backward(cache, before=before, grads="skip")
        trial.layer.double_backward(np.copy(v), cache)
        found.append([grad.copy() for grad in own_gradients(trial.layer)])
    from_zero, from_held = found
    return same_arrays(from_held, _sums(held, from_zero)) and trial.x_is_untouched()


RULES = (
    forward_leaves_x, backward_leaves_x, values_stay, write_overwrites, add_adds, skip_skips, dx_can_be_left_out,
    backward_repeats, caches_are_apart, caches_are_reusable, double_backward_adds,
)  # fmt: skip


def _sums(these, those):
    return [a + b for a, b in zip(these, those)]


def _first_line(problem):
    return f"{type(problem).__name__}: {problem}".partition("\n")[0]
