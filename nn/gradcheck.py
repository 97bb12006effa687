"""Comparison of hand-written gradients with finite differences in float64.

By the chain rule, a network's gradient is right if each layer multiplies any dy by its own
derivative, and if the network passes on what its layers return. So each layer is checked alone, at
the x it receives in the network: there a finite difference is good to ten digits, and an error is
attributed to the layer that makes it (`nn.checking.pullback`). Then the network's own passes must
equal those of its layers, one after another. A loss is checked alone and behind the last layer;
`double_backward` is checked as the pullback of the backward pass. `nn.checking.protocol` tests the
rest of the layer protocol.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nn.checking.functions import (
    LossFunction,
    backward_function,
    forward_function,
    loss_function,
    loss_of_last_layer,
)
from nn.checking.passes import (
    LayerPass,
    backward_by_layer,
    copied,
    double_backward_by_layer,
    forward_by_layer,
    has_double_backward,
    own_gradients,
    random_like,
)
from nn.checking.protocol import protocol_violations
from nn.checking.pullback import Comparison, check_pullback
from nn.checking.report import Entry, Report
from nn.checking.trial import same_arrays
from nn.errors import ShapeError
from nn.layers.base import Layer

# With it, dy differs from an x drawn from default_rng(seed). A dy equal to x hides mistakes.
SALT = 0x62796861


def gradcheck(
    network: Layer | Sequence[Layer],
    x: ArrayLike,
    *,
    loss: LossFunction | None = None,
    target: Any = None,
    train: bool | None = None,
    seed: int = 0,
    tolerance: float = 1e-11,
) -> Report:
    """Compare every gradient with finite differences, and test the layer protocol.

    Dropout draws the same mask in every pass.

    Parameters
    ----------
    network : Layer or sequence of Layer
        A layer, a network, or several that x passes through in turn, such as [G, D]; built or not.
        They are copied to float64 on the CPU and stay unchanged.
    x : array of shape (N, ...)
        Of any float dtype, on the host.
    loss : callable, optional
        The scalar to differentiate, loss(y, target, cache). By default sum(y r) with a random r.
    target : optional
        The loss's target.
    train : bool, optional
        The mode to check; by default both.
    seed : int
        Seeds the random directions.
    tolerance : float
        The relative error that is allowed beyond that of the finite differences.

    Returns
    -------
    Report
        Names each layer and parameter.

    Raises
    ------
    ShapeError
        If x does not fit the network.
    """
    chain = _float64_copies(network)
    stream_states = [part.stream.state for part in chain]
    report = Report(tolerance)
    for mode in (True, False) if train is None else (train,):
        for part, state in zip(chain, stream_states):
            part.stream.state = state
        rng = np.random.default_rng([seed, SALT])
        y, records = np.array(x, np.float64), []
        for part in chain:
            y, record = forward_by_layer(part, y, mode)
            records.append(record)
        leaves = [leaf for record in records for leaf in record.leaves()]
        networks = [network for record in records for network in record.networks()]
        if not _check_protocol(leaves, networks, rng, report):
            continue
        if loss is None:
            dy = random_like(y, rng)
        else:
            dy = copied(loss(y, target, leaves[-1].cache)[1])
        backward_by_layer(leaves, dy)
        for leaf in leaves:
            _check_layer(leaf, rng, report)
        if loss is not None and report.ok:
            _check_loss(loss, target, leaves[-1], rng, report)
    return report


def _check_protocol(
    leaves: list[LayerPass], networks: list[LayerPass], rng: np.random.Generator, report: Report
) -> bool:
    """Report violations; whether every layer's passes work at all."""
    results = [protocol_violations(record, rng) for record in leaves + networks]
    for violations, _ in results:
        report.violations += violations
    if not all(usable for _, usable in results):
        return False
    for network in networks:
        report.violations += _differences_from_layers(network, rng)
    return True


def _check_layer(leaf: LayerPass, rng: np.random.Generator, report: Report) -> None:
    """Check `backward` and `double_backward` of a layer."""
    label, cotangents = leaf.layer.label, [leaf.dy, random_like(leaf.dy, rng)]
    function = forward_function(leaf)
    comparisons, kinks = check_pullback(function, cotangents, rng, report.tolerance)
    for name, comparison in comparisons.items():
        report.add(_entry(comparison, f"{label} {name}", leaf.train))
    if kinks:
        report.kinks[label] = max(kinks, report.kinks.get(label, 0))
    if has_double_backward(leaf.layer) and not report.violations:
        function = backward_function(leaf, random_like(leaf.dy, rng))
        v = random_like(leaf.x, rng)
        comparisons, _ = check_pullback(function, [v], rng, report.tolerance)
        for name, comparison in comparisons.items():
            where = f"double_backward of {label}, {name}"
            report.add(_entry(comparison, where, leaf.train), second_order=True)


def _check_loss(
    loss: LossFunction, target: Any, last: LayerPass, rng: np.random.Generator, report: Report
) -> None:
    """Check a loss alone, where y may be confined to (0, 1), and behind the last layer."""
    y = last.forward(last.cache)
    one = [np.ones(1)]
    for function, nearby in (
        (loss_function(y, loss, target, last.cache), False),
        (loss_of_last_layer(last, loss, target), True),
    ):
        comparisons, _ = check_pullback(function, one, rng, report.tolerance, nearby=nearby)
        for comparison in comparisons.values():
            report.add(_entry(comparison, type(loss).__name__, last.train))


def _entry(comparison: Comparison, where: str, train: bool) -> Entry:
    return Entry(**vars(comparison), where=where, train=train)


def _differences_from_layers(network: LayerPass, rng: np.random.Generator) -> list[str]:
    """A message for each backward pass in which a network deviates from its layers."""
    layer, leaves, cache = network.layer, network.leaves(), network.new_cache()
    dy, v = random_like(network.forward(cache), rng), random_like(network.x, rng)
    backward_by_layer(leaves, dy)
    expected = [leaves[0].dx, *map(np.copy, own_gradients(layer))]
    layer.parameters.grad.flat[...] = 0
    got = [copied(layer.backward(np.copy(dy), cache)), *own_gradients(layer)]
    different = [] if same_arrays(got, expected) else ["gradients"]
    if has_double_backward(layer):
        got = double_backward_by_layer([network], dy, v)
        if not same_arrays(got, double_backward_by_layer(leaves, dy, v)):
            different.append("derivatives of double_backward")
    return [
        f"{layer.label}: expected the {what} of its layers, one after another; "
        f"in {network.mode}, the network's are different"
        for what in different
    ]


def _float64_copies(network: Layer | Sequence[Layer]) -> list[Layer]:
    """The layers with the same values, in float64 on the CPU."""
    parts = [network] if isinstance(network, Layer) else list(network)
    if not parts:
        raise ShapeError(
            "gradcheck: expected a layer, a network or a list of them, got an empty list"
        )
    return [_float64_copy(part, name) for part, name in zip(parts, _names(parts))]


def _names(parts: list[Layer]) -> list[str]:
    """The parts' own names, or net, net1, ...; all different."""
    names: list[str] = []
    for i, part in enumerate(parts):
        name = part.path or (f"net{i}" if i else "net")
        names.append(f"{name}{i}" if name in names else name)
    return names


def _float64_copy(part: Layer, name: str) -> Layer:
    """One of the layers, built again under this name."""
    twin = copy.deepcopy(part, {id(part.ops): part.ops})
    twin.build(seed=0, dtype="float64", name=name)
    for (_, copied_leaf), (_, leaf) in zip(twin.modules(), part.modules(), strict=True):
        if leaf.ops is not None:
            for key in leaf.parameter_shapes | leaf.statistic_shapes:
                getattr(copied_leaf, key)[...] = leaf.ops.to_host(getattr(leaf, key))
    return twin
