"""The recipes: settings of those that follow a project, networks that fit, and the table."""

import re
from dataclasses import replace

import numpy as np
import pytest

from gan.errors import RunError
from gan.latent import Latent
from gan.objectives.objectives import NonSaturating
from gan.objectives.penalties import ZeroCentered
from gan.own_recipes import FEATURES, FORMER
from gan.recipes import DEFAULT, DIGITS, RECIPES, get_recipe, recipes_for, table
from nn import (
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    InverseSqrtSchedule,
    LeakyReLU,
    Normal,
    ReLU,
    Sigmoid,
    Tanh,
)
from tests.support.small import CHECKOUT

NARROW_G, NARROW_D = [100, 32, 64, 128, 784], [784, 128, 64, 32, 1]


def mlp(sizes, *hidden, last=(), **settings):
    """The reprs of an MLP's layers; {n} in `hidden` stands for the width."""
    layers = []
    for i, (n_in, n_out) in enumerate(zip(sizes, sizes[1:])):
        layers.append(repr(Dense(n_in, n_out, **settings)))
        layers += [h.format(n=n_out) for h in hidden] if i < len(sizes) - 2 else last
    return layers


# G, D, latent, image range, real target, weight of D's loss, learning rate, beta1, batch, epochs
EXPECTED = {
    "mlp-dropout": (
        mlp(NARROW_G, "LeakyReLU(slope=0.2)", "Dropout(p=0.3)", last=["Tanh()"]),
        mlp(NARROW_D, "LeakyReLU(slope=0.2)", "Dropout(p=0.3)"),
        (100, "uniform"),
        (-1, 1),
        1.0,
        1.0,
        0.002,
        0.9,
        64,
        100,
    ),
    "two-layer": (
        mlp([100, 512, 784], "LeakyReLU()", last=["Sigmoid()"], init=Normal(0.02)),
        mlp([784, 512, 1], "ReLU()", last=["Sigmoid()"], init=Normal(0.02)),
        (100, "normal"),
        (0, 1),
        1.0,
        1.0,
        0.0002,
        0.5,
        64,
        100,
    ),
    "mlp-batchnorm": (
        mlp([64, 128, 256, 512, 1024, 784], "BatchNorm({n})", "ReLU()", last=["Sigmoid()"]),
        mlp([784, 512, 256, 128, 1], "LeakyReLU(slope=0.2)"),
        (64, "normal"),
        (0, 1),
        1.0,
        0.5,
        0.00001,
        0.9,
        128,
        200,
    ),
    "mlp-leaky": (
        mlp(NARROW_G, "LeakyReLU(slope=0.2)", last=["Tanh()"]),
        mlp(NARROW_D, "LeakyReLU(slope=0.2)"),
        (100, "uniform"),
        (-1, 1),
        0.9,
        1.0,
        0.002,
        0.9,
        64,
        50,
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recipe_keeps_the_settings_of_its_origin(name):
    G, D, latent, image_range, real_target, weight, learning_rate, beta1, batch_size, epochs = (
        EXPECTED[name]
    )
    recipe = get_recipe(name)
    assert list(map(repr, recipe.generator())) == G
    assert list(map(repr, recipe.discriminator())) == D
    assert (recipe.latent.size, recipe.latent.distribution) == latent
    assert recipe.image_range == image_range
    assert (recipe.objective.real_target, recipe.objective.weight) == (real_target, weight)
    assert (recipe.learning_rate, recipe.beta1) == (learning_rate, beta1)
    assert (recipe.batch_size, recipe.epochs, recipe.steps) == (batch_size, epochs, None)


# a repr that hid its argument would fool the test above
def test_slopes_and_drop_rates_are_attributes_too():
    types = {type(layer): layer for layer in get_recipe("mlp-dropout").generator()}
    assert types[LeakyReLU].slope == 0.2 and types[Dropout].p == 0.3
    two_layer = get_recipe("two-layer")
    assert two_layer.generator()[1].slope == 0.01 and type(two_layer.discriminator()[1]) is ReLU
    batchnorm = get_recipe("mlp-batchnorm").generator()[1]
    assert type(batchnorm) is BatchNorm and (batchnorm.eps, batchnorm.momentum) == (1e-5, 0.1)


def test_two_layers_weights_are_normal_002_and_its_biases_zero():
    for network in (get_recipe("two-layer").generator(), get_recipe("two-layer").discriminator()):
        network.build(seed=3)
        for layer in (network[0], network[2]):
            assert not layer.b.any()
        W = network[0].W
        assert abs(W.std() - 0.02) < 0.0002 and abs(W.mean()) < 0.0005
        assert np.abs(W).max() > 3 * 0.02  # normal, not uniform


def networks(recipe):
    return recipe.generator(), recipe.discriminator()


def documented():
    """The table of docs/recipes.md that says what the projects state, {recipe: {aspect: text}}."""
    page = (CHECKOUT / "docs" / "recipes.md").read_text()
    section = page.split("## What the projects state\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    head, _, *body = rows
    assert all(len(row) == len(head) + 1 and all(row) for row in body)
    return {
        name.strip("`"): {row[0]: row[i].replace("*", "") for row in body}
        for i, name in enumerate(head, 1)
    }


def test_the_documents_say_what_each_project_states():
    table, after = documented(), "after: "
    assert list(table) == [name for name in RECIPES if RECIPES[name].origin.startswith(after)]
    for name, says in table.items():
        recipe = RECIPES[name]
        assert after + says["project"] == recipe.origin
        assert f"{recipe.latent.size} values, {recipe.latent.distribution}(" in says["noise"]
        assert float(says["learning rate of Adam"].split(",")[0]) == recipe.learning_rate
        assert says["betas of Adam"] == f"{recipe.beta1}, {recipe.beta2}"
        assert says["batch, epochs"] == f"{recipe.batch_size}, {recipe.epochs}"
        target = recipe.objective.real_target
        smoothing = "none" if target == 1 else f"{target} in D's loss"
        assert says["smoothing of real labels"] == smoothing
        sum_or_mean = {1.0: "sum", 0.5: "mean"}[recipe.objective.weight]
        assert f"{sum_or_mean} of real and generated" in says["loss"]
        assert recipe.fresh_noise and says["order of updates"] == "D, then G"
        layers = [layer for network in networks(recipe) for layer in network]
        kernels = [str(layer.kernel) for layer in layers if hasattr(layer, "kernel")]
        assert re.findall(r"\d", says["kernels"])[: len(kernels)] == kernels
        if name != "dcgan":
            widths = [[n.n_out for n in net if isinstance(n, Dense)] for net in networks(recipe)]
            assert says["widths of G"] == "-".join(map(str, [recipe.n_in, *widths[0]]))
            assert says["widths of D"] == "-".join(map(str, [784, *widths[1]]))


def test_no_text_claims_that_a_recipe_is_a_copy():
    texts = [(CHECKOUT / path).read_text() for path in ("docs/recipes.md", "gan/recipes.py")]
    assert not any(re.search("to the letter|settings exactly", text) for text in texts)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipes_networks_fit_each_other_and_its_images(name):
    recipe = get_recipe(name)
    G, D = recipe.generator(), recipe.discriminator()
    shape = G.output_shape((recipe.n_in,))
    assert np.prod(shape) == np.prod(recipe.image_shape)
    assert D.output_shape(shape) == (recipe.n_out,)
    assert (recipe.epochs is None) != (recipe.steps is None)
    last = {Tanh: (-1, 1), Sigmoid: (0, 1)}
    assert recipe.image_range == last[type(G[-1])]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_makes_new_networks_each_time(name):
    recipe = get_recipe(name)
    assert recipe.generator() is not recipe.generator()


def test_the_default_is_a_recipe_under_its_own_name():
    assert get_recipe(DEFAULT).name == DEFAULT
    assert all(recipe.name == name for name, recipe in RECIPES.items())


def test_unknown_recipe_error_lists_the_known_ones():
    with pytest.raises(RunError) as error:
        get_recipe("mlp")
    assert "'mlp'" in str(error.value)
    assert all(name in str(error.value) for name in RECIPES)


def test_a_recipe_for_other_images_is_refused_by_name():
    with pytest.raises(
        RunError,
        match="recipe stacked-ours: expected images of 28 x 28 in colour, .*, got 28 x 28 in grey; "
        "take a recipe for any images",
    ):
        get_recipe("stacked-ours", DIGITS)
    assert get_recipe("stacked-ours").image_shape == (3, 28, 28)


FOR_ANY_IMAGES = [name for name, recipe in RECIPES.items() if recipe.make_networks]


@pytest.mark.parametrize("side", [16, 28, 32, 48, 64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", FOR_ANY_IMAGES)
def test_our_recipes_are_for_images_of_any_size(name, channels, side):
    recipe = get_recipe(name, (channels, side, side))
    G, D = recipe.generator(), recipe.discriminator()
    made = G.output_shape((recipe.n_in,))
    assert np.prod(made) == channels * side * side and D.output_shape(made) == (recipe.n_out,)


def test_the_recipes_for_any_images_are_ours():
    assert FOR_ANY_IMAGES == [
        "conv-clusters",
        "conv-clusters-hour",
        "conv-r1r2",
        "conv-r1r2-classes",
        "conv-classes-hour",
        "mlp-smoothed",
    ]


@pytest.mark.parametrize(
    "name, count",
    [("conv-clusters", 600), ("conv-clusters-hour", 600), ("conv-classes-hour", 600)],
)
def test_the_outputs_for_many_clusters_share_features(name, count):
    recipe = get_recipe(name)
    assert recipe.num_classes == count
    *_, hidden, heads = recipe.discriminator().layers
    assert (hidden.n_out, heads.n_in, heads.n_out) == (FEATURES, FEATURES, count)
    grey = get_recipe(name, (1, 48, 48)).discriminator().layers
    assert grey[-1].n_in == FEATURES


@pytest.mark.parametrize(
    "name, weight, beta2, average, steps",
    [
        ("conv-clusters", 0.2, 0.99, 0.999, 12_000),
        ("conv-clusters-hour", 0.5, 0.995, 0.9998, 160_000),
        ("conv-classes-hour", 0.5, 0.995, 0.9998, 120_000),
    ],
)
def test_a_recipe_with_clusters_is_the_one_that_was_measured(name, weight, beta2, average, steps):
    recipe = get_recipe(name)
    assert recipe.penalty == ZeroCentered(weight, every=8)
    assert (recipe.beta2, recipe.ema_decay, recipe.steps) == (beta2, average, steps)
    assert recipe.schedule == InverseSqrtSchedule(4_000) and recipe.latent == Latent(32)


def test_networks_for_colour_are_those_that_were_measured():
    recipe = get_recipe("conv-clusters", (3, 32, 32))
    assert (recipe.clusters, recipe.discriminator().layers[-1].n_in) == (200, 192 * 4 * 4)


@pytest.mark.parametrize("name", FORMER)
def test_a_former_recipe_is_known_by_its_own_name_only(name):
    former = FORMER[name]
    assert get_recipe(former.name) is former and former.name not in table()
    assert (former.latent, former.clusters, former.schedule) == (Latent(16, "normal"), 200, None)
    assert (former.learning_rate, former.beta1, former.beta2) == (1e-3, 0.5, 0.99)
    assert (former.batch_size, former.fresh_noise, former.objective) == (16, False, NonSaturating())
    assert former.penalty == ZeroCentered(0.2, every=8)
    averaged, steps = (0.9995, 100_000) if name.endswith("hour") else (0.999, 12_000)
    assert (former.ema_decay, former.steps) == (averaged, steps)
    assert former.generator().build(0).n_parameters == 714_017
    assert former.discriminator().build(0).n_parameters == 660_776


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(RunError, match="expected sides divisible by 4, .*, got 30 x 30; scale"):
        get_recipe("conv-r1r2", (1, 30, 30))


def test_the_table_has_a_line_for_each_recipe():
    head, *lines = table().splitlines()
    assert head.split() == ["recipe", "length", "batch", "learning", "rate", "parameters", "origin"]
    assert [line.split()[0] for line in lines] == list(recipes_for(DIGITS))
    line = next(line for line in lines if line.startswith("mlp-batchnorm "))
    weights = (
        64 * 128
        + 128 * 256
        + 256 * 512
        + 512 * 1024
        + 1024 * 784
        + 784 * 512
        + 512 * 256
        + 256 * 128
        + 128
    )
    # batch norm has two more for each unit
    biases = 3 * (128 + 256 + 512 + 1024) + 784 + 512 + 256 + 128 + 1
    assert line.split()[1:6] == ["200", "epochs", "128", "1e-05", f"{weights + biases:,}"]


@pytest.mark.parametrize(
    "side, stages", [(4, 2), (16, 2), (28, 2), (32, 3), (36, 2), (48, 3), (64, 4)]
)
def test_small_networks_halve_images_to_seven_pixels_or_less(side, stages):
    for channels, width in ((1, 32), (3, 48)):
        recipe = get_recipe("conv-clusters", (channels, side, side))
        D, G = recipe.discriminator().layers, recipe.generator()
        assert [layer.c_out for layer in D if isinstance(layer, Conv2d)] == [
            width * 2**k for k in range(stages)
        ]
        assert G.output_shape((recipe.n_in,)) == (channels, side, side)


@pytest.mark.parametrize("name", ["conv-clusters", "conv-r1r2", "conv-r1r2-classes"])
def test_the_learning_rates_for_colour_images_fall(name):
    grey, colour = get_recipe(name, (1, 32, 32)), get_recipe(name, (3, 32, 32))
    falls_in_grey = InverseSqrtSchedule(4_000) if name == "conv-clusters" else None
    assert grey.schedule == get_recipe(name).schedule == falls_in_grey
    assert colour.schedule == InverseSqrtSchedule(4_000)
    assert colour.penalty == ZeroCentered(0.2, every=8)


def test_settings_for_colour_take_the_place_of_the_recipes_once():
    recipe = replace(get_recipe("conv-clusters"), colour={"batch_size": 8, "beta1": 0.0})
    assert recipe.for_images((1, 32, 32)).batch_size == 16
    made = recipe.for_images((3, 32, 32))
    assert (made.batch_size, made.beta1, made.latent.size) == (8, 0.0, 32)
    assert hash(recipe) == hash(replace(recipe))
    assert replace(made, batch_size=4).for_images((3, 48, 48)).batch_size == 4


def test_a_recipe_that_is_made_for_colour_is_as_it_says():
    recipe = get_recipe("stacked-ours")
    assert recipe.schedule is None and recipe.penalty == ZeroCentered(1.0, every=8)
    own = replace(recipe, colour={"beta1": 0.0})
    assert own.for_images(own.image_shape) is own


@pytest.mark.parametrize("name", ["name", "steps", "make_generator", "pennalty"])
def test_other_settings_for_colour_are_refused(name):
    with pytest.raises(RunError, match=f"expected settings of a recipe in colour, got {name}; ch"):
        replace(get_recipe("conv-clusters"), colour={name: 1})


def test_colour_images_take_more_noise():
    assert get_recipe("conv-clusters").latent.size == 32
    assert get_recipe("conv-clusters", (1, 32, 32)).latent.size == 32
    assert get_recipe("conv-clusters", (3, 32, 32)).latent.size == 64
    assert get_recipe("conv-r1r2", (3, 32, 32)).latent.size == 64
    assert get_recipe("mlp-smoothed", (3, 32, 32)).latent.size == 32
