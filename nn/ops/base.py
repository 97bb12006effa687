"""What the backends have in common: nothing but being one."""


class Ops:
    """The base of `NumpyOps`, `CupyOps`, and any backend of your own, which `get_ops` then takes as it is.

    It is empty on purpose. A primitive that a backend lacks shall be an AttributeError there, not the CPU's code at work
    on a GPU's arrays. It holds working memory only: its copy is itself, and what is pickled is how to get it.
    """

    _asked = ()  # what `get_ops` makes the like of it from; a backend of your own has its own way to be pickled

    def __deepcopy__(self, memo):
        return self

    def __reduce_ex__(self, protocol):
        if not self._asked:
            return super().__reduce_ex__(protocol)
        from nn.ops import get_ops  # which is made of this module

        return get_ops, self._asked


def first_line(problem):
    """What an error says, without the listings that CUDA's loaders and compilers append."""
    return str(problem).strip().partition("\n")[0]
