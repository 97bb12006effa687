"""Rules for source files: types, docstrings, sizes, and few places with the formatter off."""

import ast
import io
import tokenize
from collections import Counter
from configparser import ConfigParser

from tests.support.source_tree import ROOT, modules, modules_of

LONG = 300  # lines
MAY_BE_LONG: dict[str, str] = {}  # file: reason
FULL = 15  # modules in a folder, besides __init__
MAY_BE_FULL = {
    "nn/layers": "one file per layer",
    "gan/evaluation": "one file per measure, and what uses them",
    "nn/ops/numba": "one file per theme, and what compiles and shares the loops",
}
FORMATTER_OFF = 10  # in the whole repository


def functions(tree):
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def unannotated(function):
    """The parameters without a type, except self and cls, and "return" without a return type."""
    given = function.args
    parameters = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    names = [each.arg for each in parameters if each and not each.annotation]
    names = [name for name in names if name not in ("self", "cls")]
    return names if function.returns else [*names, "return"]


def test_every_function_is_annotated():
    wrong = [
        f"{module.path}:{function.lineno}: {function.name}: {', '.join(missing)}"
        for module in modules_of("nn", "gan", "examples")
        if module.path.parts[:2] != ("examples", "notebooks")  # cells, for beginners
        for function in functions(module.tree)
        if (missing := unannotated(function))
    ]
    assert not wrong, "\n".join(
        ["expected a type for each parameter and result, none for:", *wrong]
    )


def public(tree):
    """(name, node) of the module and its public classes and functions.

    Left out are methods, since the base class documents what its subclasses override; a command's
    `arguments` and `main`, which its module documents; and kernels, since the primitive that calls
    them is documented.
    """
    yield "the module", tree
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not (
            node.name in ("arguments", "main") or node.name.startswith("_") or "kernel" in node.name
        ):
            yield node.name, node


def test_everything_public_has_a_docstring():
    wrong = [
        f"{module.path}:{getattr(node, 'lineno', 1)}: {name}"
        for module in modules_of("nn", "gan")
        for name, node in public(module.tree)
        if not ast.get_docstring(node)
    ]
    assert not wrong, "\n".join(["expected a docstring in:", *wrong])


def test_files_hold_one_idea():
    lengths = {
        module.path.as_posix(): module.source.count("\n") for module in modules_of("nn", "gan")
    }
    long = {path: length for path, length in lengths.items() if length > LONG}
    wrong = [f"{path}: {long[path]} lines" for path in sorted(long.keys() - MAY_BE_LONG.keys())]
    assert not wrong, "\n".join([f"expected files of at most {LONG} lines; split these:", *wrong])
    assert long.keys() == MAY_BE_LONG.keys(), "MAY_BE_LONG lists files that are short or gone"


def test_folders_hold_about_a_dozen_modules():
    """Tests mirror the packages and benchmarks have one module per table: they may hold more."""
    counts = Counter(
        module.path.parent.as_posix()
        for module in modules_of("nn", "gan", "examples")
        if module.path.name != "__init__.py"
    )
    wrong = [
        f"{folder}: {count} modules"
        for folder, count in counts.items()
        if count > FULL and folder not in MAY_BE_FULL
    ]
    assert not wrong, "\n".join([f"expected at most {FULL} modules in a folder, got:", *wrong])


def test_the_formatter_is_rarely_off():
    places = [
        f"{module.path}:{token.start[0]}"
        for module in modules().values()
        for token in tokenize.generate_tokens(io.StringIO(module.source).readline)
        if token.type == tokenize.COMMENT
        and ("fmt: skip" in token.string or "fmt: off" in token.string)
    ]
    assert len(places) <= FORMATTER_OFF, "\n".join(
        [f"expected at most {FORMATTER_OFF} of `fmt: skip` and `fmt: off`, got:", *places]
    )


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    words, lines = len(text.split()), text.count("\n")
    assert words <= 1200 and lines <= 150, (
        f"README.md: expected at most 1,200 words and 150 lines, got {words} and {lines}; "
        "move the rest to docs/"
    )


def test_the_wheel_has_every_package():
    """A package that setup.cfg does not list works in a checkout and is missing from the wheel."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = set(setup["options"]["packages"].split()) - {"gan.data.mnist_sample"}  # no folder here
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("nn", "gan")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert packages <= listed, f"setup.cfg lacks these packages: {sorted(packages - listed)}"
    pretrained = {"gan.pretrained"}  # weights only
    assert listed - packages <= pretrained, f"setup.cfg lists {sorted(listed - packages)}"
