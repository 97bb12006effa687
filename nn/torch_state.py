"""Weights in PyTorch's names and layouts, as NumPy arrays: PyTorch itself is not needed here.

A network goes over by ``torch_net.load_state_dict({k: torch.from_numpy(v) for k, v in to_torch_state(net).items()})`` and
comes back by ``from_torch_state(net, {k: v.numpy() for k, v in torch_net.state_dict().items()})``. The PyTorch network is a
`torch.nn.Sequential` of the same layers in the same places, those without weights included: places are names, "0.weight".
"""

import numpy as np

from nn.batchnorm import BatchNorm
from nn.conv import Conv2d, ConvTranspose2d
from nn.dense import Dense
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

    Nothing is copied unless everything fits. Errors: `WeightsError` for an array that is missing, not expected, of another
    shape, or not finite.
    """
    places = list(_places(network))
    expected = {theirs for _, _, theirs, _ in places}
    found = {name for name in arrays if not name.endswith(COUNTER)}
    for what, names in (("is missing", expected - found), ("was not expected", found - expected)):
        if names:
            raise WeightsError(f"from_torch_state: the array {min(names)!r} {what}; expected {', '.join(sorted(expected))}")
    copies = []
    for leaf, ours, theirs, axes in places:
        values, target = np.asarray(arrays[theirs]), getattr(leaf, ours)
        shape = tuple(target.shape[axis] for axis in axes)
        if values.shape != shape:
            raise WeightsError(f"from_torch_state: {theirs!r}: expected shape {shape}, got {values.shape}")
        if values.dtype.kind != "f" or not np.isfinite(values).all():
            what = "NaN or infinity among them" if values.dtype.kind == "f" else values.dtype
            raise WeightsError(f"from_torch_state: {theirs!r}: expected finite floats, got {what}")
        copies.append((leaf, target, values.transpose(np.argsort(axes))))
    for leaf, target, values in copies:
        leaf.ops.copy_(target, leaf.ops.asarray(values, target.dtype))


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
