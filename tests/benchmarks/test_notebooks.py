"""benchmarks.notebooks, without a kernel."""

import pytest
from nbformat.v4 import new_output

from benchmarks import notebooks
from gan.errors import RunError
from tests.benchmarks.support import run_table


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A folder with one notebook, whose cells are not run."""
    text = (notebooks.FOLDER / f"{notebooks.NAMES[0]}.py").read_text()
    (tmp_path / "one.py").write_text(text)
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    monkeypatch.setattr(notebooks, "NAMES", ["one"])
    return tmp_path


def test_the_same_text_gives_the_same_file(folder, monkeypatch, capsys):
    monkeypatch.setattr(notebooks, "execute", lambda notebook: None)
    rows = [run_table(monkeypatch, capsys, notebooks)[2] for _ in range(2)]
    written = (folder / "one.ipynb").read_bytes()
    assert rows[0] == ["one", "0", f"{len(written):,}"] == rows[1]
    run_table(monkeypatch, capsys, notebooks, "--notebook", "one")
    assert (folder / "one.ipynb").read_bytes() == written


def test_a_cell_that_writes_to_stderr_is_refused(folder, monkeypatch):
    def execute(notebook):
        code = next(cell for cell in notebook.cells if cell.cell_type == "code")
        code.outputs.append(new_output("stream", name="stderr", text="a warning"))

    monkeypatch.setattr(notebooks, "execute", execute)
    with pytest.raises(RunError, match="one: expected no cell to write to stderr, got 'a warning'"):
        list(notebooks.write(["one"]))
    assert not (folder / "one.ipynb").exists()
