"""No module or test uses a private name of another module.

A private name begins with an underscore. A file may use those that it defines, and a class those
that it inherits: `self._x`, `cls._x`, `super()._x`. `getattr(layer, "_x")` and
`monkeypatch.setattr(module, "_x", ...)` count like `layer._x`.
"""

import ast

from tests.support.source_tree import called, modules

# Names of other libraries that are used all the same. A file or folder: (names, reason)
ALLOWED = {
    "gan/commands": (
        "_exit _signal",
        "os._exit is documented, and its underscore a warning; _signal is built in and the command "
        "imports it first, since signal takes milliseconds in which Ctrl-C shows a traceback",
    ),
    "nn/ops/blas.py": (
        "_umath_linalg",
        "NumPy's extension module, through which its BLAS library is found",
    ),
    "nn/ops/numba": (
        "_cache _rebuild _reduce",
        "Numba has no public way to store compiled code elsewhere",
    ),
    "nn/ops/numba/capture": (
        "_generator _getvalue",
        "NumPy's guide to its C functions names this module; Numba's guide to types, this method",
    ),
    "tests/gan/test_images.py": (
        "_find_best_position",
        "Matplotlib's slow search, which must not run",
    ),
    "tests/gan/training/test_captured.py": (
        "_exit",
        "os._exit is documented; a forked child must not go on with the other tests",
    ),
    "tests/nn/ops/test_cuda_sources.py": (
        "_core _carray _kernel _scalar _ArgInfo _TypeMap _get_elementwise_kernel_code "
        "_cupy_header_list",
        "CuPy's generator of elementwise kernels, run without a GPU",
    ),
}
NAMEDTUPLE_METHODS = {"_asdict", "_fields", "_make", "_replace"}  # public
TAKES_A_NAME = {"getattr", "setattr", "hasattr", "delattr", "patch", "object"}  # patch.object


def is_private(name):
    return name.startswith("_") and not name.endswith("__") and name.strip("_") != ""


def is_own(node):
    """Whether an expression is self, cls or super()."""
    node = node.func if isinstance(node, ast.Call) else node
    return isinstance(node, ast.Name) and node.id in ("self", "cls", "super")


def names_of_others(node):
    """The names in an import, `x.name` or `getattr(x, "name")`; x is not self, cls or super()."""
    if isinstance(node, ast.Import):
        paths = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        paths = [node.module or "", *(alias.name for alias in node.names)]
    elif isinstance(node, ast.Attribute) and not is_own(node.value):
        paths = {node.attr} - NAMEDTUPLE_METHODS
    elif isinstance(node, ast.Call) and node.args and not is_own(node.args[0]):
        words = node.args[:2] if called(node) in TAKES_A_NAME else []
        paths = [str(word.value) for word in words if isinstance(word, ast.Constant)]
    else:
        return set()
    return {name for path in paths for name in path.split(".")}


def names_defined(node):
    """The functions, classes, variables and attributes of self that a node defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_own(node.value):
        yield node.attr
    if isinstance(node, ast.Module | ast.ClassDef):  # not the variables of a function
        for statement in node.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign):
                names = (each for each in ast.walk(statement) if isinstance(each, ast.Name))
                yield from (name.id for name in names if isinstance(name.ctx, ast.Store))


def test_no_private_name_of_another_module_is_used():
    unused = {(place, name) for place, (names, _) in ALLOWED.items() for name in names.split()}
    allowed, wrong = frozenset(unused), []
    for module in modules().values():
        path = module.path.as_posix()
        places = [path, *(parent.as_posix() for parent in module.path.parents)]
        own = {name for node in ast.walk(module.tree) for name in names_defined(node)}
        for node in ast.walk(module.tree):
            for name in filter(is_private, names_of_others(node) - own):
                excuses = allowed & {(place, name) for place in places}
                unused -= excuses
                if not excuses:
                    wrong.append(f"{path}:{node.lineno}: {name} in `{ast.unparse(node)}`")
    assert not wrong, "\n".join(
        ["expected no private name of another module; make these public, or do without:", *wrong]
    )
    assert not unused, f"ALLOWED has entries that nothing uses: {sorted(unused)}"
