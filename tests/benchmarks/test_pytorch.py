"""That PyTorch's contenders do the same work as ours."""

import contextlib
import dataclasses
import types

import numpy as np
import pytest

from benchmarks.harness.contenders.steps import images
from gan.data.stacked import StackedDigits, random_triples
from gan.objectives.penalties import ZeroCentered
from gan.recipes import RECIPES, get_recipe
from gan.training.trainer import Trainer
from nn import Dense
from nn.cache import Cache

torch = pytest.importorskip("torch")

from benchmarks.harness.pytorch import gpu_steps  # noqa: E402
from benchmarks.harness.pytorch.eager_steps import Eager  # noqa: E402
from benchmarks.harness.pytorch.networks import peer_of  # noqa: E402
from benchmarks.harness.pytorch.tuned_steps import Compiled, Tuned  # noqa: E402


def weights_of(peer):
    return [*peer.G.parameters(), *peer.D.parameters()]


@pytest.mark.parametrize("name", RECIPES)
def test_peers_are_the_same_networks(name):
    recipe = dataclasses.replace(get_recipe(name), batch_size=4)
    some = images(8, recipe.image_shape)
    ours = some
    if recipe.clusters_per_image > 1:
        ours = StackedDigits(images(8), random_triples(8, 8, 0))
    trainer, peer = Trainer(recipe, ours, np.arange(8)), Eager(recipe, some)
    generator, discriminator = recipe.generator().build(0), recipe.discriminator().build(1)
    z = np.random.default_rng(0).standard_normal((5, recipe.n_in)).astype(np.float32)
    with torch.no_grad():
        x = peer.G.eval()(torch.from_numpy(z))
        y = peer.D.eval()(x)
    np.testing.assert_allclose(generator(z), x, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(discriminator(generator(z)), y, rtol=1e-4, atol=1e-5)
    assert trainer.generator.n_parameters == sum(p.numel() for p in peer.G.parameters())
    for peer in (Eager(recipe, some), Tuned(recipe, some)):
        before = [p.clone() for p in weights_of(peer)]
        peer()
        assert all(p.requires_grad for p in weights_of(peer))
        # D's last bias cancels in an objective of pairs, but for rounding
        moved = [not torch.equal(p, q) for p, q in zip(weights_of(peer), before)]
        assert all(moved[:-1]) and (moved[-1] or recipe.objective.pairs)


def test_an_objective_of_pairs_is_ours():
    recipe = dataclasses.replace(get_recipe("stacked-ours"), batch_size=4, penalty=None)
    some = images(8, recipe.image_shape)
    for make in (Eager, Tuned):
        peer, outputs = make(recipe, some), []
        peer.D.register_forward_hook(lambda *x, outputs=outputs: outputs.append(x[-1].detach()))
        losses = [loss.item() for loss in peer()]
        outputs = [half for output in outputs for half in output.split(4)]
        (d_real, d_fake, g_fake, g_real), objective = outputs, recipe.objective
        want = [
            objective.loss((a - b).numpy(), 1.0, Cache(Dense(1, 1).build(0)))[0][0]
            for a, b in ((d_real, d_fake), (g_fake, g_real))
        ]
        np.testing.assert_allclose(losses, want, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's, as it imports its compiler
@pytest.mark.parametrize("name", ["conv-r1r2", "two-layer", "dcgan"])
def test_the_compiled_step_is_the_tuned_one_in_three_pieces(monkeypatch, name):
    calls = []

    def fake_compile(part, dynamic):
        assert dynamic is False  # each batch size is compiled separately
        label = getattr(part, "__name__", "G")
        if label == "G":
            return part
        return lambda *x: calls.append((label, *map(len, x))) or part(*x)

    monkeypatch.setattr(torch, "compile", fake_compile)
    recipe, losses = dataclasses.replace(get_recipe(name), batch_size=4), []
    for make in (Tuned, Compiled):
        peer = make(recipe, images()[:40])
        peer()
        losses.append([loss.item() for loss in peer()])
    assert calls == 2 * [("d_loss", 4, 4), ("g_loss", 4)]  # not the penalty
    assert losses[0] == losses[1] and np.isfinite(losses).all()


@pytest.mark.parametrize("real, fake", [(True, False), (False, True), (True, True)])
def test_the_penalty_of_autograd_equals_ours(real, fake):
    penalty = ZeroCentered(3.0, real=real, fake=fake, every=2)
    recipe = dataclasses.replace(get_recipe("conv-r1r2"), batch_size=4, penalty=penalty)
    trainer, peer = Trainer(recipe, images()[:8]), Eager(recipe, images()[:8])
    step, value = trainer.adversarial_step, np.empty(1, np.float32)
    step.images[...] = np.random.default_rng(0).uniform(-1, 1, step.images.shape)
    peer.D = peer_of(trainer.discriminator, (1, 28, 28))
    step.D.parameters.grad.flat[...] = 0
    step.D.forward(step.d_images, step.d_cache, train=True)
    penalty.add(
        step.D,
        step.d_cache,
        real=step.d_real,
        fake=step.d_fake,
        class_onehot=step.conditioning.class_onehot,
        value=value,
    )
    expected = peer.penalty(*torch.from_numpy(step.images.copy()).split(4))
    expected.backward()
    np.testing.assert_allclose(value[0], expected.item(), rtol=1e-4)
    want = [p.grad.abs().sum().item() for p in peer.D.parameters() if p.ndim > 1]
    got = [np.abs(layer.dW).sum() for _, layer in step.D.modules() if layer.n_parameters]
    np.testing.assert_allclose(got, want, rtol=1e-3)
    assert peer.penalty(None, None) == 0.0  # not due in this step


@pytest.mark.parametrize("decay", [0.9, None])
def test_the_moving_average_follows_g(decay):
    recipe = dataclasses.replace(get_recipe("dcgan"), batch_size=4, ema_decay=decay)
    peer = Tuned(recipe, images()[:8])
    if decay is None:
        peer()
        assert peer.generator_ema is None
        return
    averages = [*peer.generator_ema.parameters(), *peer.generator_ema.buffers()]
    values = [*peer.G.parameters(), *peer.G.buffers()]
    before = [average.clone() for average in averages]
    peer()
    assert any(average.is_floating_point() for average in peer.generator_ema.buffers())
    for average, value, old in zip(averages, values, before):
        if average.is_floating_point():
            torch.testing.assert_close(average, 0.9 * old + 0.1 * value)
            assert not torch.equal(average, old)


class FakeGraph:
    """Replaces torch.cuda.CUDAGraph: a replay only notes how many there were before."""

    def __init__(self):
        self.replays = []

    def replay(self):
        self.replays.append(self.clock())


@pytest.mark.parametrize("name", ["conv-clusters", "mlp-dropout"])
def test_graphs_are_replayed_when_due_and_on_new_images(monkeypatch, name):
    penalties, batches = [], []
    original = gpu_steps.Graphed.penalty

    def penalty(self, *x):
        penalties.append(original(self, *x))
        return penalties[-1]

    def no_context(*args):
        return contextlib.nullcontext()

    def fake_stream():
        return types.SimpleNamespace(wait_stream=lambda other: None)

    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "graph", no_context)
    monkeypatch.setattr(torch.cuda, "stream", no_context)
    monkeypatch.setattr(torch.cuda, "Stream", fake_stream)
    monkeypatch.setattr(torch.cuda, "current_stream", fake_stream)
    # without "capturable", which needs a GPU
    monkeypatch.setattr(gpu_steps.Graphed, "adam_options", lambda self: {"fused": True})
    monkeypatch.setattr(gpu_steps.Graphed, "penalty", penalty)
    recipe = dataclasses.replace(get_recipe(name), batch_size=4)
    peer = gpu_steps.Graphed(recipe, images()[:40], "cpu")
    captured = [bool(torch.as_tensor(p) > 0) for p in penalties[-len(peer.graphs) :]]
    assert captured == ([True, False] if recipe.penalty else [False])
    monkeypatch.setattr(FakeGraph, "clock", lambda self: len(batches), raising=False)
    for _ in range(10):
        peer()
        batches.append(peer.indices.tolist())
    assert len({n for batch in batches for n in batch}) == 40  # an epoch, each image once
    if recipe.penalty:
        assert peer.graphs[0].replays == [0, 8]
        assert peer.graphs[1].replays == [1, 2, 3, 4, 5, 6, 7, 9]
    else:
        assert peer.graphs[0].replays == list(range(10))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's, as it imports its compiler
def test_on_a_gpu_both_networks_are_compiled_but_not_the_penalty(monkeypatch):
    calls = []

    class Spy(torch.nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            calls.append(x.shape[0])
            return self.net(x)

    def fake_compile(net, mode):
        assert mode == "reduce-overhead"
        return Spy(net)

    monkeypatch.setattr(torch, "compile", fake_compile)
    recipe = dataclasses.replace(get_recipe("conv-r1r2"), batch_size=4)
    peer = gpu_steps.Compiled(recipe, images()[:40], "cpu")
    before = [p.clone() for p in weights_of(peer)]
    peer()
    assert calls == [4, 8, 4]  # G, D on both, D on G's; no batch of the penalty
    assert not any(torch.equal(p, q) for p, q in zip(weights_of(peer), before))


def test_the_precision_of_pytorch_is_set():
    for tf32, name in ((True, "high"), (False, "highest")):
        gpu_steps.set_precision(tf32)
        assert torch.get_float32_matmul_precision() == name
        assert torch.backends.cudnn.allow_tf32 == tf32
