"""Test cases for every primitive: one list, run on each backend.

A case is (id, primitive, arguments by name). After the call *every* array among the arguments is
compared with the reference's, so an array that must not be written is checked too. Outputs start as
NaN, which spreads if one is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nn.ops import NumpyOps
from nn.ops.backend import Backend
from nn.ops.base import Ops

Case = tuple[str, str, dict[str, Any]]  # (id, primitive, {argument: value})


def cases(dtype: Any) -> Iterator[Case]:
    """Yield all cases, with the same values each time."""
    rng = np.random.default_rng(7)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(dtype)

    def positive(*shape: int) -> np.ndarray:
        return (rng.random(shape) + 0.1).astype(dtype)

    def unset(*shape: int) -> np.ndarray:
        return np.full(shape, np.nan, dtype)

    def step_and_rate(steps: int = 4) -> np.ndarray:
        return np.array([steps, 0.002])  # step count, learning rate: float64 for every dtype

    edges = np.array(
        [0.0, -0.0, 1e-30, -1e-30, 88.0, -88.0, 100.0, -100.0, np.inf, -np.inf, np.nan], dtype
    )
    logits = (
        np.concatenate([3 * normal(90), [0.0, -0.0, 100.0, -100.0, 25.0, -25.0]])
        .astype(dtype)
        .reshape(-1, 1)
    )
    labels = rng.random(logits.shape).astype(dtype)
    sharp = np.array([[0.0], [1.0], [0.5], [1e-20], [0.999]], dtype)
    images = "images"  # marks a case whose arrays of four dimensions lie channels-last in memory

    yield "row", "add_", {"y": normal(5, 7), "x": normal(7)}
    yield "whole", "add_", {"y": normal(5, 7), "x": normal(5, 7)}
    yield "same dtype", "copy_", {"y": unset(6, 4), "x": normal(6, 4)}
    yield "other dtype", "copy_", {"y": unset(6, 4), "x": normal(6, 4).astype("float32")}
    yield images, "copy_", {"y": unset(2, 3, 4, 5), "x": normal(2, 3, 4, 5)}
    yield "", "fill_", {"x": unset(3, 5), "value": 0.25}
    for add in (False, True):
        out = normal if add else unset
        name = "add" if add else "write"
        yield name, "gemm", {"a": normal(5, 7), "b": normal(7, 3), "out": out(5, 3), "add": add}
        yield (
            name + " aT",
            "gemm",
            {"a": normal(7, 5), "b": normal(7, 3), "out": out(5, 3), "trans_a": True, "add": add},
        )
        yield (
            name + " bT",
            "gemm",
            {"a": normal(5, 7), "b": normal(3, 7), "out": out(5, 3), "trans_b": True, "add": add},
        )
        yield (
            name + " column",
            "gemm",
            {"a": normal(9, 4), "b": normal(4, 1), "out": out(9, 1), "add": add},
        )
        yield (
            name + " outer",
            "gemm",
            {"a": normal(9, 1), "b": normal(1, 4), "out": out(9, 4), "add": add},
        )
        yield (
            name + " inner",
            "gemm",
            {"a": normal(1, 300), "b": normal(300, 1), "out": out(1, 1), "add": add},
        )
        for rows, columns in ((1, 1), (17, 5), (64, 32), (100, 33)):
            yield (
                f"{name} {rows}x{columns}",
                "sum_rows",
                {"x": normal(rows, columns), "out": out(columns), "add": add},
            )

    for rows, inner, columns in ((5, 7, 3), (64, 100, 32), (40, 300, 260), (9, 1, 4), (9, 4, 1)):
        case = f"{rows}x{inner}x{columns}"
        given = {
            "x": normal(rows, inner),
            "W": normal(inner, columns),
            "b": normal(columns),
            "out": unset(rows, columns),
        }
        yield case, "affine", given
        for a, b in ((False, False), (True, False), (False, True)):
            factors = {
                "a": normal(inner, rows) if a else normal(rows, inner),
                "b": normal(columns, inner) if b else normal(inner, columns),
            }
            yield (
                case,
                "gemm",
                {**factors, "out": normal(rows, columns), "trans_a": a, "trans_b": b, "add": a},
            )

    for slope in (0.0, 0.2):
        yield f"{slope}", "leaky_relu", {"x": normal(6, 11), "slope": slope, "out": unset(6, 11)}
        yield f"{slope} edges", "leaky_relu", {"x": edges, "slope": slope, "out": unset(11)}
        yield (
            f"{slope}",
            "leaky_relu_backward_",
            {"dy": normal(6, 11), "y": normal(6, 11), "slope": slope},
        )
        yield (
            f"{slope} edges",
            "leaky_relu_backward_",
            {"dy": edges, "y": -np.abs(edges), "slope": slope},
        )
        yield (
            f"{slope} zero",
            "leaky_relu_backward_",
            {"dy": normal(4), "y": np.array([0.0, -0.0, 1, -1], dtype), "slope": slope},
        )
    yield images, "leaky_relu", {"x": normal(2, 3, 4, 5), "slope": 0.2, "out": unset(2, 3, 4, 5)}
    yield (
        images,
        "leaky_relu_backward_",
        {"dy": normal(2, 3, 4, 5), "y": normal(2, 3, 4, 5), "slope": 0.2},
    )
    for name in ("sigmoid", "tanh"):
        yield "", name, {"x": 3 * normal(6, 11), "out": unset(6, 11)}
        yield "edges", name, {"x": edges, "out": unset(11)}
        yield images, name, {"x": normal(2, 3, 4, 5), "out": unset(2, 3, 4, 5)}
    yield "", "tanh_backward_", {"dy": normal(6, 11), "y": positive(6, 11)}
    yield images, "tanh_backward_", {"dy": normal(2, 3, 4, 5), "y": positive(2, 3, 4, 5)}
    for name in ("sigmoid_backward_", "divide_by_sigmoid_slope_"):
        yield "", name, {"dy": normal(6, 11), "x": 3 * normal(6, 11)}
        yield "sharp", name, {"dy": normal(4), "x": np.array([-25.0, 25, -60, 60], dtype)}
        yield "edges", name, {"dy": np.ones(11, dtype), "x": edges}
        yield (
            "far",
            name,
            {"dy": np.array([1, -1, 1, -1], dtype), "x": np.array([-120, 120, -1e3, 1e3], dtype)},
        )
        yield images, name, {"dy": normal(2, 3, 4, 5), "x": normal(2, 3, 4, 5)}
    yield "", "multiply", {"x": normal(6, 11), "y": normal(6, 11), "out": unset(6, 11)}
    yield "row", "multiply", {"x": normal(6, 11), "y": normal(11), "out": unset(6, 11)}
    yield "number", "multiply", {"x": normal(6, 11), "y": -2.0, "out": unset(6, 11)}
    yield "column", "multiply", {"x": normal(6, 11), "y": normal(6, 1), "out": unset(6, 11)}
    yield "", "subtract", {"x": normal(6, 11), "y": normal(6, 11), "out": unset(6, 11)}
    yield "", "divide", {"x": normal(6, 11), "y": positive(6, 11), "out": unset(6, 11)}
    yield "one", "divide", {"x": normal(2, 3, 4, 5), "y": positive(1), "out": unset(2, 3, 4, 5)}
    for n in (1, 5, 700):
        yield f"{n}", "normalize_vector_", {"x": normal(n), "tiny": 1e-12}
    yield "zero", "normalize_vector_", {"x": 0 * normal(5), "tiny": 1e-12}
    yield "tiny", "normalize_vector_", {"x": 1e-10 * normal(5), "tiny": 1e-3}
    yield (
        "images",
        "multiply",
        {"x": normal(2, 3, 4, 5), "y": normal(2, 3, 4, 5), "out": unset(2, 3, 4, 5)},
    )

    for n, c in ((2, 1), (17, 5), (64, 32), (100, 33)):
        rows = {key: unset(c) for key in ("mean", "var", "inv_std")}
        yield (
            f"{n}x{c}",
            "normalize",
            {"x": 3 + normal(n, c), "eps": 1e-5, "out": unset(n, c), **rows},
        )
        arguments = {key: normal(c) for key in ("W", "dW", "db")} | {"inv_std": positive(c)}
        arguments |= {"dy": normal(n, c), "xhat": normal(n, c), "out": unset(n, c)}
        yield f"{n}x{c}", "normalize_backward", arguments
        yield (
            f"{n}x{c}",
            "sum_product_rows",
            {"x": normal(n, c), "y": normal(n, c), "out": unset(c)},
        )
    yield (
        "",
        "scale_shift",
        {"x": normal(9, 5), "scale": normal(5), "shift": normal(5), "out": unset(9, 5)},
    )
    yield (
        "",
        "shift_scale",
        {"x": normal(9, 5), "scale": normal(5), "shift": normal(5), "out": unset(9, 5)},
    )
    yield "", "inverse_std", {"var": positive(5), "eps": 1e-5, "out": unset(5)}
    yield "", "moving_average_", {"average": normal(5), "value": normal(5), "weight": 0.1}
    yield (
        "scaled",
        "moving_average_",
        {"average": normal(5), "value": normal(5), "weight": 0.1, "scale": 64 / 63},
    )

    for name, target in (("real", 1), ("fake", 0.0), ("smoothed", 0.9), ("each", labels)):
        output = {"dz": unset(*logits.shape), "value": unset(1)}
        yield name, "bce_with_logits", {"z": logits, "target": target, "weight": 0.5, **output}
        target = labels[: len(sharp)] if name == "each" else target
        output = {"dp": unset(*sharp.shape), "value": unset(1)}
        yield name, "bce", {"p": sharp, "target": target, "weight": 0.5, **output}
    for name, target in (
        ("real", 1.0),
        ("fake", -1.0),
        ("each", np.sign(logits + 0.5).astype(dtype)),
    ):
        output = {"dy": unset(*logits.shape), "value": unset(1)}
        yield name, "squared_error", {"y": logits, "target": target, "weight": 0.5, **output}
        yield name, "hinge", {"y": logits, "target": target, "weight": 2, **output}
    lost = np.array([[0.5], [np.nan], [-1.0]], dtype)
    for name, x, dx in (
        ("bce_with_logits", "z", "dz"),
        ("bce", "p", "dp"),
        ("squared_error", "y", "dy"),
        ("hinge", "y", "dy"),
    ):
        yield "nan", name, {x: lost, "target": 1.0, "weight": 1, dx: unset(3, 1), "value": unset(1)}
    yield "nan", "mean", {"y": lost, "weight": 1, "dy": unset(3, 1), "value": unset(1)}
    yield "nan", "mean_sigmoid", {"z": lost, "out": unset(1)}
    yield "", "mean", {"y": logits, "weight": -0.5, "dy": unset(*logits.shape), "value": unset(1)}
    for case, columns, target in (("zero", 3, 0.0), ("one", 300, 1.0)):
        g = np.concatenate([normal(7, columns), 0 * normal(1, columns)])
        yield (
            case,
            "norm_penalty",
            {"g": g, "target": target, "weight": 10, "dg": unset(*g.shape), "value": unset(1)},
        )
    # of slopes; the squares of most leave float32
    for size in (0.0, 1e-42, 1e-30, 1e-20, 1e-10, 1.0, 1e10, 1e15):
        g = size * np.array([[1.0, -2, 0], [0.5, 0.5, 3]])
        for target in (0.0, 1.0):
            yield (
                f"{size} {target}",
                "norm_penalty",
                {
                    "g": g.astype(dtype),
                    "target": target,
                    "weight": 20,
                    "dg": unset(2, 3),
                    "value": unset(1),
                },
            )
    many = normal(1000, 1)
    output = {"dz": unset(1000, 1), "value": unset(1)}
    yield "many", "bce_with_logits", {"z": many, "target": 1.0, "weight": 1, **output}
    yield "", "mean_sigmoid", {"z": many, "out": unset(1)}
    yield "sharp", "mean_sigmoid", {"z": logits, "out": unset(1)}

    # (N, H, W, C), (K, kh, kw), stride, padding: overlapping windows, gaps between windows, pixels
    # that none covers
    geometries = (
        ((2, 6, 5, 3), (4, 3, 3), (1, 1), (0, 0)),
        ((2, 7, 8, 6), (5, 4, 3), (2, 1), (1, 1)),
        ((3, 6, 6, 1), (2, 1, 2), (3, 2), (0, 1)),
        ((1, 5, 5, 7), (1, 5, 5), (2, 2), (2, 2)),
    )
    for (N, H, W, C), (K, kh, kw), (sh, sw), (ph, pw) in geometries:
        P, Q = (H + 2 * ph - kh) // sh + 1, (W + 2 * pw - kw) // sw + 1
        case, geometry = f"{N} {H}x{W}x{C} {kh}x{kw}", {"stride": (sh, sw), "padding": (ph, pw)}
        x, weights, y = normal(N, H, W, C), normal(K, kh, kw, C), normal(N, P, Q, K)
        yield (
            case,
            "conv",
            {"x": x, "W": weights, "b": normal(K), **geometry, "out": unset(N, P, Q, K)},
        )
        yield (
            case + " no b",
            "conv",
            {"x": x, "W": weights, "b": None, **geometry, "out": unset(N, P, Q, K)},
        )
        yield (
            case,
            "conv_transpose",
            {"y": y, "W": weights, "b": normal(C), **geometry, "out": unset(N, H, W, C)},
        )
        yield (
            case + " no b",
            "conv_transpose",
            {"y": y, "W": weights, "b": None, **geometry, "out": unset(N, H, W, C)},
        )
        yield case, "conv_weight_grad", {"x": x, "dy": y, **geometry, "out": unset(K, kh, kw, C)}
        yield (
            case + " add",
            "conv_weight_grad",
            {"x": x, "dy": y, **geometry, "out": normal(K, kh, kw, C), "add": True},
        )

    classes = rng.integers(0, 10, 300)
    for case, target in (("int64", classes), ("uint8", classes.astype(np.uint8))):
        output = {"dz": unset(300, 10), "value": unset(1)}
        yield (
            case,
            "softmax_cross_entropy",
            {"z": normal(300, 10), "target": target, "weight": 0.5, **output},
        )
    output = {"dz": unset(2, 3), "value": unset(1)}
    for case, z in (
        ("minus infinity", [[0, -np.inf, 1], [-np.inf, -np.inf, 2]]),
        ("nan", [[0, 1, np.nan], [0, 1, 2]]),
    ):
        given = {"z": np.array(z, dtype), "target": np.array([0, 2]), "weight": 1}
        yield case, "softmax_cross_entropy", {**given, **output}
    yield (
        "impossible class",
        "softmax_cross_entropy",
        {**given, "z": np.array([[-np.inf, 0, 0], [0, 0, 0]], dtype), **output},
    )
    output = {"dz": unset(3, 4), "value": unset(1)}
    far = {
        "z": np.array([[1e3, 0, -1e3, 1], [2, 2, 2, 2], [-90, 90, 0, 0]], dtype),
        "target": np.array([1, 3, 1]),
    }
    yield "far", "softmax_cross_entropy", {**far, "weight": 1, **output}

    # (N, H, W, C), kernel, stride, padding: windows that overlap, that leave gaps, and that reach
    # into the padding
    for (N, H, W, C), (kh, kw), (sh, sw), (ph, pw) in (
        ((2, 6, 4, 3), (2, 2), (2, 2), (0, 0)),
        ((2, 7, 8, 5), (3, 4), (2, 1), (1, 2)),
        ((3, 7, 5, 1), (1, 2), (3, 2), (0, 1)),
    ):
        P, Q = (H + 2 * ph - kh) // sh + 1, (W + 2 * pw - kw) // sw + 1
        geometry = {"kernel": (kh, kw), "stride": (sh, sw), "padding": (ph, pw)}
        x, dy = np.round(normal(N, H, W, C)), normal(N, P, Q, C)  # rounded: many values are equal
        unset_bytes = np.full((N, P, Q, C), 255, np.uint8)
        yield (
            f"{kh}x{kw}",
            "max_pool",
            {"x": x, **geometry, "out": unset(N, P, Q, C), "winner": unset_bytes},
        )
        odd = rng.choice([-np.inf, -np.inf, np.inf, np.nan, 1.0], (N, H, W, C)).astype(dtype)
        yield (
            f"{kh}x{kw} edges",
            "max_pool",
            {"x": odd, **geometry, "out": unset(N, P, Q, C), "winner": unset_bytes},
        )
        yield (
            f"{kh}x{kw} edges",
            "avg_pool",
            {"x": np.abs(odd), **geometry, "out": unset(N, P, Q, C)},
        )
        winner = rng.integers(0, kh * kw, (N, P, Q, C)).astype(np.uint8)
        infinite = np.full((N, P, Q, C), np.inf, dtype)
        yield (
            f"{kh}x{kw} infinite",
            "max_pool_backward",
            {"dy": infinite, "winner": winner, **geometry, "out": unset(N, H, W, C)},
        )
        yield (
            f"{kh}x{kw}",
            "max_pool_backward",
            {"dy": dy, "winner": winner, **geometry, "out": unset(N, H, W, C)},
        )
        yield f"{kh}x{kw}", "avg_pool", {"x": x, **geometry, "out": unset(N, P, Q, C)}
        yield f"{kh}x{kw}", "avg_pool_backward", {"dy": dy, **geometry, "out": unset(N, H, W, C)}
    for fh, fw in ((2, 2), (1, 3), (1, 1)):
        x, dy = normal(2, 3, 4, 5), normal(2, 3 * fh, 4 * fw, 5)
        yield (
            f"{fh}x{fw}",
            "upsample",
            {"x": x, "factor": (fh, fw), "out": unset(2, 3 * fh, 4 * fw, 5)},
        )
        yield (
            f"{fh}x{fw}",
            "upsample_backward",
            {"dy": dy, "factor": (fh, fw), "out": unset(2, 3, 4, 5)},
        )

    edge = np.nextafter(np.ones(2), 0, dtype=dtype)  # the largest draw
    for (N, H, W, C), reach in (((5, 4, 6, 3), 2), ((40, 7, 5, 1), 3), ((3, 29, 31, 1), 14)):
        x, draws = normal(N, H, W, C), rng.random((N, 2)).astype(dtype)
        draws[0], draws[1], draws[2] = 0, edge, (0, edge[0])
        for back in (False, True):
            arguments = {
                "x": x,
                "draws": draws,
                "reach": reach,
                "fill": -1.0,
                "out": unset(N, H, W, C),
                "back": back,
            }
            yield f"{H}x{W} {reach} {back}", "shift_images", arguments
        for size in (reach, reach + 1):
            yield (
                f"{H}x{W} {size}",
                "cut_out",
                {"x": x, "draws": draws, "size": size, "fill": 0.5, "out": unset(N, H, W, C)},
            )
    yield (
        images,
        "cut_out",
        {"x": x[:3], "draws": draws[:3], "size": 9, "fill": 0.0, "out": unset(*x[:3].shape)},
    )

    flat = 1000
    for momentum, nesterov in ((0.0, False), (0.9, False), (0.9, True)):
        arrays = {"value": normal(flat), "grad": normal(flat), "velocity": normal(flat)}
        yield (
            f"{momentum} {nesterov}",
            "sgd_step_",
            {
                **arrays,
                "step_and_rate": step_and_rate(),
                "momentum": momentum,
                "nesterov": nesterov,
            },
        )
    arrays = {"value": normal(flat), "grad": normal(flat), "square": positive(flat)}
    yield (
        "",
        "rmsprop_step_",
        {**arrays, "step_and_rate": step_and_rate(), "decay": 0.99, "eps": 1e-8},
    )
    for steps, beta1, weight_decay in ((0, 0.9, 0.0), (4, 0.5, 0.0), (900, 0.9, 0.01)):
        arrays = {
            "value": normal(flat),
            "grad": normal(flat),
            "m": normal(flat),
            "v": positive(flat),
        }
        settings = {"beta1": beta1, "beta2": 0.999, "eps": 1e-8, "weight_decay": weight_decay}
        yield (
            f"{steps}",
            "adam_step_",
            {**arrays, "step_and_rate": step_and_rate(steps), **settings},
        )

    # gradients whose squares leave float32
    far = np.array([0.0, 1e-30, -1e-12, 1e10, -1.5e19, 1e20], dtype)
    arrays = {"value": normal(6), "grad": far}
    yield (
        "far",
        "rmsprop_step_",
        {
            **arrays,
            "square": positive(6),
            "step_and_rate": step_and_rate(),
            "decay": 0.999,
            "eps": 1e-8,
        },
    )
    settings = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    yield (
        "far",
        "adam_step_",
        {**arrays, "m": normal(6), "v": positive(6), "step_and_rate": step_and_rate(), **settings},
    )

    pictures = rng.integers(0, 256, (30, 4, 5)).astype(np.uint8)
    index = np.append(rng.permutation(30)[:6], (0, 29))
    yield (
        "flat",
        "gather_rows",
        {"bytes_": pictures, "index": index, "scale": 2 / 255, "shift": -1.0, "out": unset(8, 20)},
    )
    yield (
        "shaped",
        "gather_rows",
        {"bytes_": pictures, "index": index, "scale": 1 / 255, "shift": 0.0, "out": unset(8, 4, 5)},
    )


ELSEWHERE = {  # primitives with tests of their own
    "empty",
    "zeros",
    "is_array",
    "asarray",
    "to_host",
    "all_finite",
    "stream",
}
NAMES = sorted({name for _, name, _ in cases("float32")})
CONTRACT = {name for name in vars(Ops) if not name.startswith("_")}


def of(primitive: str, dtype: str) -> list[tuple[str, dict[str, Any]]]:
    """The cases of one primitive: [(id, {argument: value}), ...]."""
    return [(case, given) for case, name, given in cases(dtype) if name == primitive]


def public(backend: object) -> set[str]:
    """The public names of a backend, apart from those that all backends inherit."""
    return {name for name in dir(backend) if not name.startswith("_")} - set(dir(Backend))


def run(
    ops: Any, name: str, given: dict[str, Any], channels_last: bool = False
) -> dict[str, np.ndarray]:
    """Call a primitive on copies of the arguments; return all arrays, afterwards, on the host."""

    def to_device(x: np.ndarray) -> Any:
        if channels_last and x.ndim == 4:
            rows = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
            return ops.asarray(rows).transpose(0, 3, 1, 2)
        return ops.asarray(x)

    here = {key: to_device(x) if isinstance(x, np.ndarray) else x for key, x in given.items()}
    getattr(ops, name)(**here)
    return {key: ops.to_host(x) for key, x in here.items() if ops.is_array(x)}


def reference(name: str, given: dict[str, Any]) -> dict[str, np.ndarray]:
    """The results of `NumpyOps`."""
    return run(NumpyOps(), name, given)
