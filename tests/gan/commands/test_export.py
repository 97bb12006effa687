"""`byhand export` and `byhand import`."""

import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
import safetensors.numpy

from gan.commands import export
from gan.commands.main import module_of
from gan.description import Description
from gan.exchange.importing import import_weights
from gan.generator_file import load_sampler
from gan.own_recipes import FORMER
from gan.recipes import RECIPES, get_recipe
from gan.runs.weights import save_trained
from nn import Conv2d, Dense, Flatten, Sequential, WeightsError, load_weights, save_weights
from nn.serialization.safetensors_files import write_safetensors
from nn.serialization.torch_state import to_torch_state
from tests.support.onnx_runtime import run_onnx
from tests.support.small import (
    TINY_BATCHNORM,
    assert_refused,
    command,  # noqa: F401
    trainer,
)
from tests.support.tools import assert_close

import_ = __import__(f"gan.commands.{module_of('import')}", fromlist=["main"])


@pytest.fixture
def weights(tmp_path):
    """The weights file of a run."""
    t = trainer(TINY_BATCHNORM)
    t.fit(steps=3)
    save_trained(tmp_path / "w.npz", t, {"note": "kept"})
    return tmp_path / "w.npz"


@pytest.fixture
def run(command, tmp_path):  # noqa: F811
    """Call `byhand export` in the folder of the weights file; returns its lines."""

    def call(*words, module=export):
        status, out, err = command(module, *words)
        assert (status, err) == (0, ""), err
        return out.splitlines()

    return call


def same_networks(path, other):
    """Whether two weights files hold the same numbers."""
    for name, network in load_weights(path)[0].items():
        twin = load_weights(other)[0][name]
        for part in ("value", "statistics"):
            a, b = (getattr(each.parameters, part).flat for each in (network, twin))
            if not np.array_equal(a, b):
                return False
    return True


def test_a_folder_gets_every_format(run, weights):
    pytest.importorskip("torch")
    lines = run("--weights", weights, "--to", "all/")
    assert lines == [
        "all/weights.safetensors: G and D in PyTorch's names",
        "all/weights.pt: G and D in PyTorch's names",
        "all/generator.onnx: G in opset 17, from z (N, 4) to images (N, 1, 28, 28)",
        "all/discriminator.onnx: D in opset 17, from images (N, 1, 28, 28) to score (N, 1)",
    ]
    sampler = load_sampler(weights)
    inputs = sampler.inputs(5, 1)
    images = run_onnx(onnx.load("all/generator.onnx"), z=inputs)
    assert_close(images[:, 0], sampler.images(inputs), 1e-5)
    D = load_weights(weights)[0]["D"]
    score = run_onnx(onnx.load("all/discriminator.onnx"), images=images)
    assert_close(score, D((2 * images - 1).reshape(5, -1)), 1e-5)


def test_without_a_library_the_rest_of_a_folder_is_written(run, weights, monkeypatch):
    for name in ("torch", "onnx"):
        monkeypatch.setitem(sys.modules, name, None)
    first, *rest = run("--weights", weights, "--network", "G", "--to", "some/")
    assert first == "some/weights.safetensors: G in PyTorch's names"
    assert [line[: line.index(" (")] for line in rest] == [
        f"some/{file}: not written: expected the library {library}, which is not installed or does "
        "not load"
        for file, library in (("weights.pt", "torch"), ("generator.onnx", "onnx"))
    ]
    assert rest[0].endswith("install it with  pip install torch")


def test_where_nothing_can_be_written_the_command_fails(command, weights, monkeypatch):  # noqa: F811
    for name in ("torch", "onnx", "safetensors.numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    status, out, err = command(export, "--weights", weights, "--to", "none/")
    assert status == 2 and out.count("not written") == 4
    assert err == "error: none: expected a format that can be written, got none; see above\n"


def test_safetensors_come_back(run, weights, monkeypatch):
    monkeypatch.setitem(RECIPES, "dcgan", TINY_BATCHNORM)
    run("--weights", weights, "--to", "w.safetensors")
    names = safetensors.numpy.load_file("w.safetensors").keys()
    assert {"G.0.weight", "G.1.running_var", "D.0.bias"} <= names
    lines = run("w.safetensors", "--recipe", "dcgan", "--out", "back.npz", module=import_)
    assert lines[:3] == ["back.npz: G and D of tiny", "", "  byhand predict --weights back.npz"]
    assert same_networks(weights, "back.npz")
    before, after = (load_sampler(path) for path in (weights, "back.npz"))
    assert np.array_equal(before.images(before.inputs(3, 1)), after.images(after.inputs(3, 1)))
    assert load_weights("back.npz")[1]["training"] == load_weights(weights)[1]["training"]


def test_pytorch_comes_back(run, weights, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setitem(RECIPES, "dcgan", TINY_BATCHNORM)
    run("--weights", weights, "--to", "w.pt")
    run("w.pt", "--recipe", "dcgan", "--out", "back.npz", module=import_)
    assert same_networks(weights, "back.npz")
    torch.save(torch.load("w.pt", weights_only=True)["G"], "g.pth")  # a state of G alone
    run("g.pth", "--recipe", "dcgan", "--out", "g.npz", module=import_)
    assert list(load_weights("g.npz")[0]) == ["G"] and same_networks("g.npz", weights)


def test_the_pretrained_generator_comes_back_with_its_clusters(run):
    run("--to", "digits.safetensors")
    run("digits.safetensors", "--recipe", "conv-clusters-hour", "--out", "back.npz", module=import_)
    before, after = load_sampler(export.pretrained(False)), load_sampler("back.npz")
    assert before.class_prior == after.class_prior and len(set(after.class_prior)) > 20
    assert np.array_equal(before.images(before.inputs(3, 1)), after.images(after.inputs(3, 1)))


def test_a_network_that_is_no_gan_is_exported_as_it_is(run, tmp_path):
    net = Sequential(Conv2d(1, 2, 3), Flatten(), Dense(8, 3), input_shape=(1, 4, 4)).build(seed=0)
    save_weights(tmp_path / "net.npz", {"net": net}, {"classes": ["a", "b", "c"]})
    (line,) = run("--weights", "net.npz", "--to", "net.onnx")
    assert line == "net.onnx: net in opset 17, from x (N, 1, 4, 4) to y (N, 3)"
    x = np.random.default_rng(0).random((2, 1, 4, 4), np.float32)
    assert_close(run_onnx(onnx.load("net.onnx"), x=x), net(x), 1e-5)


def test_what_cannot_be_exported_is_one_line(command, weights, tmp_path):  # noqa: F811
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    nets = {name: Sequential(Dense(2, 2)).build(seed=0) for name in ("a", "../b")}
    save_weights(tmp_path / "two.npz", nets)
    for words, message in (
        (("--to", "w.h5"), "expected a name that ends in .onnx, .safetensors, .pt or /, got 'w.h5"),
        (("--to", "full/"), "expected a new folder, got one with files"),
        (("--to", "w.npz"), "the ending chooses the format"),
        (("--network", "E", "--to", "e.onnx"), "expected a network 'E' in it, found G, D"),
        (("--weights", "two.npz", "--to", "two.onnx"), "got a, ../b; choose one with --network"),
        (("--weights", "none.npz", "--to", "x.onnx"), "none.npz: there is no such file"),
    ):
        assert_refused(command(export, "--weights", weights, *words), message)
    status, out, _ = command(export, "--weights", "two.npz", "--to", "two/")
    assert status == 0 and "not written: expected a network with a short name, got '../b'" in out
    assert not (tmp_path / "b.onnx").exists()


# ---- import


def state_of(recipe, prefix="G."):
    """The state of a new generator."""
    state = to_torch_state(recipe.generator().build(seed=1, device="numpy"))
    return {prefix + name: array for name, array in state.items()}


def test_a_recipe_for_other_images_and_classes(tmp_path, command):  # noqa: F811
    recipe = get_recipe("conv-r1r2-classes", (3, 28, 28))
    write_safetensors(tmp_path / "g.safetensors", state_of(recipe, "generator."), {})
    words = "g.safetensors", "--recipe", recipe.name, "--out", "w.npz"
    what_to_do = "; name the recipe and the image shape whose weights these are"
    assert_refused(command(import_, *words), "expected shape", what_to_do)
    assert command(import_, *words, "--image-shape", "3,28,28")[0] == 0
    sampler = load_sampler("w.npz")
    assert (sampler.image_shape, sampler.names[3]) == ((3, 28, 28), "3")
    assert_refused(command(import_, *words[:-1], "v.npz", "--image-shape", "2,9"), "got '2,9'")


def test_clusters_of_unknown_sizes_are_equally_likely(tmp_path):
    recipe = RECIPES["conv-clusters"]
    write_safetensors(tmp_path / "g.safetensors", state_of(recipe), {})
    _, description = import_weights(tmp_path / "g.safetensors", recipe)
    assert description.class_prior == (1 / 600,) * 600


@pytest.mark.parametrize("recipe", ["conv-clusters", "conv-classes-hour"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_says_how_many_clusters_there_are(recipe, channels, tmp_path):
    """Also in colour, for which the recipe has a number of its own."""
    made = replace(get_recipe(recipe, (channels, 16, 16)), clusters=7)
    made = replace(made, classes=4) if made.classes else made
    n = made.num_classes
    prior = tuple(np.arange(1, n + 1) / (n * (n + 1) / 2))
    info = Description(
        made.latent, made.image_range, made.classes, prior, recipe, image_shape=(channels, 16, 16)
    ).to_info()
    state = state_of(made)
    write_safetensors(tmp_path / "g.safetensors", state, info)
    networks, description = import_weights(tmp_path / "g.safetensors", get_recipe(recipe))
    assert description.class_prior == prior and description.classes == made.classes
    assert networks["G"].layers[0].n_in == made.n_in


def test_weights_of_a_former_recipe_are_imported_by_its_name(tmp_path, command):  # noqa: F811
    former = FORMER["conv-clusters"]
    write_safetensors(tmp_path / "g.safetensors", state_of(former), {})
    words = "g.safetensors", "--out", "w.npz", "--recipe"
    refused = command(import_, *words, "conv-clusters")
    assert_refused(refused, "if an earlier version trained them, conv-clusters-0.1")
    assert command(import_, *words, "conv-clusters-0.1")[0] == 0
    assert load_sampler("w.npz").condition.num_classes == 200


@pytest.mark.parametrize(
    ("change", "info", "words"),
    [
        ({"G.0.weight": None}, {}, "G: from_torch_state: the array '0.weight' is missing"),
        ({"G.7.weight": np.ones(3)}, {}, "the array '7.weight' was not expected"),
        ({"E.0.weight": np.ones(3)}, {}, "the array 'E.0.weight' was not expected"),
        ({"D.1.weight": np.ones(5)}, {}, "D: from_torch_state: the array '0.weight' is missing"),
        ({"G.0.weight": np.ones((6, 5))}, {}, r"expected shape \(6, 4\), got \(6, 5\)"),
        ({"G.0.bias": np.full(6, np.nan)}, {}, "G: from_torch_state: '0.bias': expected finite"),
        ({"G.0.bias": np.full(6, 1e300)}, {}, "G: from_torch_state: '0.bias': expected finite"),
        ({"G.1.running_var": -np.ones(6)}, {}, "expected values of at least 0, got -1"),
        ({}, {"latent": 3, "image_range": [0, 1]}, "not subscriptable"),
        ({}, {"latent": {"size": 4, "distribution": "x"}}, "expected a distribution of normal"),
    ],
)
def test_a_file_that_does_not_fit_the_recipe_is_refused(tmp_path, change, info, words):
    state = {k: v for k, v in (state_of(TINY_BATCHNORM) | change).items() if v is not None}
    path = tmp_path / "g.safetensors"
    write_safetensors(path, state, info)
    with pytest.raises(WeightsError, match=words) as caught:
        import_weights(path, TINY_BATCHNORM)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_of_another_recipe_names_it(tmp_path):
    info = {
        "latent": {"size": 4, "distribution": "normal"},
        "image_range": [-1, 1],
        "image_shape": TINY_BATCHNORM.image_shape,
        "recipe": "dcgan",
    }
    write_safetensors(tmp_path / "g.safetensors", {"G.0.bias": np.ones(2, np.float32)}, info)
    with pytest.raises(
        WeightsError, match="missing; .*; the file was exported from a run of dcgan"
    ):
        import_weights(tmp_path / "g.safetensors", TINY_BATCHNORM)


def test_a_small_file_cannot_ask_for_large_networks(tmp_path, monkeypatch):
    """For images of this size, G has 28 million parameters."""
    recipe = RECIPES["conv-clusters"]
    description = {
        "latent": {"size": 16, "distribution": "normal"},
        "image_range": [-1, 1],
        "image_shape": [3, 1024, 1024],
    }
    path = tmp_path / "g.safetensors"
    write_safetensors(path, {"G.0.weight": np.ones((2, 2), np.float32)}, description)
    monkeypatch.setattr(Sequential, "build", lambda *args, **how: pytest.fail("it was built"))
    with pytest.raises(WeightsError, match="is missing"):
        import_weights(path, recipe)


def test_a_file_of_another_format_is_refused(tmp_path, weights):
    with pytest.raises(WeightsError, match="ends in .safetensors, .pt, .pth, got another"):
        import_weights(weights, TINY_BATCHNORM)
