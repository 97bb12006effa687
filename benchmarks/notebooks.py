"""Writes the notebooks in examples/notebooks/ anew: runs each .py in full, and keeps the outputs.

    python -m benchmarks.notebooks
    python -m benchmarks.notebooks --notebook 03_mnist_gan --notebook 05_write_the_backward

The text is in the .py, which is edited. Its .ipynb has the same cells with their outputs, so that
it can be read without running it. A run ends with an error if a cell does, or if a cell writes to
stderr. The table shows the seconds of each run and the size of each file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

from benchmarks.harness.options import add_markdown
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, run
from gan.errors import RunError

FOLDER = Path(__file__).parents[1] / "examples" / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
CELL_SECONDS = 3600


def converted(path: Path) -> nbformat.NotebookNode:
    """The notebook of a .py, without outputs, with ids that do not change from call to call."""
    notebook = jupytext.read(path)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02}"
        cell["metadata"].pop("lines_to_next_cell", None)
    kernel = notebook.metadata["kernelspec"]
    notebook.metadata = {"jupytext": {"formats": "ipynb,py:percent"}, "kernelspec": kernel}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return nbformat.from_dict(notebook)


def execute(notebook: nbformat.NotebookNode) -> None:
    """Run all cells in the folder of the notebooks, and keep what they show."""
    client = NotebookClient(notebook, timeout=CELL_SECONDS, record_timing=False)
    client.execute(cwd=str(FOLDER))


def tidy(notebook: nbformat.NotebookNode, name: str) -> None:
    """Remove what differs from machine to machine; `RunError` if a cell wrote to stderr."""
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise RunError(f"{name}: expected no cell to write to stderr, got {output.text!r}")
            output.get("metadata", {}).pop("needs_background", None)


def write(names: list[str]) -> Iterator[tuple[str, str, str]]:
    """Write the notebooks of these names; a row for each: its name, seconds, bytes."""
    for name in names:
        notebook, began = converted(FOLDER / f"{name}.py"), time.perf_counter()
        execute(notebook)
        tidy(notebook, name)
        path = FOLDER / f"{name}.ipynb"
        nbformat.write(notebook, path)
        yield name, f"{time.perf_counter() - began:.0f}", f"{path.stat().st_size:,}"


def main() -> int:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--notebook", action="append", choices=NAMES, help="may be given several times"
    )
    add_markdown(parser)
    args = parser.parse_args()
    print(machine(), file=sys.stderr)
    print(render(["notebook", "s", "bytes"], write(args.notebook or NAMES), args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
