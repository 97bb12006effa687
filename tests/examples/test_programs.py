"""What all programs in examples/ share: help, examples that parse, errors in one line."""

import re
import shlex

import pytest

from tests.examples.loading import FOLDER, PROGRAMS, program
from tests.project.test_documents import check_python
from tests.support.small import assert_refused


def help_of(command, monkeypatch, name):
    """The help text, with each option's help on one line."""
    monkeypatch.setenv("COLUMNS", "1000")
    status, out, err = command(program(name), "--help")
    assert (status, err) == (0, "")
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_ends_with_three_examples_that_parse(command, monkeypatch, capsys, name):
    start, empty, *examples = help_of(command, monkeypatch, name).splitlines()[-5:]
    assert (start, empty) == ("For example:", "")
    for line in examples:
        words = shlex.split(line)
        assert words[:2] == ["python", f"examples/{name}.py"]
        check_python(words, monkeypatch, capsys)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_help_of_an_option_is_one_plain_sentence(command, monkeypatch, name):
    options = help_of(command, monkeypatch, name).split("options:\n")[1].split("\n\n")[0]
    sentences = re.findall(r"^  -.*?\S\s{2,}(.*)$", options, re.MULTILINE)
    assert len(sentences) == len(re.findall(r"^  -", options, re.MULTILINE)) >= 3
    for sentence in sentences:
        told = sentence.partition(" (default: ")[0]
        assert re.fullmatch(r"[a-z]+ [^;:]{8,110}[^.;:]", told), sentence


@pytest.mark.parametrize("name", ["sngan", "wgan_gp"])
def test_a_gan_takes_less_than_100_lines(name):
    assert (FOLDER / f"{name}.py").read_text().count("\n") < 100


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_unknown_option_is_refused(command, name):
    assert_refused(command(program(name), "--seeds", 3), "did you mean --seed?")
