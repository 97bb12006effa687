"""What docs/guarantees.md promises is tested: every line of its tables names a test that exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_promise_has_a_test_that_exists():
    page = (ROOT / "docs" / "guarantees.md").read_text()
    tables = [part.split("\n\n")[0] for part in page.split("| promise | test |\n|---|---|\n")[1:]]
    promises = [line for table in tables for line in table.splitlines()]
    assert len(tables) == 5 and len(promises) > 35
    for line in promises:
        found = re.fullmatch(r"\| .+ \| `(tests/[\w/]+\.py)::(test_\w+)` \|", line)
        assert found, f"not `tests/FILE.py::test_NAME`: {line}"
        assert f"\ndef {found[2]}(" in (ROOT / found[1]).read_text(), line


def test_the_readme_links_to_the_promises():
    assert "(docs/guarantees.md)" in (ROOT / "README.md").read_text()
