"""Imports run one way between the parts of the project, and in no circle between modules."""

import re

from tests.support.source_tree import ROOT, imports, modules

# From bottom to top, as docs/pictures/architecture.svg draws it. A module imports from its own part
# and from the rows below; parts of one row do not import each other. A part is a module, or a
# package with all it holds that has no row of its own; `package.__init__` is that file alone.
# Imports under `if TYPE_CHECKING` count too.
ROWS = [
    # nn: the framework
    ["nn.errors", "nn.arithmetic", "nn.launcher", "nn.underflow", "nn.version", "nn.waiting"],
    ["nn.settings"],
    ["nn.ops"],  # the contract, and what the backends share
    ["nn.ops.numpy"],
    ["nn.ops.numba", "nn.ops.cuda"],
    ["nn.ops.__init__"],  # get_ops, which knows every backend
    ["nn.processes"],
    ["nn.parameters", "nn.cache", "nn.initializers"],
    ["nn.layers"],
    [
        "nn.losses",
        "nn.optimizers",
        "nn.schedules",
        "nn.serialization",
        "nn.checking",
        "nn.watching",
    ],
    ["nn.gradcheck"],
    ["nn.__init__"],
    # gan: what is built on it
    ["gan.__init__", "gan.errors"],
    ["gan.folders", "gan.nearest", "gan.scatter", "gan.uncopyable"],
    ["gan.data", "gan.objectives"],
    ["gan.classifier", "gan.condition", "gan.images", "gan.latent", "gan.networks"],
    ["gan.description", "gan.recipe"],
    ["gan.own_recipes"],
    ["gan.recipes", "gan.sampling"],
    ["gan.generator_file"],
    ["gan.exchange", "gan.training"],
    ["gan.evaluation", "gan.runs"],
    ["gan.lab"],
    ["gan.commands"],
    # what uses both
    ["examples", "docs"],
    ["benchmarks.harness"],
    ["benchmarks"],
    ["tests.support"],
    ["tests.oracles"],
    ["tests"],
]
ROW_OF = {part: number for number, row in enumerate(ROWS) for part in row}


def part_of(module):
    """The part that a module belongs to: the longest name of ROWS that matches, or None."""
    words = module.split(".")
    parents = [".".join(words[:n]) for n in range(len(words), 0, -1)]
    return next((name for name in [f"{module}.__init__", *parents] if name in ROW_OF), None)


def is_allowed(importer, target):
    return importer == target or ROW_OF[target] < ROW_OF[importer]


def test_every_module_has_a_row():
    homeless = [str(module.path) for module in modules().values() if not part_of(module.name)]
    assert not homeless, "\n".join(
        ["expected each module in ROWS of test_imports.py; add these where they belong:", *homeless]
    )
    assert ROW_OF.keys() == set(map(part_of, modules())), "a part in ROWS has no module"


def test_imports_run_one_way():
    wrong = [
        f"{each.importer.path}:{each.line}: imports {each.target}, of part {target}, which is "
        f"{'beside' if ROW_OF[importer] == ROW_OF[target] else 'above'} its own part, {importer}"
        for each in imports()
        if (importer := part_of(each.importer.name)) and (target := part_of(each.target))
        if not is_allowed(importer, target)
    ]
    assert not wrong, "\n".join(
        ["expected imports from a module's own part and from the rows below it, got:", *wrong]
    )


def test_no_modules_import_each_other_in_a_circle():
    """Imports under `if TYPE_CHECKING` never run and are left out."""
    graph, lines = {name: [] for name in modules()}, {}
    for each in imports():
        if not each.for_types_only:
            importer, target = each.importer, each.target
            graph[importer.name].append(target)
            lines[importer.name, target] = f"{importer.path}:{each.line}: imports {target}"
    circles = shortest_circles(graph)
    wrong = [[lines[edge] for edge in zip(circle, circle[1:])] for circle in circles]
    assert not wrong, "\n\n".join(
        ["expected no circle of imports; break each of these:", *map("\n".join, wrong)]
    )


def shortest_circles(graph):
    """For each strongly connected component, a shortest path that ends where it begins."""
    paths = {name: shortest_paths(graph, name) for name in graph}
    components = {
        frozenset(other for other in paths[name] if name in paths[other])
        for name in graph
        if name in paths[name]
    }
    return [min((paths[name][name] for name in each), key=len) for each in components]


def shortest_paths(graph, start):
    """The shortest path to each node that can be reached; to `start` itself if in a circle."""
    paths, front = {}, [[start]]
    while front:
        longer = {node: [*path, node] for path in front for node in graph[path[-1]]}
        front = [path for node, path in longer.items() if node not in paths]
        paths = longer | paths
    return paths


def test_the_drawing_has_the_order_of_the_rows():
    drawing = (ROOT / "docs" / "pictures" / "architecture.svg").read_text(encoding="utf-8")
    package, heights = "", {}
    for kind, y, text in re.findall(r'class="(tag|name)" x="\d+" y="(\d+)">(.+?)<', drawing):
        if kind == "tag":
            package = f"{text}."
        else:
            rows = [ROW_OF[package + name] for name in text.split(", ")]
            heights.setdefault(int(y), []).extend(rows)
    drawn = [heights[y] for y in sorted(heights, reverse=True)]
    assert len(drawn) > 8
    for lower, upper in zip(drawn, drawn[1:]):
        assert max(lower) <= min(upper), f"{ROWS[max(lower)]} is drawn below {ROWS[min(upper)]}"
