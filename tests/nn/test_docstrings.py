"""The examples in docstrings run, and print what they say."""

import doctest
import importlib

import pytest

import nn

WITH_EXAMPLES = [
    *(nn.Residual, nn.LayerNorm, nn.GroupNorm, nn.PixelNorm, nn.Embedding, nn.GELU, nn.SiLU),
    *(nn.GlobalAvgPool2d, nn.SelfAttention2d),
]
MODULES = sorted({item.__module__ for item in WITH_EXAMPLES})


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    failed, tried = doctest.testmod(module, report=False)
    assert failed == 0 and tried > 0


@pytest.mark.parametrize("item", WITH_EXAMPLES, ids=lambda item: item.__name__)
def test_it_has_an_example(item):
    assert ">>> from nn import" in item.__doc__ and item.__name__ in item.__doc__.split(">>>", 2)[2]
