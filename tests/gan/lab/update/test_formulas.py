"""Each layer of a recipe has its equations, and each stands at a line of the layer's source."""

import inspect

import pytest

import nn
from gan.lab.update.code import lines_with, source_of
from gan.lab.update.formulas import EQUATIONS, LOSSES, PENALTIES
from gan.objectives import objectives, penalties
from gan.recipes import RECIPES
from nn import Dense, Layer, Sequential
from nn.watching import Event, watch
from tests.gan.lab.update.steps import CONV, opened

PASSES = [
    (name, what, equation)
    for name, passes in EQUATIONS.items()
    for what, equations in passes.items()
    for equation in equations
]


@pytest.mark.parametrize("name, what, equation", PASSES)
def test_an_equation_stands_at_one_place_of_the_source(name, what, equation):
    lines, _ = inspect.getsourcelines(getattr(getattr(nn, name), what))
    assert sum(equation.text in line for line in lines) == 1
    found = [lines[k] for k in lines_with(lines, equation.text)]
    code = [line for line in found if not line.lstrip().startswith("#")]
    assert code and any("self" in line or "return" in line for line in code)


def test_each_layer_of_a_recipe_has_equations():
    for recipe in RECIPES.values():
        for network in (recipe.generator(), recipe.discriminator()):
            for _, layer in network.modules():
                passes = EQUATIONS[type(layer).__name__]
                assert passes.keys() >= {"forward", "backward"}
                doubles = type(layer).double_backward is not Layer.double_backward
                assert doubles == ("double_backward" in passes), layer
        assert type(recipe.objective).__name__ in LOSSES
        assert recipe.penalty is None or type(recipe.penalty).__name__ in PENALTIES


def test_each_objective_and_penalty_has_its_formula():
    for base, module, table in (
        (objectives.Objective, objectives, LOSSES),
        (penalties.Penalty, penalties, PENALTIES),
    ):
        kinds = [each for each in vars(module).values() if inspect.isclass(each)]
        assert {k.__name__ for k in kinds if issubclass(k, base) and k is not base} == set(table)


def test_the_lines_that_ran_are_those_shown():
    _, step = opened(CONV)
    frozen = [
        e for e in step.events if e.of.__class__ is Dense and e.settings.get("grads") == "skip"
    ]
    source = source_of(frozen[-1])
    lit = [source["lines"][number - source["first"]].strip() for number in source["lit"]]
    assert lit == ["return self.ops.gemm(dy, self.W, trans_b=True, out=dx)  # dL/dx = dy W^T"]
    assert [each["ran"] for each in source["equations"]] == [False, False, True]
    assert source["file"] == "nn/layers/dense.py" and "def gemm(" in source["primitives"]["gemm"]
    shown, _ = inspect.getsourcelines(Dense.backward)
    assert [line.strip() for line in source["lines"]] == [line.strip() for line in shown]
    # each pass with a source has at least one line lit
    for event in step.events:
        if event.function is not None:
            source = source_of(event)
            assert source["lit"] and any(each["ran"] for each in source["equations"]), event


def test_a_layer_of_ones_own_is_shown_with_its_source_alone():
    class Twice(Dense):
        def forward(self, x, cache, *, train=False):
            return super().forward(2 * x, cache, train=train)  # y = (2 x) W + b

    net = Sequential(Twice(3, 2)).build(seed=0, device="numpy")
    x = net.ops.zeros((2, 3), "float32")
    source = source_of(watch(lambda: net.forward(x, net.cache()), net)[0])
    assert source["equations"] == [] and source["lit"] == []
    assert "2 * x" in source["lines"][1] and source["first"] + 1 in source["ran"]
    assert source_of(Event("forward", net[0], function=eval("lambda: 0"))) is None
