"""benchmarks.capture: where the time of a replay goes."""

import numpy as np
import pytest

pytest.importorskip("numba")

from benchmarks.harness.contenders.profiled import by_name, profile  # noqa: E402
from nn.ops.numba.ops import NumbaOps  # noqa: E402


def test_a_profile_has_a_line_for_each_primitive():
    ops, rng = NumbaOps(), np.random.default_rng(0)
    x, W, y = (ops.asarray(rng.standard_normal((64, 64)), np.float32) for _ in range(3))
    b = ops.zeros((64,), "float32")

    def step():
        ops.affine(x, W, b, out=y)
        ops.tanh(y, out=y)
        ops.tanh(y, out=y)

    lines, total, threads = profile(ops.capture(step), 5)
    assert [(line.name, line.floor > 0) for line in lines] == [
        ("affine", True),
        ("tanh", False),
        ("tanh", False),
    ]
    assert all(0 < line.time < 1e5 and line.tasks for line in lines) and threads >= 1
    assert sum(line.time for line in lines) <= threads * total * 2  # medians of each
    sums = {line.name: (line.arrays, line.time) for line in by_name(lines)}
    assert sums["tanh"] == ("2", lines[1].time + lines[2].time) and sums["affine"][0] == "1"
