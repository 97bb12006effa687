"""The objectives by name, as options call them."""

from __future__ import annotations

from gan.errors import RunError
from gan.objectives.objectives import (
    HingeLoss,
    LeastSquares,
    Minimax,
    NonSaturating,
    Objective,
    Relativistic,
    Wasserstein,
)

OBJECTIVES: dict[str, Objective] = {
    "non-saturating": NonSaturating(),
    "minimax": Minimax(),
    "least-squares": LeastSquares(),
    "hinge": HingeLoss(),
    "wasserstein": Wasserstein(),
    "relativistic": Relativistic(),
}


def named_objective(name: str) -> Objective:
    """The objective of that name; `RunError` if there is none."""
    if name not in OBJECTIVES:
        raise RunError(f"objective: expected one of {', '.join(OBJECTIVES)}, got {name!r:.80}")
    return OBJECTIVES[name]
