"""Objects of a training that no copy could keep whole."""

from nn import RunError


class Uncopyable:
    """Refuses `copy.copy`, `copy.deepcopy` and `pickle` by a `RunError`, which says what to do `instead`.

    The arrays of such an object are views of each other and of networks that others hold. A copy would hold arrays apart, and
    train without ever changing what it draws with.
    """

    instead = "make another from copies of its networks"

    def __reduce_ex__(self, protocol):
        raise RunError(
            f"{type(self).__name__}: expected no copy and no pickle of it, since its arrays share memory with its networks'; "
            f"{self.instead}"
        )
