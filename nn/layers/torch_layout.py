"""How a layer class declares PyTorch's names and memory layouts of its arrays."""

from typing import NamedTuple


class TorchArray(NamedTuple):
    """One array of a layer and its counterpart in a PyTorch `state_dict`.

    Attributes
    ----------
    name : str
        The layer's attribute, such as "W".
    torch_name : str
        The last part of PyTorch's key, such as "weight".
    axes : tuple of int
        PyTorch's array is ours, transposed by these axes.
    optional : bool
        Whether PyTorch's layer may lack it (``bias=False``), which means zeros here.
    nonnegative : bool
        Whether negative values are refused.
    """

    name: str
    torch_name: str
    axes: tuple[int, ...]
    optional: bool = False
    nonnegative: bool = False
