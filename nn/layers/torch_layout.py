"""How a layer class declares PyTorch's names and memory layouts of its arrays."""

from typing import Any, NamedTuple


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
    axes_of : tuple of int, optional
        For a vector that PyTorch holds in another order: PyTorch's is ours in this shape,
        transposed by the axes and flattened.
    """

    name: str
    torch_name: str
    axes: tuple[int, ...]
    optional: bool = False
    nonnegative: bool = False
    axes_of: tuple[int, ...] | None = None

    def to_torch(self, array: Any) -> Any:
        """PyTorch's array from ours, often a view."""
        if self.axes_of is None:
            return array.transpose(self.axes)
        return array.reshape(self.axes_of).transpose(self.axes).reshape(-1)

    def from_torch(self, array: Any) -> Any:
        """Our array from PyTorch's."""
        back = sorted(range(len(self.axes)), key=self.axes.__getitem__)
        if self.axes_of is None:
            return array.transpose(back)
        shape = [self.axes_of[axis] for axis in self.axes]
        return array.reshape(shape).transpose(back).reshape(-1)

    def torch_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of PyTorch's array from that of ours."""
        return shape if self.axes_of else tuple(shape[axis] for axis in self.axes)
