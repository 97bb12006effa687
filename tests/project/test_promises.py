"""What the README promises is tested: every line of its table names a test that is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_promise_has_a_test_that_exists():
    section = (ROOT / "README.md").read_text().split("\n## Promises\n")[1].split("\n## ")[0]
    table = section.split("| promise | test |")[1].split("\n\n")[0]
    _, _, *promises = table.splitlines()
    assert len(promises) > 20
    for line in promises:
        (path, name) = re.fullmatch(r"\| .+ \| `(tests/[\w/]+\.py)::(test_\w+)` \|", line).groups()
        assert f"\ndef {name}(" in (ROOT / path).read_text(), line
