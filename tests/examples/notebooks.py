"""The notebooks: their cells, and the programs that they are with or without the solutions."""

import contextlib
import io
import linecache
import re
from pathlib import Path

import jupytext

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
BLANK = re.compile(r"(= |return )?\.\.\.(?!\w)")


def cells(path):
    return jupytext.read(path).cells


def tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])


def code_of(name, *, solved):
    """(exercise or not, source) of each code cell, with the folded solutions in place or not."""
    found = cells(FOLDER / f"{name}.py")
    for number, cell in enumerate(found):
        if cell.cell_type == "code":
            is_exercise = tagged(cell, "exercise")
            source = solution(found[number:]) if is_exercise and solved else cell.source
            yield is_exercise, source


def solution(following):
    """The first solution in these cells."""
    for cell in following:
        if cell.cell_type == "markdown":
            folded = re.search(
                r"<details><summary>Solution</summary>\n\n```python\n(.*?)\n```\n\n</details>",
                cell.source,
                re.DOTALL,
            )
            if folded:
                return folded[1]
    raise AssertionError("expected a folded solution after each exercise")


def run_code(sources, file):
    """Run cells one after another; returns what they print."""
    out, names = io.StringIO(), {"__name__": "__main__"}
    with contextlib.redirect_stdout(out):
        for number, source in enumerate(sources):
            place = f"{file}, cell {number}"
            linecache.cache[place] = len(source), None, source.splitlines(True), place
            exec(compile(source, place, "exec"), names)
    return out.getvalue()
