"""benchmarks.step: its contenders and its table. No test depends on the time."""

import importlib.util
import sys

import numpy as np
import pytest

import benchmarks.step
from benchmarks.harness import requirements
from benchmarks.harness.contenders.steps import N_IMAGES, images, make_step
from gan.errors import RunError
from nn import DeviceError


def step_command(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["step", *words])
    return benchmarks.step.main()


@pytest.fixture
def with_torch(monkeypatch):
    """PyTorch seems to be installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(requirements, "version", lambda name: "2")


def test_contenders_see_the_same_images():
    assert images().shape == (N_IMAGES, 1, 28, 28) and images().dtype == np.uint8
    np.testing.assert_array_equal(images(), images())


def test_without_pytorch_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"PyTorch, .*pip install -e '\.\[bench\]'"):
        step_command(monkeypatch)


def test_without_jax_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(requirements, "has", lambda package: package == "torch")
    monkeypatch.setattr(requirements, "version", lambda package: "2")
    monkeypatch.setattr(benchmarks.step, "require_compiler", lambda: None)
    with pytest.raises(RunError, match=r"JAX, .*pip install -e '\.\[bench\]'"):
        step_command(monkeypatch, "--peers", "jax")


def test_compiling_without_a_compiler_is_an_error(monkeypatch, with_torch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    error = "expected a C.. compiler, found no no-such-compiler; .*--peers tuned"
    with pytest.raises(RunError, match=error):
        step_command(monkeypatch, "--peers", "compiled")


@pytest.mark.parametrize(
    "peers, contenders",
    [
        ("none", []),
        ("eager", ["eager"]),
        ("tuned", ["eager", "tuned"]),
        ("compiled", ["eager", "tuned", "compiled"]),
        ("jax", ["eager", "tuned", "compiled", "jax"]),
    ],
)
def test_the_peers_of_a_step(monkeypatch, capsys, with_torch, peers, contenders):
    calls = []

    def interleaved(names, *rest):
        calls.append(names)
        return {name: [1.0] for name in names}

    monkeypatch.setattr(benchmarks.step, "require_compiler", lambda: calls.append("a compiler"))
    monkeypatch.setattr(benchmarks.step, "interleaved", interleaved)
    assert step_command(monkeypatch, "--recipe", "dcgan", "--peers", peers) == 0
    assert calls == ["a compiler"] * ("compiled" in contenders) + [
        ["ours", "numpy", "floor", *contenders]
    ]
    out = capsys.readouterr().out
    assert all(f"{name} / ours" in out for name in contenders) and "ours / floor" in out
    versions = {"none": "", "jax": "\n\nPyTorch 2, JAX 2\n"}.get(peers, "\n\nPyTorch 2\n")
    assert out.endswith(versions)


# ---- on a GPU


def test_without_a_gpu_the_error_is_that_of_the_backend(monkeypatch):
    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", None)
    with pytest.raises(DeviceError, match="device 'cuda' needs CuPy"):
        step_command(monkeypatch, "--device", "cuda")
    with pytest.raises(DeviceError, match="TF32: expected device 'cuda'"):
        step_command(monkeypatch, "--tf32")


def test_jax_is_no_peer_on_a_gpu(monkeypatch, emulated_cupy_ops):
    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", emulated_cupy_ops)
    with pytest.raises(RunError, match="--peers: expected one of eager, .* got jax"):
        step_command(monkeypatch, "--device", "cuda", "--peers", "jax")


def test_pytorch_without_cuda_is_an_error(monkeypatch, emulated_cupy_ops):
    torch = pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", emulated_cupy_ops)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RunError, match="expected one that can use the GPU, got .*--peers none"):
        step_command(monkeypatch, "--device", "cuda")


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_on_a_gpu_all_contenders_have_the_same_settings(
    monkeypatch, emulated_cupy_ops, capsys, precision
):
    torch, calls = pytest.importorskip("torch"), []

    def interleaved(*args):
        calls.append(args)
        return {name: [0.25] for name in args[0]}

    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", emulated_cupy_ops)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(benchmarks.step, "interleaved", interleaved)
    words = ["--device", "cuda", "--recipe", "dcgan", "--rounds", "1"]
    words += ["--tf32"] if precision == "tf32" else []
    assert step_command(monkeypatch, *words) == 0
    names, settings = ["ours", "eager", "graphs", "compiled"], ("dcgan", "cuda", precision, "")
    assert calls == [(names, settings, 1, 10)]
    out, err = capsys.readouterr()
    assert "0.250" in out and "graphs / ours" in out and "floor" not in out
    assert ("TF32 products" in err) == (precision == "tf32")


def test_ours_trains_on_the_gpu_in_the_requested_precision(monkeypatch, emulated_cupy_ops):
    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", emulated_cupy_ops)
    step = make_step("ours", "mlp-leaky", "cuda", "tf32")
    trainer = step.__closure__[0].cell_contents
    assert trainer.ops.device == "cuda" and trainer.ops.tf32
    step()
    assert trainer.step_count == 1
