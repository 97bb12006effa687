"""The state of a classifier's training, for checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gan.errors import RunError
from nn.ops.base import Array

ORDER = "order"  # the index of each image, in the order of the epoch


class ClassifierState(NamedTuple):
    """What `ClassifierTrainer.state_dict` returns.

    Parameters
    ----------
    arrays
        Weights, Adam's moments, the losses of the epoch and the order of the images, on the host by
        name.
    rest
        Step count and random streams, ready for JSON.
    """

    arrays: dict[str, np.ndarray]
    rest: dict[str, Any]


def check_arrays(given: Mapping[str, np.ndarray], ours: Mapping[str, Array]) -> None:
    """Raise `RunError` unless these are arrays of a trainer with the same settings."""
    if given.keys() != ours.keys():
        raise RunError(
            f"state: expected the arrays {', '.join(ours)}, got {', '.join(given) or 'none'}"
        )
    for name, array in ours.items():
        got = given[name]
        if (got.shape, got.dtype) != (array.shape, array.dtype):
            raise RunError(
                f"state: expected {name} of {array.dtype} {array.shape}, got {got.dtype} "
                f"{got.shape}"
            )
        if not np.isfinite(got).all():
            raise RunError(f"state: expected finite numbers in {name}")
    if not np.array_equal(np.sort(given[ORDER]), np.arange(len(given[ORDER]))):
        raise RunError(f"state: expected {ORDER} as an order of the training images")
