"""Tests of a layer against the rules of the layer protocol, which `nn.layers.base` states.

Whether a gradient is right is not tested here, only whether every variant of a pass gives the same
one.
"""

from collections.abc import Callable
from typing import cast

import numpy as np

from nn.checking.passes import (
    LayerPass,
    copied,
    has_double_backward,
    own_gradients,
    random_like,
)
from nn.checking.trial import Trial, random_held, same_arrays, same_gradients

Rule = Callable[[Trial], bool]

RULES: list[tuple[str, Rule]] = []


def rule(statement: str) -> Callable[[Rule], Rule]:
    """Register a function that returns whether this statement holds."""

    def register(test: Rule) -> Rule:
        RULES.append((statement, test))
        return test

    return register


def protocol_violations(record: LayerPass, rng: np.random.Generator) -> tuple[list[str], bool]:
    """Test all rules on a layer that received such an input.

    Returns
    -------
    violations : list of str
        A message for each rule that the layer violates.
    usable : bool
        Whether the layer's passes work at all.
    """
    label, mode = record.layer.label, record.mode
    try:
        trial = Trial(record, rng)
    except Exception as problem:  # a layer of the user's may raise anything
        return [f"{label}: in {mode}, {_first_line(problem)}"], False
    violations = []
    for statement, test in RULES:
        try:
            holds, got = test(trial), "this does not hold"
        except Exception as problem:
            holds, got = False, _first_line(problem)
        np.copyto(record.x, trial.x_before)
        if not holds:
            violations.append(f"{label}: expected that {statement}; in {mode}, {got}")
    return violations, True


def _first_line(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}".partition("\n")[0]


@rule("forward leaves x unchanged")
def _forward_and_x(trial: Trial) -> bool:
    trial.forward(trial.cache())
    return trial.x_is_unchanged()


@rule("backward leaves the x of its forward pass unchanged")
def _backward_and_x(trial: Trial) -> bool:
    trial.forward_and_backward()
    return trial.x_is_unchanged()


@rule(
    "a pass leaves parameters unchanged, and running statistics too in evaluation or with a cache "
    "that does not track them"
)
def _values(trial: Trial) -> bool:
    parameters = trial.layer.parameters
    before = copied(parameters.value.flat), copied(parameters.statistics.flat)
    trial.forward_and_backward()
    after = copied(parameters.value.flat), copied(parameters.statistics.flat)
    return all(a.tobytes() == b.tobytes() for a, b in zip(after, before))


@rule('grads="write", the default, replaces what the gradients held')
def _write(trial: Trial) -> bool:
    by_default = trial.is_reference(trial.forward_and_backward())
    return by_default and trial.is_reference(trial.forward_and_backward(grads="write"))


@rule('grads="add" adds to what the gradients held, and dx is the same')
def _add(trial: Trial) -> bool:
    held = trial.held()
    result = trial.forward_and_backward(held, grads="add")
    return same_gradients(result, (trial.dx, trial.added_to(held)))


@rule('grads="skip" leaves the gradients unchanged, and dx is the same')
def _skip(trial: Trial) -> bool:
    held = trial.held()
    dx, after = trial.forward_and_backward(held, grads="skip")
    return all(map(np.array_equal, after, held)) and trial.is_reference((dx, trial.gradients))


@rule("need_dx=False makes backward return None, and the gradients are the same")
def _need_dx(trial: Trial) -> bool:
    held = trial.held()
    write = trial.forward_and_backward(need_dx=False)
    if not same_gradients(write, (None, trial.gradients)):
        return False
    add = trial.forward_and_backward(held, grads="add", need_dx=False)
    if not same_gradients(add, (None, trial.added_to(held))):
        return False
    skip = trial.forward_and_backward(held, grads="skip", need_dx=False)
    return same_gradients(skip, (None, held))


@rule("a second backward pass through a cache gives the results of the first")
def _repeated_backward(trial: Trial) -> bool:
    cache = trial.cache()
    trial.forward(cache)
    first = trial.is_reference(trial.backward(cache))
    return first and trial.is_reference(trial.backward(cache))


@rule("two live passes, each with its own cache, do not affect each other")
def _two_live_passes(trial: Trial) -> bool:
    first, second, alone = trial.cache(), trial.cache(), trial.cache()
    trial.forward(alone, other=True)
    expected = trial.backward(alone)
    y = trial.forward(first)
    trial.forward(second, other=True)
    if not np.array_equal(y, trial.y):
        return False
    dx = cast(np.ndarray, trial.layer.backward(np.copy(trial.dy), first))
    held = dx.copy()
    if not same_gradients(trial.backward(second), expected) or not np.array_equal(dx, held):
        return False
    return trial.is_reference(trial.backward(first))


@rule("a cache that served another pass gives the results of a new one")
def _reused_cache(trial: Trial) -> bool:
    cache = trial.cache()
    trial.forward(cache, other=True)
    trial.backward(cache)
    same_y = np.array_equal(trial.forward(cache), trial.y)
    return same_y and trial.is_reference(trial.backward(cache))


@rule("double_backward adds to what the gradients held, and leaves x unchanged")
def _double_backward(trial: Trial) -> bool:
    if not has_double_backward(trial.layer):
        return True
    v = random_like(trial.x, trial.rng)

    def added_to(held: list[np.ndarray]) -> list[np.ndarray]:
        cache = trial.cache(double_backward=True)
        trial.forward(cache)
        trial.backward(cache, held, grads="skip")
        trial.layer.double_backward(np.copy(v), cache)
        return [grad.copy() for grad in own_gradients(trial.layer)]

    from_zero = added_to([np.zeros_like(grad) for grad in trial.gradients])
    held = random_held(from_zero, trial.rng)
    expected = [a + b for a, b in zip(held, from_zero)]
    return same_arrays(added_to(held), expected) and trial.x_is_unchanged()
