"""What `run` makes of the errors that the commands' own tests do not come across."""

import subprocess
import sys

import pytest

from gan.command_line import run
from tests.small import CHECKOUT


def ended(capsys, error):
    def main():
        raise error

    with pytest.raises(SystemExit) as end:
        run(main)
    return end.value.code, *capsys.readouterr()


def test_memory_that_does_not_suffice_is_one_line(capsys):
    status, out, err = ended(capsys, MemoryError("Unable to allocate 3.2 TiB"))
    assert (status, out) == (2, "")
    assert err == "error: not enough memory (Unable to allocate 3.2 TiB); try a smaller batch size or count\n"


def test_a_file_that_cannot_be_used_is_one_line(capsys):
    status, out, err = ended(capsys, PermissionError(13, "Permission denied", "a.npz"))
    assert (status, out) == (2, "")
    assert err == "error: [Errno 13] Permission denied: 'a.npz'; name another file or folder\n"


def test_a_reader_that_has_gone_is_told_nothing():
    """As in  python examples/... | head -1 : no traceback, and no complaint of the interpreter's when it ends."""
    code = "from gan.command_line import run\nrun(lambda: [print('x' * 1000) for _ in range(10_000)] and 0)"
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(60) == 2
