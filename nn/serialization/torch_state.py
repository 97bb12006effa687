"""Weights in PyTorch's names and layouts, as NumPy arrays: PyTorch itself is not needed here.

A network goes over by ``torch_net.load_state_dict({k: torch.from_numpy(v) for k, v in to_torch_state(net).items()})`` and
comes back by ``from_torch_state(net, {k: v.detach().cpu().numpy() for k, v in torch_net.state_dict().items()})``. The PyTorch
network is a `torch.nn.Sequential` of the same layers in the same places, those without weights included: places are names,
"0.weight".
"""

from collections.abc import Mapping

import numpy as np

from nn.layers.batchnorm import BatchNorm
from nn.layers.conv import Conv2d, ConvTranspose2d
from nn.layers.dense import Dense
from nn.errors import WeightsError

# For each layer: its array, PyTorch's name of it, and the order of our axes in PyTorch's array.
MATRIX = (("W", "weight", (1, 0)), ("b", "bias", (0,)))  # y = x W + b here, x W^T + b there
KERNELS = (("W", "weight", (0, 3, 1, 2)), ("b", "bias", (0,)))  # (outer, kh, kw, inner) here, (outer, inner, kh, kw) there
ROWS = tuple((ours, theirs, (0,)) for ours, theirs in (
    ("W", "weight"), ("b", "bias"), ("running_mean", "running_mean"), ("running_var", "running_var")
))  # fmt: skip
LAYOUTS = {Dense: MATRIX, Conv2d: KERNELS, ConvTranspose2d: KERNELS, BatchNorm: ROWS}
COUNTER = "num_batches_tracked"  # PyTorch's batch norm counts its passes; with a fixed momentum nothing depends on it


def to_torch_state(network):
    """The parameters and running statistics of a built network: {"0.weight": array, ...}, as a `state_dict` has them."""
    state = {}
    for leaf, ours, theirs, axes in _places(network):
        state[theirs] = np.ascontiguousarray(leaf.ops.to_host(getattr(leaf, ours)).transpose(axes))
    for prefix, leaf in network.leaves():
        if isinstance(leaf, BatchNorm):
            state[prefix + COUNTER] = np.zeros((), np.int64)
    return state


def from_torch_state(network, arrays):
    """Copy arrays, named and laid out as in a PyTorch `state_dict`, into a built network of the same layers.

    A `Dense` or a convolution whose bias is missing, PyTorch's ``bias=False``, gets one of zeros. Nothing is copied unless
    everything fits. Errors: `WeightsError` for an array that is missing, not expected, of another shape, not finite in the
    network's dtype, or a running variance below 0.
    """
    if not isinstance(arrays, Mapping):
        raise WeightsError(f"from_torch_state: expected arrays by name, as a state_dict has them, got {type(arrays).__name__}")
    for name in arrays:
        if not isinstance(name, str):
            raise WeightsError(f"from_torch_state: expected names, such as '0.weight', got {name!r}")
    places = list(_places(network))
    expected = {theirs for _, _, theirs, _ in places}
    required = {theirs for leaf, ours, theirs, _ in places if ours != "b" or isinstance(leaf, BatchNorm)}
    found = {name for name in arrays if not name.endswith(COUNTER)}
    for what, names in (("is missing", required - found), ("was not expected", found - expected)):
        if names:
            raise WeightsError(f"from_torch_state: the array {min(names)!r} {what}; expected {', '.join(sorted(expected))}")
    copies = []
    for leaf, ours, theirs, axes in places:
        target = getattr(leaf, ours)
        shape = tuple(target.shape[axis] for axis in axes)
        values = _checked(arrays[theirs], theirs, shape, target.dtype) if theirs in found else np.zeros(shape, target.dtype)
        copies.append((leaf, target, values.transpose(np.argsort(axes))))
    for leaf, target, values in copies:
        leaf.ops.copy_(target, leaf.ops.asarray(values))


def _checked(given, name, shape, dtype):
    """The array as NumPy's, in the network's dtype."""
    try:
        values = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as problem:  # a tensor on a GPU, or one that needs its gradient
        remedy = "v.detach().cpu().numpy() makes one of a tensor v"
        raise WeightsError(f"from_torch_state: {name!r}: expected a NumPy array ({problem}); {remedy}") from None
    if values.shape != shape:
        raise WeightsError(f"from_torch_state: {name!r}: expected shape {shape}, got {values.shape}")
    if values.dtype.kind != "f":
        raise WeightsError(f"from_torch_state: {name!r}: expected finite floats, got {values.dtype}")
    with np.errstate(over="ignore"):  # what is too large for the dtype is infinite, and refused here
        values = values.astype(dtype)
    if not np.isfinite(values).all():
        raise WeightsError(f"from_torch_state: {name!r}: expected finite floats, got NaN or what is infinite in {dtype}")
    if name.endswith("running_var") and values.min() < 0:
        raise WeightsError(f"from_torch_state: {name!r}: expected variances of at least 0, got {values.min()}")
    return values


def _places(network):
    """(layer, our name, PyTorch's full name, axes) of every array."""
    if network.ops is None:
        raise WeightsError("the network has no memory yet: call .build(seed=...) first")
    for prefix, leaf in network.leaves():
        layouts = LAYOUTS.get(type(leaf), ())
        if not layouts and leaf.parameter_shapes:
            raise WeightsError(f"{leaf.label}: it is not known how PyTorch lays out a {type(leaf).__name__}")
        for ours, theirs, axes in layouts:
            yield leaf, ours, prefix + theirs, axes
