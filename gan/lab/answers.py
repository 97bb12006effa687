"""What handlers of requests return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.lab.messages import Message


@dataclass(frozen=True)
class Answer:
    """The answer to a request.

    Parameters
    ----------
    fields
        JSON values.
    arrays
        uint8 or float32.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


Handler = Callable[[Message], Answer]
