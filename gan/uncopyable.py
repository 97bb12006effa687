"""Objects of a run that cannot be copied."""

from __future__ import annotations

from typing import Any, SupportsIndex

from gan.errors import RunError


class Uncopyable:
    """Refuses `copy` and `pickle` with a `RunError` that names the alternative.

    The arrays of such an object are views of each other and of networks owned elsewhere. A copy
    would train arrays that nothing else uses.
    """

    instead = "make another from copies of its networks"

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        raise RunError(
            f"{type(self).__name__}: cannot be copied or pickled, since its arrays share memory "
            f"with its networks; {self.instead}"
        )
