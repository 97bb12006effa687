"""How reliable is gradcheck? Random right networks, of which it may call none wrong, and mistakes, of which it may miss none.

    python -m benchmarks.gradcheck_sweep --networks 1000 --processes 2

A mistake is one factor of 1.001 in a gradient that is not 0 (all of an array, one entry, one channel or sample, one term, the
loss's, a network's, one of double_backward's; in both modes or in one), or one broken promise of the layer protocol.
"""

import argparse
import collections
import itertools
import multiprocessing
import os
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a process for each core, and small networks

import numpy as np  # noqa: E402

from benchmarks.harness.gradcheck import protocol_mistakes as mistakes  # noqa: E402
from benchmarks.harness.gradcheck.random_networks import random_case  # noqa: E402
from nn.checking.passes import has_double_backward, is_chain, own_gradients  # noqa: E402

# ---- whether a mistake shows ------------------------------------------------------------------------------------------------


def one_pass(layer, x, state, train):
    """y, dx, gradients, and what double_backward gives, for a random dy."""
    rng, double_backward = np.random.default_rng(0), has_double_backward(layer)
    cache = layer.cache(tracks_statistics=False, double_backward=double_backward)
    layer.stream.state = state
    y = np.copy(layer.forward(x, cache, train=train))
    dx = np.copy(layer.backward(rng.standard_normal(y.shape), cache))
    first = [y, dx, *map(np.copy, own_gradients(layer))]
    second = []
    if double_backward:
        layer.parameters.grad.flat[...] = 0
        second += [np.copy(a) for a in layer.double_backward(rng.standard_normal(x.shape), cache) if a is not None]
        second += map(np.copy, own_gradients(layer))
    return first, second


def footprint(layer, x, train, found):
    """y; and into found, for the layer and those that it consists of, (layer, x, state of its stream, what one pass gives)."""
    x, state, y = np.copy(x), layer.stream.state, x
    for part in layer if is_chain(layer) else ():
        y = footprint(part, y, train, found)
    first, second = one_pass(layer, x, state, train)
    found.append((layer, x, state, first, second))
    return first[0]


def footprints(case):
    """A list of `footprint`'s findings for each mode, and the loss's gradient at the end of each."""
    states, lists = [part.stream.state for part in case.chain], []
    for train in (True, False):
        found, y = [], case.x
        for part, state in zip(case.chain, states):
            part.stream.state = state
            y = footprint(part, y, train, found)
        if case.loss is not None:
            found.append((case.loss, y, None, [case.loss(y, case.target, case.chain[-1].cache())[1].copy()], []))
        lists.append(found)
    for part, state in zip(case.chain, states):
        part.stream.state = state
    return lists


def changed(a, b):
    """Whether two arrays differ by more than rounding."""
    return np.max(np.abs(a - b), initial=0) > 1e-12 * np.max(np.abs(b), initial=0)


def gradients_differ(right, mistaken):
    return any(
        changed(a, b)
        for in_mode, wanted in zip(footprints(mistaken), footprints(right))
        for (*_, first, second), (*_, right_first, right_second) in zip(in_mode, wanted)
        for a, b in zip(first + second, right_first + right_second)
    )


def lively(layer, x, state, train, depends):
    """Whether all that a pass gives is something, and y, or with `depends` a gradient too, something else for another x."""
    rng = np.random.default_rng(0)
    other = rng.permutation(x.reshape(-1)).reshape(x.shape) * rng.choice([-1, 1], x.shape)
    (y, *gradients), (other_y, *other_gradients) = (one_pass(layer, each, state, train)[0] for each in (np.copy(x), other))
    something = y.any() and all(gradient.any() for gradient in gradients)
    return something and changed(y, other_y) and (not depends or any(map(changed, gradients, other_gradients)))


# ---- the sweep --------------------------------------------------------------------------------------------------------------


def mistaken_case(seed):
    """A random network with one mistake in it that shows."""
    rng = np.random.default_rng([seed, 1])
    makers = {
        "gradient": (mistakes.mistaken_gradient, 0.35), "term": (mistakes.mistaken_term, 0.15),
        "promise": (mistakes.broken_promise, 0.3), "double": (mistakes.mistaken_double_backward, 0.1),
        "network": (mistakes.mistaken_network, 0.05), "loss": (mistakes.mistaken_loss, 0.05),
    }  # fmt: skip
    for attempt in itertools.count():
        right, case = random_case([seed, attempt]), random_case([seed, attempt])
        kind = str(rng.choice(list(makers), p=[share for _, share in makers.values()]))
        leaves = [[leaf for part in each.chain for _, leaf in part.modules()] for each in (case, right)]
        n, part = rng.integers(len(leaves[0])), case.chain[rng.integers(len(case.chain))]
        case.mistake = makers[kind][0](rng, case if kind == "loss" else part if kind == "network" else leaves[0][n])
        if case.mistake is None:
            continue
        if kind == "promise":
            shows = all(
                lively(layer, x, state, train, depends=case.mistake == "keeps cache in layer")
                for train, found in zip((True, False), footprints(right))
                for layer, x, state, *_ in found
                if layer is leaves[1][n]
            )
        else:
            shows = kind == "network" and "ignores" in case.mistake or gradients_differ(right, case)
        if shows:
            return case


def judge(task):
    """-> (seed, mistake, seconds, None or what the report says, where that is not as it should be)."""
    kind, seed = task
    case = random_case(seed) if kind == "right" else mistaken_case(seed)
    began = time.perf_counter()
    report = case.check()
    seconds = time.perf_counter() - began
    return seed, case.mistake, seconds, None if report.ok == (kind == "right") else f"{case.chain} {case.x.shape}\n{report}"


def tell(kind, judged):
    """Print what `judge` says of many networks, as it comes; -> how many were misjudged."""
    counts, misjudged, seconds = collections.Counter(), collections.Counter(), []
    for seed, mistake, took, report in judged:
        counts[mistake] += 1
        seconds.append(took)
        if report is not None:
            misjudged[mistake] += 1
            print(f"--- seed {seed}, {mistake}\n{report}", flush=True)
    bad = "false alarms" if kind == "right" else "missed"
    print(f"{kind}: {counts.total()} networks, {misjudged.total()} {bad}; ", end="")
    print(f"a check took {1e3 * np.median(seconds):.0f} ms (median), {max(seconds):.1f} s at most", flush=True)
    if kind == "mistaken":
        for mistake, n in sorted(counts.items()):
            print(f"{n:6} {mistake}: {misjudged[mistake]} missed")
    return misjudged.total()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", type=int, default=1000, help="of each of the two kinds")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="the first; each network has its own")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.networks)
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        misjudged = [tell(kind, pool.imap(judge, [(kind, seed) for seed in seeds])) for kind in ("right", "mistaken")]
    sys.exit(any(misjudged))


if __name__ == "__main__":
    main()
