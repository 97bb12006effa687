"""Is a hand-written gradient right? Each layer's is held against finite differences in float64, and so is what it promises.

The chain rule does the rest: a network's gradient is right if each of its layers multiplies any dy by its own derivative, and
if the network hands on what they give. So each layer is checked alone, at the x that the network brings to it, where a finite
difference is good to ten digits and a mistake is named where it is made (`nn.checking.pullback`); and the network's own passes
must give the numbers that its layers give one after the other. A loss is checked alone and through the last layer, and
double_backward as what it is, the pullback of the backward pass. What a layer promises besides is in `nn.checking.protocol`.
"""

import copy

import numpy as np

from nn.checking.passes import (
    backward_pass,
    forward_pass,
    has_double_backward,
    loss_alone,
    loss_behind,
    own_gradients,
    random_like,
    second_walk,
    walk,
    walk_back,
)
from nn.checking.protocol import broken_promises, same_arrays
from nn.checking.pullback import check_pullback
from nn.checking.report import Entry, Report
from nn.errors import ShapeError

SALT = 0x62796861  # so that dy is not x, should x be drawn from default_rng(seed): a dy along x hides mistakes


def gradcheck(network, x, *, loss=None, target=None, train=None, seed=0, tolerance=1e-11):
    """Compare every gradient of a layer, a network, or a chain of networks with finite differences, and try its promises.

    network: a layer or network, built or not, or a list of them that x runs through, such as [G, D]; they are copied to
    float64 on the CPU and stay as they are. x: (N, ...), any float dtype. loss: the scalar that is differentiated,
    loss(y, target, cache); without one, sum(y r) for a random r. train: the mode that is checked; None: both. Dropout draws
    the same mask each time. tolerance: the relative error that is accepted beyond what a finite difference may be off by.
    Returns a `Report` that names each layer and parameter. Errors: `ShapeError` where x does not fit.
    """
    parts = _as_list(network)
    chain = [_float64_copy(part, name) for part, name in zip(parts, _names(parts))]
    states, report = [part.stream.state for part in chain], Report(tolerance)
    for mode in (True, False) if train is None else (train,):
        for part, state in zip(chain, states):
            part.stream.state = state
        _check(
            chain,
            np.array(x, np.float64),
            loss,
            target,
            mode,
            np.random.default_rng([seed, SALT]),
            report,
        )
    return report


def _check(chain, x, loss, target, train, rng, report):
    """The check of one mode, into the report."""
    visits, y = [], x
    for part in chain:
        y, visit = walk(part, y, train)
        visits.append(visit)
    leaves = [leaf for visit in visits for leaf in visit.modules()]
    networks = [network for visit in visits for network in visit.networks()]
    found = [broken_promises(visit, rng) for visit in leaves + networks]
    report.mistakes += [sentence for sentences, _ in found for sentence in sentences]
    if not all(usable for _, usable in found):
        return
    report.mistakes += [
        sentence for visit in networks for sentence in _unlike_its_layers(visit, rng)
    ]
    walk_back(leaves, random_like(y, rng) if loss is None else loss(y, target, leaves[-1].cache)[1])
    for visit in leaves:
        label, cotangents = visit.layer.label, [visit.dy, random_like(visit.dy, rng)]
        results, kinks = check_pullback(forward_pass(visit), cotangents, rng, report.tolerance)
        _add(report, results, label + " {}", train)
        if kinks:
            report.kinks[label] = max(kinks, report.kinks.get(label, 0))
        if has_double_backward(visit.layer) and not report.mistakes:
            function = backward_pass(visit, random_like(visit.dy, rng))
            results, _ = check_pullback(
                function, [random_like(visit.x, rng)], rng, report.tolerance
            )
            _add(report, results, f"double_backward of {label}, {{}}", train, second=True)
    if loss is not None and report.ok:
        last, name = leaves[-1], type(loss).__name__
        alone = loss_alone(last.forward(last.cache), loss, target, last.cache)
        results, _ = check_pullback(
            alone, [np.ones(1)], rng, report.tolerance, elsewhere=False
        )  # y may have to lie in (0, 1)
        _add(report, results, name, train)
        results, _ = check_pullback(
            loss_behind(last, loss, target), [np.ones(1)], rng, report.tolerance
        )
        _add(report, results, name, train)


def _add(report, results, where, train, second=False):
    for name, result in results.items():
        report.add(Entry(**vars(result), where=where.format(name), train=train), second)


def _unlike_its_layers(network, rng):
    """A sentence for each of a network's two backward passes that gives something else than its layers, one after the other."""
    layer, leaves, cache = network.layer, network.modules(), network.new_cache()
    dy, v, sentences = random_like(network.forward(cache), rng), random_like(network.x, rng), []
    walk_back(leaves, dy)
    wanted = [leaves[0].dx, *map(np.copy, own_gradients(layer))]
    layer.parameters.grad.flat[...] = 0
    expected = f"{layer.label}: expected {{}} that its layers give, one after the other; in {network.mode}, it gives others"
    if not same_arrays([layer.backward(np.copy(dy), cache), *own_gradients(layer)], wanted):
        sentences.append(expected.format("the gradients"))
    if has_double_backward(layer) and not same_arrays(
        second_walk([network], dy, v), second_walk(leaves, dy, v)
    ):
        sentences.append(expected.format("the derivatives of double_backward"))
    return sentences


def _as_list(network):
    parts = list(network) if isinstance(network, (list, tuple)) else [network]
    if not parts:
        raise ShapeError(
            "gradcheck: expected a layer, a network or a list of them, got an empty list"
        )
    return parts


def _names(parts):
    """What errors call them already, or net, net1, ...; none twice."""
    names = []
    for i, part in enumerate(parts):
        name = part.path or (f"net{i}" if i else "net")
        names.append(f"{name}{i}" if name in names else name)
    return names


def _float64_copy(part, name):
    """The same layers with the same values, in float64 on the CPU."""
    twin = copy.deepcopy(part, {id(part.ops): part.ops})
    twin.build(seed=0, dtype="float64", name=name)
    for (_, copied), (_, leaf) in zip(twin.modules(), part.modules(), strict=True):
        if leaf.ops is not None:
            for key in leaf.parameter_shapes | leaf.statistic_shapes:
                getattr(copied, key)[...] = leaf.ops.to_host(getattr(leaf, key))
    return twin
