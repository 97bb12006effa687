"""Weights in PyTorch's names and layouts, as NumPy arrays; PyTorch itself is not needed.

To PyTorch and back, with ``torch_net`` a `torch.nn.Sequential` of the same layers in the same
places (those without weights count too, because places are names: "0.weight")::

    state = to_torch_state(net)
    torch_net.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})

    state = torch_net.state_dict()
    from_torch_state(net, {name: v.detach().cpu().numpy() for name, v in state.items()})

Each layer class declares its names and layouts as `torch_layout`.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from nn.errors import WeightsError
from nn.layers.base import Layer
from nn.layers.torch_layout import TorchArray
from nn.settings import Shape


def to_torch_state(network: Layer) -> dict[str, np.ndarray]:
    """The parameters and running statistics of a built network, as in a `state_dict`.

    Returns
    -------
    {"0.weight": array, ...}, copies on the host.
    """
    _check_built(network)
    state = {}
    for name, layer, declared in _arrays(network):
        array = layer.ops.to_host(getattr(layer, declared.name))
        state[name] = np.array(declared.to_torch(array), order="C")
    for name in torch_counters(network):
        state[name] = np.zeros((), np.int64)
    return state


def torch_shapes(network: Layer) -> dict[str, Shape]:
    """The shapes of the arrays that `from_torch_state` takes, by name; also of an unbuilt one."""
    return {
        name: declared.torch_shape((layer.parameter_shapes | layer.statistic_shapes)[declared.name])
        for name, layer, declared in _arrays(network)
    }


def check_torch_names(network: Layer, names: Collection[str]) -> None:
    """Raise `WeightsError` unless these are the arrays of a network, which may be unbuilt."""
    declared_arrays = list(_arrays(network))
    expected = {name for name, _, _ in declared_arrays}
    required = {name for name, _, declared in declared_arrays if not declared.optional}
    given = set(names) - set(torch_counters(network))
    for what, wrong in (
        ("is missing", required - given),
        ("was not expected", given - expected),
    ):
        if wrong:
            raise WeightsError(
                f"from_torch_state: the array {min(wrong)!r} {what}; "
                f"expected {', '.join(sorted(expected))}"
            )


def torch_counters(network: Layer) -> list[str]:
    """PyTorch's full names of the counters, which are written as 0 and ignored when read."""
    return [prefix + name for prefix, module in network.modules() for name in module.torch_counters]


def from_torch_state(network: Layer, arrays: Mapping[str, Any]) -> None:
    """Copy the arrays of a PyTorch `state_dict` into a built network of the same layers.

    If a bias of `Dense` or a convolution is missing (``bias=False``), it becomes zero. Nothing is
    copied unless everything fits.

    Parameters
    ----------
    network : Layer
    arrays : mapping of str to array
        PyTorch's names and layouts; floats of any dtype, on the host.

    Raises
    ------
    WeightsError
        If an array is missing, unexpected, of another shape, or not finite in the network's dtype,
        or a running variance is negative.
    """
    if not isinstance(arrays, Mapping):
        raise WeightsError(
            "from_torch_state: expected arrays by name, as in a state_dict, "
            f"got {type(arrays).__name__}"
        )
    for name in arrays:
        if not isinstance(name, str):
            raise WeightsError(
                f"from_torch_state: expected names, such as '0.weight', got {name!r}"
            )
    _check_built(network)
    check_torch_names(network, arrays)
    copies = []
    for name, layer, declared in _arrays(network):
        target = getattr(layer, declared.name)
        shape = declared.torch_shape(target.shape)
        values = np.zeros(shape, target.dtype)
        if name in arrays:
            values = _checked(arrays[name], name, shape, target.dtype, declared.nonnegative)
        copies.append((layer, target, declared.from_torch(values)))
    for layer, target, values in copies:
        layer.ops.copy_(target, layer.ops.asarray(values))


def _checked(
    given: Any, name: str, shape: tuple[int, ...], dtype: Any, nonnegative: bool
) -> np.ndarray:
    """The given array as NumPy's, in the network's dtype."""
    try:
        values = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as problem:  # a tensor on a GPU, or with grad
        raise WeightsError(
            f"from_torch_state: {name!r}: expected a NumPy array ({problem}); "
            "convert a tensor v with v.detach().cpu().numpy()"
        ) from None
    if values.shape != shape:
        raise WeightsError(
            f"from_torch_state: {name!r}: expected shape {shape}, got {values.shape}"
        )
    if values.dtype.kind != "f":
        raise WeightsError(
            f"from_torch_state: {name!r}: expected finite floats, got {values.dtype}"
        )
    with np.errstate(over="ignore"):  # what overflows becomes infinite and is refused below
        values = values.astype(dtype)
    if not np.isfinite(values).all():
        raise WeightsError(
            f"from_torch_state: {name!r}: expected finite floats, got NaN or a value that is "
            f"infinite in {dtype}"
        )
    if nonnegative and values.min() < 0:
        raise WeightsError(
            f"from_torch_state: {name!r}: expected values of at least 0, got {values.min()}"
        )
    return values


def _check_built(network: Layer) -> None:
    if network.ops is None:
        raise WeightsError("the network has no memory yet: call .build(seed=...) first")


def _arrays(network: Layer) -> Iterator[tuple[str, Any, TorchArray]]:
    """(PyTorch's full name, layer, declaration) of every array."""
    for prefix, module in network.modules():
        declared_names = {declared.name for declared in module.torch_layout}
        for name in module.parameter_shapes | module.statistic_shapes:
            if name not in declared_names:
                raise WeightsError(
                    f"{module.label}: expected a torch_layout that declares {name}, got none, so "
                    f"its PyTorch layout is unknown; add a TorchArray for it to "
                    f"{type(module).__name__}.torch_layout"
                )
        for declared in module.torch_layout:
            yield prefix + declared.torch_name, module, declared
