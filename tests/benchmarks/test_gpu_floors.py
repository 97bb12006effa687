"""benchmarks.gpu_floors: what it counts."""

import dataclasses
import sys

import numpy as np
import pytest

from benchmarks import gpu_floors
from benchmarks.gpu_floors import count
from tests.benchmarks.support import TWO_LAYER_PRODUCTS


def test_operations_bytes_and_launches_are_counted(emulated_cupy_ops):
    ops = emulated_cupy_ops.CudaOps()
    x, W, y, b = (ops.zeros(shape, "float32") for shape in ((4, 3), (3, 5), (4, 5), (5,)))
    images, order = ops.asarray(np.zeros((9, 3), np.uint8)), ops.asarray(np.arange(4))
    calls = {  # launches, operations, bytes
        lambda: ops.gemm(x, W, out=y): (1, 2 * 4 * 3 * 5, 4 * (12 + 15 + 20)),
        lambda: ops.gemm(x, y, trans_a=True, out=W, add=True): (
            1,
            2 * 3 * 4 * 5,
            4 * (12 + 15 + 20),
        ),
        lambda: ops.add_(y, b): (1, 0, 4 * (20 + 5)),
        lambda: ops.sum_rows(y, out=b): (1, 0, 4 * (20 + 5)),
        lambda: ops.copy_(y[:2], y[2:]): (1, 0, 4 * 20),
        lambda: ops.fill_(b, 1): (1, 0, 4 * 5),
        # the images are left out
        lambda: ops.gather_rows(images, order, 1.0, 0.0, out=x): (1, 0, 8 * 4 + 4 * 12),
    }
    for call, wanted in calls.items():
        assert dataclasses.astuple(count(ops, call)) == wanted
    assert not {"gemm", "copy_", "fill_", "launch", "kernel"} & vars(ops).keys()  # restored


def test_the_floors_of_a_recipe(monkeypatch, emulated_cupy_ops, capsys):
    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", emulated_cupy_ops)
    words = ["--recipe", "two-layer", "--card", "A100", "--markdown"]
    monkeypatch.setattr(sys, "argv", ["gpu_floors", *words])
    assert gpu_floors.main() == 0
    out, err = capsys.readouterr()
    cells = [cell.strip() for cell in out.splitlines()[2].strip("| ").split("|")]
    name, launches, gflop, megabytes, operations, moved = cells
    products = [*TWO_LAYER_PRODUCTS, (128, 1, 512), (64, 1, 512)]  # and the columns times rows
    flop = sum(2 * n * k * m for n, k, m in products)
    assert name == "two-layer" and int(launches) > 14 and gflop == f"{flop / 1e9:.3f}"
    assert operations == f"{flop / 19.5e6:.1f}"
    assert float(moved) == pytest.approx(float(megabytes) / 2.04, abs=0.1)
    assert "rates of A100, float32" in err
