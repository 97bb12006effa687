"""The project's Python files, parsed, for the tests of how it is laid out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("nn", "gan", "examples", "docs", "benchmarks", "tests")


@dataclass(frozen=True)
class Module:
    """One Python file.

    Parameters
    ----------
    name : dotted, "nn.layers.dense"; a package's `__init__.py` has the package's name, "nn.layers"
    path : relative to the repository's root
    source : its text
    tree : its syntax tree
    """

    name: str
    path: Path
    source: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Import:
    """One import of one module of the project by another.

    Parameters
    ----------
    importer : the module that holds the statement
    target : the name of the imported module
    line : of the statement
    for_types_only : whether it stands under `if TYPE_CHECKING`, so that it never runs
    """

    importer: Module
    target: str
    line: int
    for_types_only: bool


@cache
def modules() -> dict[str, Module]:
    """Every module of the project by name."""
    found = {}
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        relative = path.relative_to(ROOT)
        name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
        source = path.read_text(encoding="utf-8")
        found[name] = Module(name, relative, source, ast.parse(source, str(relative)))
    return found


def modules_of(*folders: str) -> list[Module]:
    """The modules in these folders of the root."""
    return [module for module in modules().values() if module.path.parts[0] in folders]


@cache
def imports() -> list[Import]:
    """Every import between modules of the project, those inside functions too."""
    return [each for module in modules().values() for each in imports_of(module)]


def imports_of(module: Module) -> Iterator[Import]:
    """The imports of the project's modules in one file.

    `from package import name` imports the module `package.name` where there is one, and otherwise
    the package's `__init__`. Python also runs the `__init__` of the packages above an imported
    module. That is not counted: it happens to every importer alike.
    """
    unexecuted = {
        id(node)
        for block in ast.walk(module.tree)
        if isinstance(block, ast.If)
        and isinstance(block.test, ast.Name | ast.Attribute)
        and ast.unparse(block.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(module.tree):
        for target in targets(module, node):
            if target in modules():
                yield Import(module, target, node.lineno, id(node) in unexecuted)


def targets(module: Module, node: ast.AST) -> set[str]:
    """The names of the modules that a statement imports; empty for other statements."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:  # from . import x
            above = module.package.split(".")[: 1 - node.level or None]
            base = ".".join([*above, *filter(None, [base])])
        submodules = {f"{base}.{alias.name}" for alias in node.names} & modules().keys()
        plain = len(submodules) < len(node.names)
        return submodules | ({base} if plain else set())
    if isinstance(node, ast.Call) and called(node) == "import_module":
        return {word.value for word in node.args if isinstance(word, ast.Constant)}
    return set()


def called(node: ast.Call) -> str:
    """The last name of what is called: "f" for `f()` and `x.f()`; "" where there is none."""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))
