"""The two columns of docs/coming_from_pytorch.md are programs; byhand's gives PyTorch's figures."""

import re

import numpy as np
import pytest

import nn
from tests.support.source_tree import ROOT

TEXT = (ROOT / "docs" / "coming_from_pytorch.md").read_text()
TABLE = TEXT.split("|---|---|---|\n")[1].split("\n\n")[0]
ROWS = [re.findall(r"`([^`]+)`", line) for line in TABLE.splitlines()]
BATCH = np.random.default_rng(0)
X = BATCH.standard_normal((32, 784), dtype=np.float32)
TARGET = BATCH.integers(10, size=32)


def test_there_are_twelve_lines():
    assert [len(row) for row in ROWS] == 12 * [2]


def test_the_lines_of_byhand_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {**vars(nn), "x": X, "target": TARGET}
    for _, line in ROWS:
        exec(line, names)
    loss, before = float(names["loss"][0]), names["y"]
    assert 2 < loss < 3 and before.shape == (32, 10)  # about log 10
    assert names["n"] == 784 * 64 + 64 + 64 * 10 + 10
    assert names["g"].shape == (784, 64) and names["optimizer"].step_count == 1
    assert names["optimizer"].learning_rate == pytest.approx(1e-3, rel=1e-3)
    assert np.array_equal(names["net"](X), before)  # saved and loaded


def test_the_lines_of_pytorch_give_the_same_figures(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from nn.serialization.torch_state import to_torch_state

    monkeypatch.chdir(tmp_path)
    ours = {**vars(nn), "x": X, "target": TARGET}
    theirs = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional}
    theirs |= {"x": torch.from_numpy(X), "target": torch.from_numpy(TARGET)}
    for number, (left, right) in enumerate(ROWS):
        exec(right, ours)
        exec(left, theirs)
        if number == 1:  # the same weights
            state = to_torch_state(ours["net"])
            theirs["net"].load_state_dict({k: torch.from_numpy(a) for k, a in state.items()})
    assert ours["n"] == theirs["n"]
    assert float(ours["loss"][0]) == pytest.approx(float(theirs["loss"].detach()), rel=1e-5)
    norm = float(ours["optimizer"].grad_norm[0])
    assert norm == pytest.approx(float(theirs["norm"].detach()), rel=1e-4)
    np.testing.assert_allclose(ours["g"].T, theirs["g"].numpy(), atol=1e-6)
    np.testing.assert_allclose(ours["y"], theirs["y"].numpy(), atol=1e-4)
    rate = theirs["optimizer"].param_groups[0]["lr"]
    assert ours["optimizer"].learning_rate == pytest.approx(rate, rel=1e-6)
