"""That the benchmarks measure what they say; no test here looks at a clock."""

import contextlib
import dataclasses
import sys
import types

import numpy as np
import pytest

import benchmarks.step
from benchmarks import gpu_floors
from benchmarks.harness import contenders as sides
from benchmarks.harness.clocks import CupyClock, TorchClock, WallClock, clock_of
from benchmarks.harness.floor import gflop, record_products, replay
from benchmarks.gpu_floors import count
from benchmarks.harness.contenders import N_IMAGES, images, make_step
from benchmarks.harness.tables import render
from benchmarks.harness.rounds import Side, ratio, timed
from gan.recipes import DIGITS, get_recipe, recipes_for
from gan.training.trainer import Trainer
from nn import DeviceError, get_ops

TWO_LAYER = [  # (rows, inner, columns) of each product of one step; a batch is 64, D sees 128 images at once.
    # A column times a row, D's last layer backward, is no matrix product: NumPy multiplies them.
    (64, 100, 512), (64, 512, 784),  # G makes images for D
    (128, 784, 512), (128, 512, 1), (512, 128, 1), (784, 128, 512),  # D, forward and backward
    (64, 100, 512), (64, 512, 784), (64, 784, 512), (64, 512, 1),  # G's update, forward
    (64, 512, 784), (512, 64, 784), (64, 784, 512), (100, 64, 512),  # and backward, through D to G
]  # fmt: skip


def products_of_a_step(recipe):
    ops = get_ops("cpu")
    return record_products(sides.ours(recipe, ops), ops), ops


def test_the_floor_is_the_products_of_the_step_in_their_order():
    products, _ = products_of_a_step(get_recipe("two-layer"))
    assert [(*a.shape, b.shape[1]) for a, b, _ in products] == TWO_LAYER
    assert gflop(products) == pytest.approx(sum(2e-9 * n * k * m for n, k, m in TWO_LAYER))


def test_replay_writes_the_products_where_they_went():
    products, ops = products_of_a_step(get_recipe("two-layer"))
    a, b, out = products[-1]
    out.fill(np.nan)
    replay(products, ops)
    np.testing.assert_allclose(out, a @ b, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", recipes_for(DIGITS))
def test_replaying_again_and_again_is_the_same_work(name):
    trainer = Trainer(dataclasses.replace(get_recipe(name), batch_size=4), images()[:8], np.arange(8))
    trainer.step()
    products = record_products(trainer.step, trainer.ops)
    replay(products, trainer.ops)
    once = [out.copy() for _, _, out in products]
    replay(products, trainer.ops)
    assert all(np.array_equal(x, out) for x, (_, _, out) in zip(once, products))


def test_recording_leaves_the_backend_as_it_was():
    ops = get_ops("cpu")
    with pytest.raises(ZeroDivisionError):
        record_products(lambda: 1 / 0, ops)
    assert "_product" not in vars(ops)


def test_sides_see_the_same_images():
    assert images().shape == (N_IMAGES, 28, 28) and images().dtype == np.uint8
    np.testing.assert_array_equal(images(), images())


def test_ratio_is_the_median_of_the_rounds_own_ratios():
    assert ratio([2, 4, 30], [1, 1, 10]) == (3, 2.5, 3.5)
    assert ratio([2], [1]) == (2, 2, 2)


def test_a_turn_takes_untimed_steps_first():
    calls = []
    assert timed(lambda: calls.append(1), 5) >= 0
    assert len(calls) > 5


def test_a_side_is_a_process_that_answers_and_ends():
    with Side("floor", ("mlp-leaky",)) as side:
        assert side.turn(2) > 0
    assert side.process.returncode == 0


def test_tables():
    header, rows = ["recipe", "ms"], [("a", 1), ("bcd", "10.5")]
    assert render(header, rows) == "recipe    ms\n------------\na          1\nbcd     10.5"
    assert render(header, rows, markdown=True) == "| recipe | ms |\n| --- | ---: |\n| a | 1 |\n| bcd | 10.5 |"


def test_without_pytorch_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["step"])
    monkeypatch.setattr(benchmarks.step.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(benchmarks.step.RunError, match=r"pip install -e '\.\[bench\]'"):
        benchmarks.step.main()


@pytest.mark.parametrize("name", recipes_for(DIGITS))
def test_peers_are_the_same_networks(name):
    torch = pytest.importorskip("torch")
    from benchmarks.harness.torch_steps import Eager, Tuned

    recipe, pictures = dataclasses.replace(get_recipe(name), batch_size=4), images()[:8]
    trainer, peer = Trainer(recipe, pictures, np.arange(8)), Eager(recipe, pictures)
    generator, discriminator = recipe.generator().build(0), recipe.discriminator().build(1)
    z = np.random.default_rng(0).standard_normal((5, recipe.n_in)).astype(np.float32)
    with torch.no_grad():
        x = peer.G.eval()(torch.from_numpy(z))
        y = peer.D.eval()(x)
    np.testing.assert_allclose(generator(z), x, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(discriminator(generator(z)), y, rtol=1e-4, atol=1e-5)
    assert trainer.generator.n_parameters == sum(p.numel() for p in peer.G.parameters())
    for peer in (Eager(recipe, pictures), Tuned(recipe, pictures)):
        before = [p.clone() for p in (*peer.G.parameters(), *peer.D.parameters())]
        peer()
        after = [*peer.G.parameters(), *peer.D.parameters()]
        assert all(p.requires_grad and not torch.equal(p, q) for p, q in zip(after, before))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's own, as it imports its compiler
@pytest.mark.parametrize("name", ["conv-r1r2", "two-layer", "dcgan"])
def test_the_compiled_step_is_the_tuned_one_in_three_pieces(monkeypatch, name):
    torch = pytest.importorskip("torch")
    from benchmarks.harness.torch_steps import Compiled, Tuned

    calls = []

    def compile_(part, dynamic):
        assert dynamic is False  # each size of batch for itself
        label = getattr(part, "__name__", "G")
        return part if label == "G" else lambda *x: calls.append((label, *map(len, x))) or part(*x)

    monkeypatch.setattr(torch, "compile", compile_)
    recipe, losses = dataclasses.replace(get_recipe(name), batch_size=4), []
    for make in (Tuned, Compiled):
        peer = make(recipe, images()[:40])
        peer()
        losses.append([loss.item() for loss in peer()])
    assert calls == 2 * [("judge_both", 4, 4), ("judge_fake", 4)]  # and nothing of the penalty
    assert losses[0] == losses[1] and np.isfinite(losses).all()


def test_compiling_without_a_compiler_is_an_error(monkeypatch):
    monkeypatch.setattr(benchmarks.step.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(benchmarks.step, "version", lambda name: "2")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(benchmarks.step.RunError, match="expected a C.. compiler, found no no-such-compiler; .*--peers tuned"):
        step_command(monkeypatch, "--peers", "compiled")


@pytest.mark.parametrize("real, fake", [(True, False), (False, True), (True, True)])
def test_autograds_penalty_is_ours(real, fake):
    torch = pytest.importorskip("torch")
    from benchmarks.harness.torch_steps import Eager
    from gan.objectives.penalties import ZeroCentered

    recipe = dataclasses.replace(get_recipe("conv-r1r2"), batch_size=4, penalty=ZeroCentered(3.0, real=real, fake=fake, every=2))
    trainer, peer = Trainer(recipe, images()[:8]), Eager(recipe, images()[:8])
    step, value = trainer.adversarial_step, np.empty(1, np.float32)
    step.images[...] = np.random.default_rng(0).uniform(-1, 1, step.images.shape)
    from benchmarks.harness.torch_networks import peer_of

    peer.D = peer_of(trainer.discriminator, (1, 28, 28))
    step.D.parameters.grad.flat[...] = 0
    step.D.forward(step.d_images, step.d_cache, train=True)
    onehot = step.conditioning.class_onehot
    recipe.penalty.add(step.D, step.d_cache, real=step.d_real, fake=step.d_fake, class_onehot=onehot, value=value)
    penalty = peer.penalty(*torch.from_numpy(step.images.copy()).split(4))
    penalty.backward()
    np.testing.assert_allclose(value[0], penalty.item(), rtol=1e-4)
    want = torch.cat([p.grad.abs().sum()[None] for p in peer.D.parameters() if p.ndim > 1]).numpy()
    got = [np.abs(leaf.dW).sum() for _, leaf in step.D.modules() if leaf.n_parameters]
    np.testing.assert_allclose(got, want, rtol=1e-3)
    assert peer.penalty(None, None) == 0.0  # not its turn


def test_convolutions_of_a_recipe_are_named_with_their_shapes():
    from benchmarks import conv

    found = conv.convolutions(get_recipe("conv-r1r2"))
    assert [name for name, _, _ in found] == [
        "G.4 ConvTranspose2d(64, 32, 4, stride=2, padding=1)", "G.7 ConvTranspose2d(32, 1, 4, stride=2, padding=1)",
        "D.0 Conv2d(1, 32, 4, stride=2, padding=1)", "D.2 Conv2d(32, 64, 4, stride=2, padding=1)",
    ]  # fmt: skip
    assert [shape for _, _, shape in found] == [(64, 7, 7), (32, 14, 14), (1, 28, 28), (32, 14, 14)]
    name, _, _ = conv.convolutions(get_recipe("dcgan"))[0]
    assert name.endswith(" ConvTranspose2d(256, 128, 3, padding=1)")


# ---- on a GPU


def step_command(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["step", *words])
    return benchmarks.step.main()


def test_without_a_gpu_the_error_is_the_backends(monkeypatch):
    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", None)
    with pytest.raises(DeviceError, match="device 'cuda' needs CuPy"):
        step_command(monkeypatch, "--device", "cuda")
    with pytest.raises(DeviceError, match="TF32: expected device 'cuda'"):
        step_command(monkeypatch, "--tf32")


def test_a_pytorch_without_cuda_is_an_error(monkeypatch, emulated_cupy_ops):
    torch = pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", emulated_cupy_ops)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(benchmarks.step.RunError, match="expected one that can use the GPU, got .*--peers none"):
        step_command(monkeypatch, "--device", "cuda")


@pytest.mark.parametrize("peers, sides", [
    ("none", []), ("eager", ["eager"]), ("tuned", ["eager", "tuned"]), ("compiled", ["eager", "tuned", "compiled"]),
])  # fmt: skip
def test_the_peers_of_a_step(monkeypatch, capsys, peers, sides):
    asked = []
    monkeypatch.setattr(benchmarks.step.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(benchmarks.step, "version", lambda name: "2")
    monkeypatch.setattr(benchmarks.step, "require_compiler", lambda: asked.append("a compiler"))
    turns = lambda names, *rest: asked.append(names) or {name: [1.0] for name in names}  # noqa: E731
    monkeypatch.setattr(benchmarks.step, "take_turns", turns)
    assert step_command(monkeypatch, "--recipe", "dcgan", "--peers", peers) == 0
    assert asked == ["a compiler"] * (peers == "compiled") + [["ours", "numpy", "floor", *sides]]
    assert [f"{side} / ours" in capsys.readouterr().out for side in sides[-1:]] == [True] * bool(sides)


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_on_a_gpu_every_side_is_told_the_same(monkeypatch, emulated_cupy_ops, capsys, precision):
    torch, asked = pytest.importorskip("torch"), []

    def turns(*what):
        asked.append(what)
        return {side: [0.25] for side in what[0]}

    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", emulated_cupy_ops)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(benchmarks.step, "take_turns", turns)
    words = ["--tf32"] if precision == "tf32" else []
    assert step_command(monkeypatch, "--device", "cuda", "--recipe", "dcgan", "--rounds", "1", *words) == 0
    assert asked == [(["ours", "eager", "graphs", "compiled"], ("dcgan", "cuda", precision), 1, 10)]
    out, err = capsys.readouterr()
    assert "0.250" in out and "graphs / ours" in out and "floor" not in out and ("TF32 products" in err) == (precision == "tf32")


def test_ours_trains_on_the_gpu_in_the_precision_asked_for(monkeypatch, emulated_cupy_ops):
    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", emulated_cupy_ops)
    step = make_step("ours", "mlp-leaky", "cuda", "tf32")
    trainer = step.__closure__[0].cell_contents
    assert trainer.ops.device == "cuda" and trainer.ops.tf32
    step()
    assert trainer.step_count == 1


def test_a_steps_operations_bytes_and_launches_are_counted(emulated_cupy_ops):
    ops = emulated_cupy_ops.CudaOps()
    x, W, y, b = (ops.zeros(shape, "float32") for shape in ((4, 3), (3, 5), (4, 5), (5,)))
    pictures, order = ops.asarray(np.zeros((9, 3), np.uint8)), ops.asarray(np.arange(4))
    calls = {  # launches, operations, bytes
        lambda: ops.gemm(x, W, out=y): (1, 2 * 4 * 3 * 5, 4 * (12 + 15 + 20)),
        lambda: ops.gemm(x, y, trans_a=True, out=W, add=True): (1, 2 * 3 * 4 * 5, 4 * (12 + 15 + 20)),
        lambda: ops.add_(y, b): (1, 0, 4 * (20 + 5)),
        lambda: ops.sum_rows(y, out=b): (1, 0, 4 * (20 + 5)),
        lambda: ops.copy_(y[:2], y[2:]): (1, 0, 4 * 20),
        lambda: ops.fill_(b, 1): (1, 0, 4 * 5),
        lambda: ops.gather_rows(pictures, order, 1.0, 0.0, out=x): (1, 0, 8 * 4 + 4 * 12),  # the images are left out
    }
    for call, wanted in calls.items():
        assert dataclasses.astuple(count(ops, call)) == wanted
    before = vars(ops).keys()
    assert not {"gemm", "copy_", "fill_", "launch", "kernel"} & before  # all as it was


def test_the_floors_of_a_recipe(monkeypatch, emulated_cupy_ops, capsys):
    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", emulated_cupy_ops)
    monkeypatch.setattr(sys, "argv", ["gpu_floors", "--recipe", "two-layer", "--card", "A100", "--markdown"])
    assert gpu_floors.main() == 0
    out, err = capsys.readouterr()
    name, launches, gflop_, megabytes, operations, moved = (cell.strip() for cell in out.splitlines()[2].strip("| ").split("|"))
    flop = sum(2 * n * k * m for n, k, m in [*TWO_LAYER, (128, 1, 512), (64, 1, 512)])  # and the columns times rows
    assert name == "two-layer" and int(launches) > 14 and gflop_ == f"{flop / 1e9:.3f}"
    assert operations == f"{flop / 19.5e6:.1f}" and float(moved) == pytest.approx(float(megabytes) / 2.04, abs=0.1)
    assert "rates of A100, float32" in err


def test_clocks():
    assert isinstance(clock_of("eager"), WallClock) and isinstance(clock_of("ours", "cuda"), CupyClock)
    assert isinstance(clock_of("eager", "cuda"), TorchClock)
    assert WallClock().milliseconds(1.0, 1.5) == 500


class Graph:
    """Stands in for torch.cuda.CUDAGraph: replay only says when."""

    def __init__(self):
        self.replays = []

    def replay(self):
        self.replays.append(self.clock())


@pytest.mark.parametrize("name", ["conv-clusters", "mlp-dropout"])
def test_graphs_are_replayed_where_it_is_their_turn_on_new_images(monkeypatch, name):
    torch = pytest.importorskip("torch")
    from benchmarks.harness import torch_on_gpu

    penalties, drawn = [], []
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "Stream", lambda: types.SimpleNamespace(wait_stream=lambda other: None))
    monkeypatch.setattr(torch.cuda, "current_stream", torch.cuda.Stream)
    monkeypatch.setattr(torch_on_gpu.Graphed, "adam_options", lambda self: {"fused": True})  # only a GPU has what is capturable
    original = torch_on_gpu.Graphed.penalty
    monkeypatch.setattr(torch_on_gpu.Graphed, "penalty", lambda self, *x: penalties.append(original(self, *x)) or penalties[-1])
    recipe = dataclasses.replace(get_recipe(name), batch_size=4)
    peer = torch_on_gpu.Graphed(recipe, images()[:40], "cpu")
    captured = [bool(torch.as_tensor(p) > 0) for p in penalties[-len(peer.graphs) :]]
    assert captured == ([True, False] if recipe.penalty else [False])
    Graph.clock = lambda self: len(drawn)
    for _ in range(10):
        peer()
        drawn.append(peer.next.tolist())
    assert len({n for batch in drawn for n in batch}) == 40  # an epoch, each image once
    if recipe.penalty:
        assert peer.graphs[0].replays == [0, 8] and peer.graphs[1].replays == [1, 2, 3, 4, 5, 6, 7, 9]
    else:
        assert peer.graphs[0].replays == list(range(10))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's own, as it imports its compiler
def test_the_compiled_side_compiles_both_networks_and_leaves_the_penalty_to_autograd(monkeypatch):
    torch = pytest.importorskip("torch")
    from benchmarks.harness import torch_on_gpu

    calls = []

    def compile_(net, mode):
        assert mode == "reduce-overhead"
        return Spy(net, calls)

    class Spy(torch.nn.Module):
        def __init__(self, net, calls):
            super().__init__()
            self.net, self.calls = net, calls

        def forward(self, x):
            self.calls.append(x.shape[0])
            return self.net(x)

    monkeypatch.setattr(torch, "compile", compile_)
    recipe = dataclasses.replace(get_recipe("conv-r1r2"), batch_size=4)
    peer = torch_on_gpu.Compiled(recipe, images()[:40], "cpu")
    before = [p.clone() for p in (*peer.G.parameters(), *peer.D.parameters())]
    peer()
    assert calls == [4, 8, 4]  # G, D on both, D on G's; neither image of the penalty
    assert all(not torch.equal(p, q) for p, q in zip((*peer.G.parameters(), *peer.D.parameters()), before))


def test_pytorch_is_told_its_precision():
    torch = pytest.importorskip("torch")
    from benchmarks.harness.torch_on_gpu import set_precision

    for tf32, name in ((True, "high"), (False, "highest")):
        set_precision(tf32)
        assert torch.get_float32_matmul_precision() == name and torch.backends.cudnn.allow_tf32 == tf32
