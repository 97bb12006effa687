"""The notebooks run as they are; with their solutions in place, every check in them passes."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbmake.nb_run import NotebookRun
from PIL import Image

from gan.data import datasets
from gan.data.datasets import load
from tests.examples.notebooks import FOLDER, NAMES, cells, code_of, run_code, tagged

SHORT = {"EPOCHS": "1", "STEPS": "8"}
EXERCISES = {  # name: checks that pass once the solutions are in
    "01_backprop_by_hand": 3,
    "02_a_gan_in_40_lines": 2,
    "03_mnist_gan": 2,
    "04_your_own_images": 2,
    "05_write_the_backward": 11,
}
ROOT = FOLDER.parents[1]
BACKWARD = "05_write_the_backward"


@pytest.fixture
def short(monkeypatch, tmp_path):
    """Short trainings on few images, no window, in an empty folder."""
    for name, value in {**SHORT, "FOLDER": "few", "MPLBACKEND": "agg"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Path("few").mkdir()
    for k in range(40):
        pixels = rng.integers(0, 256, (36, 44, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(f"few/{k:02}.png")

    def load_few(name, split="train"):
        images, labels = load(name, split)
        return images[:640], labels[:640]

    monkeypatch.setattr(datasets, "load", load_few)
    yield monkeypatch
    from matplotlib import pyplot

    pyplot.close("all")


def test_each_notebook_is_known():
    assert NAMES == sorted(EXERCISES) == sorted(path.stem for path in FOLDER.glob("*.ipynb"))


# ---- the pairs ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_two_files_of_a_pair_have_the_same_cells(name):
    text, notebook = (
        [
            (cell.cell_type, cell.source, cell.metadata.get("tags"), cell.metadata.get("jupyter"))
            for cell in cells(FOLDER / f"{name}{suffix}")
        ]
        for suffix in (".py", ".ipynb")
    )
    assert text == notebook, f"write {name}.ipynb anew: python -m benchmarks.notebooks"


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_small_and_was_run_in_order_without_an_error(name):
    path = FOLDER / f"{name}.ipynb"
    assert path.stat().st_size < 300_000
    code = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {output.output_type for cell in code for output in cell.outputs}
    assert kinds <= {"stream", "display_data"}
    streams = {output.get("name") for cell in code for output in cell.outputs}
    assert streams <= {"stdout", None}


# ---- as they are ----------------------------------------------------------------------------


@pytest.mark.filterwarnings("default")  # those of Jupyter's own modules
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_before_anything_is_written_in_it(name, monkeypatch, tmp_path):
    for key, value in SHORT.items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    path = tmp_path / f"{name}.ipynb"
    nbformat.write(nbformat.read(FOLDER / path.name, 4), path)
    result = NotebookRun(path, default_timeout=120).execute()
    assert result.error is None, result.error.trace
    told = "".join(
        output.get("text", "")
        for cell in result.nb.cells
        for output in cell.get("outputs", [])
        if output.get("name") == "stdout"
    )
    blank = len(re.findall(r"^\[ \]", told, re.MULTILINE))
    assert (blank, told.count("[v]")) == (EXERCISES[name], 0)


# ---- with the solutions ---------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_is_the_exercise_with_its_blanks_filled(name):
    pairs = zip(code_of(name, solved=False), code_of(name, solved=True))
    exercises = [(blank, full) for (is_exercise, blank), (_, full) in pairs if is_exercise]
    assert exercises
    for blank, full in exercises:
        rest = iter(full.splitlines())
        for line in blank.splitlines():
            if "..." not in line:
                assert line in rest, f"{name}: the solution lacks {line!r}, or has it elsewhere"
        assert "= ..." not in full and "return ..." not in full


@pytest.mark.parametrize("name", NAMES)
def test_with_the_solutions_every_check_passes(name, short):
    sources = [source for _, source in code_of(name, solved=True)]
    if name == BACKWARD:
        sources.append("print('trained:', type(G[0]).__name__, type(loss).__name__)")
    told = run_code(sources, name)
    lines = [line for line in told.splitlines() if "Careless" not in line]  # wrong on purpose
    assert sum(line.startswith("[v]") for line in lines) == EXERCISES[name]
    assert not [line for line in lines if line.startswith(("[ ]", "[x]"))]
    if name == BACKWARD:
        assert "col2im is right" in told and "6 of the 6 pieces of this GAN are yours." in told
        assert told.endswith("trained: MyDense MyBCEWithLogits\n")


def answers(answer):
    """What the checks of notebook 5 say to a solution in which `answer` = (right, wrong)."""
    sources = [
        source.replace(*answer) if is_exercise else source
        for is_exercise, source in code_of(BACKWARD, solved=True)
    ]
    end = next(k for k, source in enumerate(sources) if source.startswith("library = {"))
    return run_code(sources[:end], BACKWARD)


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        (
            "dW = x.T @ dy",
            "dW = dy.T @ x",
            ["[x] MyDense", "expected dW of shape (3, 2), got (2, 3)", "in the line"],
        ),
        (
            "dx = dy @ W.T",
            "dx = dy.T @ W",
            ["[x] MyDense", "ValueError", "in the line: dx = dy.T @ W"],
        ),
        (
            "dW = (dy * xhat).sum(axis=0)",
            "dW = (dy * xhat).mean(axis=0)",
            ["[x] MyBatchNorm", "dW: 3 of 3 numbers are wrong", "= 1/N, N = 8"],
        ),
        (
            "x[:, :, rows, cols] += arrives",
            "x[:, :, rows, cols] = arrives",
            ["col2im is wrong", "[x] MyConv2d", "dx: "],
        ),
        (
            "dz = (p - t) / z.size",
            "dz = (t - p) / z.size",
            ["[x] MyBCEWithLogits", "-1 times the right one everywhere: the sign"],
        ),
        ("dy = 2 * (y - t) / y.size", "dy = y - t", ["[x] MyLeastSquares", "+4 times the right"]),
    ],
)
def test_a_wrong_gradient_is_named(short, right, wrong, words):
    told = answers((right, wrong))
    for word in words:
        assert word in told, told
    assert "Traceback" not in told


def test_the_message_on_the_page_is_what_the_check_says(short):
    right = "dW = x.T @ dy  # dL/dW = x^T dy\n        db = dy.sum(axis=0)"
    told = answers((right, right.replace("dy.sum", "dy.mean")))
    page = (ROOT / "docs" / "notebooks.md").read_text()
    (message,) = re.findall(r"```text\n(\[x\] MyDense.*?)```", page, re.DOTALL)
    assert message in told, told


def test_one_blank_left_is_called_blank(short):
    told = answers(("dcolumns = dy @ self.W.T", "dcolumns = ..."))
    assert "[ ] MyConv2d: something is still blank" in told and "Traceback" not in told


def test_a_wrong_piece_is_not_used_for_the_gan(short):
    sources = [
        source.replace("dx = dy * (1 - y**2)", "dx = dy * (1 - y)") if is_exercise else source
        for is_exercise, source in code_of(BACKWARD, solved=True)
    ]
    end = next(k for k, source in enumerate(sources) if source.startswith("library = {"))
    told = run_code(sources[: end + 1], BACKWARD)
    assert "5 of the 6 pieces" in told and "The library's: Tanh\n" in told


def test_the_gan_program_has_40_lines():
    (program,) = (
        cell.source for cell in cells(FOLDER / "02_a_gan_in_40_lines.py") if tagged(cell, "program")
    )
    assert program.count("\n") + 1 <= 40


# ---- the first cell -------------------------------------------------------------------------


def setup_cell(name):
    first = next(cell for cell in cells(FOLDER / f"{name}.py") if cell.cell_type == "code")
    assert tagged(first, "setup")
    return first.source


def test_all_notebooks_have_the_same_first_cell():
    assert len({setup_cell(name) for name in NAMES}) == 1


@pytest.fixture
def not_installed(monkeypatch):
    """byhand is missing; returns the commands that are run."""

    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    commands = []
    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(subprocess, "run", lambda words, check: commands.append(words))
    return commands


def test_the_first_cell_installs_where_byhand_is_missing(not_installed):
    source = setup_cell(NAMES[0])
    exec(source.replace('REPOSITORY = ""', 'REPOSITORY = "https://example.org/byhand"'), {})
    wanted = "byhand[numba] @ git+https://example.org/byhand"
    assert not_installed == [[sys.executable, "-m", "pip", "install", "--quiet", wanted]]


def test_without_an_address_the_first_cell_says_what_to_do(not_installed):
    with pytest.raises(SystemExit, match="write the address of its repository into REPOSITORY"):
        exec(setup_cell(NAMES[0]), {})
    assert not_installed == []


def test_where_byhand_is_installed_the_first_cell_does_nothing(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.2.0")
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: pytest.fail("it installs"))
    exec(setup_cell(NAMES[0]), {})
