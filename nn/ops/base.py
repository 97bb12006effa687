"""What the backends have in common: nothing but being one."""


class Ops:
    """The base of `NumpyOps`, `CupyOps`, and any backend of your own, which `get_ops` then takes as it is.

    It is empty on purpose. A primitive that a backend lacks shall be an AttributeError there, not the CPU's code at work
    on a GPU's arrays.
    """


def first_line(problem):
    """What an error says, without the listings that CUDA's loaders and compilers append."""
    return str(problem).strip().partition("\n")[0]
