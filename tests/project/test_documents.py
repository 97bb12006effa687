"""Every Python block of the documents runs, and every shell line parses."""

import argparse
import ast
import configparser
import importlib
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gan.commands.main import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LANGUAGES = {"python", "sh", "text", "{literalinclude}", "{toctree}", "{eval-rst}"}
SHELL_STARTS = ("byhand ", "python ", "python3 ", "pip ", "pytest ", "ruff ", "sphinx-build ")
# Of benchmarks/fuzz.py, which imports atheris, so that it cannot be imported here.
READER = r'"(\w+)": \(|name == "(\w+)"'


def name(page):
    return str(page.relative_to(ROOT))


def fences(page):
    """Yield (language, number of the first line inside, lines) of each fenced block."""
    language = None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if match := re.fullmatch(r"\s*```(.*)", line):
            if language is None:
                language, first, lines = match[1].split(" ")[0], number + 1, []
            else:
                yield language, first, lines
                language = None
        elif language is not None:
            lines.append(line)
    assert language is None, f"{name(page)}: a block that begins at line {first - 1} has no end"


def blocks(page, language):
    return [(first, lines) for kind, first, lines in fences(page) if kind == language]


def needs_torch(lines):
    return any(re.match(r"(import|from) torch\b", line) for line in lines)


def python_source(page, *, torch):
    """The page's Python blocks as one program with the page's line numbers.

    Without torch, only the blocks before the first that imports it.
    """
    source = []
    for first, lines in blocks(page, "python"):
        if needs_torch(lines) and not torch:
            break
        source += [""] * (first - 1 - len(source)) + lines
    return "\n".join(source) + "\n"


def run_python(source, page, folder):
    """Run a program in an empty folder, each warning an error."""
    program = folder / page.name.replace(".md", ".py")
    program.write_text(source)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(  # noqa: PLW1510 - the status is read below
        [sys.executable, "-W", "error", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, (
        f"{name(page)} (line numbers are the page's):\n{done.stdout}{done.stderr}"
    )


with_python = [page for page in PAGES if blocks(page, "python")]
with_torch = [
    page for page in PAGES if any(needs_torch(lines) for _, lines in blocks(page, "python"))
]


def test_the_pages_are_found():
    names = {name(page) for page in PAGES}
    assert {
        "README.md",
        "CONTRIBUTING.md",
        "docs/start_here.md",
        "docs/own_layer.md",
        "docs/pytorch.md",
    } <= names
    assert len(with_python) >= 6 and [page.name for page in with_torch] == ["pytorch.md"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_is_of_a_known_kind(page):
    """A block in another language would escape the tests below."""
    assert {kind for kind, _, _ in fences(page)} <= LANGUAGES


def test_each_python_block_of_the_readme_runs_alone(tmp_path):
    page = ROOT / "README.md"
    for _, lines in blocks(page, "python"):
        run_python("\n".join(lines), page, tmp_path)


@pytest.mark.parametrize("page", [page for page in with_python if page.parent != ROOT], ids=name)
def test_python_blocks_run(page, tmp_path):
    run_python(python_source(page, torch=False), page, tmp_path)


@pytest.mark.parametrize("page", with_torch, ids=name)
def test_blocks_that_use_pytorch_run(page, tmp_path):
    pytest.importorskip("torch")
    run_python(python_source(page, torch=True), page, tmp_path)


# ---- shell lines ----------------------------------------------------------------------------


class Parsed(BaseException):
    """Raised once the options are accepted, in place of running the command."""


def shell_commands(page):
    """Yield (line number, words) of each command, in blocks and in inline code; && separates."""
    text = page.read_text()
    for first, lines in blocks(page, "sh"):
        joined = "\n".join(lines).replace("\\\n", " ")
        for number, line in enumerate(joined.splitlines(), first):
            yield from ((number, words) for words in split(line))
    prose = re.sub(
        r"^\s*```.*?^\s*```$",
        lambda block: "\n" * block[0].count("\n"),
        text,
        flags=re.MULTILINE | re.DOTALL,
    )
    for code in re.finditer(r"(?<!`)`([^`]+)`(?!`)", prose):
        line = " ".join(code[1].split())
        if line.startswith(SHELL_STARTS):
            yield from ((prose.count("\n", 0, code.start()) + 1, words) for words in split(line))


def split(line):
    """The commands of a line, each as its words, without comments and files for their output."""
    words, commands = shlex.split(line, comments=True), [[]]
    for before, word in zip(["", *words], words):
        if word == "&&":
            commands.append([])
        elif ">" not in (before, word):
            commands[-1].append(word)
    return [command for command in commands if command]


def extras():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    return set(settings["options.extras_require"])


def call(function, words, monkeypatch, capsys):
    """Run a command until it has parsed its options."""
    parse_args = argparse.ArgumentParser.parse_args

    def parse_and_stop(self, args=None, namespace=None):
        parsed = parse_args(self, args, namespace)
        if "command" in parsed:  # of `byhand`; the options follow
            return parsed
        raise Parsed

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
        patch.setattr(sys, "argv", words)
        try:
            function()
        except Parsed:
            return
        except SystemExit as ended:
            if ended.code == 0 and words[-1] in ("--help", "--version"):
                return
            pytest.fail(
                f"{' '.join(words)}: exit status {ended.code}: {capsys.readouterr().err.strip()}"
            )
    pytest.fail(f"{' '.join(words)}: it ran without parsing its options")


def run_script(path):
    assert (ROOT / path).is_file(), f"no such script: {path}"
    runpy.run_path(str(ROOT / path), run_name="__main__")


def check_byhand(words, *patches):
    call(main, words, *patches)


def check_python(words, *patches):
    if words[1] == "-m":
        module, options = words[2], words[3:]
        if module == "venv":
            return
        if module == "benchmarks.fuzz":
            source = (ROOT / "benchmarks" / "fuzz.py").read_text()
            readers = [one or other for one, other in re.findall(READER, source)]
            assert not options or options[0] in readers, f"{words}: expected one of {readers}"
            return
        assert module.split(".")[0] in ("benchmarks", "gan"), f"no module of ours: {module}"
        call(importlib.import_module(module).main, [module, *options], *patches)
    elif words[1] == "examples/gan_in_40_lines.py":
        assert (ROOT / words[1]).is_file() and len(words) == 2, "it takes no options"
    else:
        call(lambda: run_script(words[1]), words[1:], *patches)


def check_pip(words, *_):
    assert words[1] == "install"
    for extra in re.findall(r"\[([\w,]+)\]", " ".join(words)):
        unknown = set(extra.split(",")) - extras()
        assert not unknown, f"setup.cfg has no extra {', '.join(sorted(unknown))}"


def check_pytest(words, *_):
    for word in words[1:]:
        if word.startswith("tests/"):
            path, _, test = word.partition("::")
            assert (ROOT / path).exists(), f"no such file: {path}"
            assert not test or f"\ndef {test}(" in (ROOT / path).read_text(), (
                f"no such test: {word}"
            )


def check_path(words, *_):
    assert (ROOT / words[0]).is_file() and os.access(ROOT / words[0], os.X_OK), (
        f"no such program: {words[0]}"
    )


def check_sphinx(words, *_):
    assert (ROOT / words[-2] / "conf.py").is_file(), f"no Sphinx project: {words[-2]}"


def check_launched(words, *patches):
    """What mpiexec or srun starts: the words from the first program of ours on."""
    start = next(k for k, word in enumerate(words) if word in ("byhand", "python"))
    CHECKS[words[start]](words[start:], *patches)


def accept(words, *_):
    """A program whose arguments name nothing of this project."""


CHECKS = {
    "byhand": check_byhand,
    "python": check_python,
    "python3": check_python,
    "pip": check_pip,
    "pytest": check_pytest,
    "sphinx-build": check_sphinx,
    "benchmarks/gpu.sh": check_path,
    ".ci/run": check_path,
    **dict.fromkeys(("mpiexec", "srun"), check_launched),
    **dict.fromkeys(
        ("source", "cmp", "ruff", "mypy", "pre-commit", "git", "cd", "jupyter"), accept
    ),
}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_shell_line_is_one_that_its_command_accepts(page, monkeypatch, tmp_path, capsys):
    commands = list(shell_commands(page))
    monkeypatch.chdir(tmp_path)
    for number, words in commands:
        assert words[0] in CHECKS, (
            f"{name(page)}:{number}: {words[0]!r} is not known; add it to CHECKS"
        )
        try:
            CHECKS[words[0]](words, monkeypatch, capsys)
        except (AssertionError, pytest.fail.Exception) as problem:
            pytest.fail(f"{name(page)}:{number}: {' '.join(words)}: {problem}")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_option_is_caught(monkeypatch, capsys):
    for line in (
        "byhand train --epoch-count 3",
        "byhand paint",
        "python -m benchmarks.step --round",
        "pip install '.[nothing]'",
    ):
        (words,) = split(line)
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            CHECKS[words[0]](words, monkeypatch, capsys)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=name
)
def test_links_to_files_are_right(page):
    """Sphinx checks those of docs/."""
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{name(page)}: no such file: {target}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_code_that_a_page_includes_exists(page):
    for first, lines in blocks(page, "{literalinclude}"):
        target = (page.parent / page.read_text().splitlines()[first - 2].split()[1]).resolve()
        assert target.is_file(), f"{name(page)}:{first - 1}: no such file: {target}"
        for option in lines:
            if match := re.fullmatch(r":pyobject: (\S+)", option):
                found = definitions(ast.parse(target.read_text()))
                assert match[1] in found, f"{name(page)}:{first}: no {match[1]} in {target.name}"


def definitions(tree, prefix=""):
    """The dotted names of the functions, classes and methods of a module."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from definitions(node, f"{prefix}{node.name}.")


def test_the_new_names_in_the_changelog_exist():
    """Those of modules, and of what is defined at the top of one."""
    text = (ROOT / "CHANGELOG.md").read_text()
    renamed = text.split("### Renamed")[1].split("## 0.1.0")[0]
    columns = [row.rsplit(" | ", 1)[1] for row in renamed.splitlines() if row.startswith("| `")]
    names = re.findall(r"`((?:nn|gan|benchmarks)(?:\.\w+)+)[`(]", "\n".join(columns))
    assert len(names) > 100
    for dotted in names:
        path = ROOT / dotted.replace(".", "/")
        if path.is_dir() or path.with_suffix(".py").is_file():
            continue
        source = path.parent / "__init__.py" if path.parent.is_dir() else f"{path.parent}.py"
        assert re.search(rf"\b{path.name}\b", Path(source).read_text()), dotted
