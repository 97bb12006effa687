"""Errors that the tests of the commands do not raise, as `run` reports them."""

import os
import subprocess
import sys

import pytest

from gan.commands.shared.command_line import run
from gan.commands.shared.outputs import free_folder
from gan.errors import RunError
from tests.support.small import CHECKOUT


def ended(capsys, error):
    def main():
        raise error

    with pytest.raises(SystemExit) as end:
        run(main)
    return end.value.code, *capsys.readouterr()


def test_a_memory_error_is_one_line(capsys):
    status, out, err = ended(capsys, MemoryError("Unable to allocate 3.2 TiB"))
    assert (status, out) == (2, "")
    assert (
        err == "error: not enough memory (Unable to allocate 3.2 TiB); "
        "try a smaller batch size or count\n"
    )


def test_an_os_error_is_one_line(capsys):
    status, out, err = ended(capsys, PermissionError(13, "Permission denied", "a.npz"))
    assert (status, out) == (2, "")
    assert err == "error: [Errno 13] Permission denied: 'a.npz'; name another file or folder\n"


@pytest.mark.parametrize("words", ["x", 10_000 * "x"], ids=["within the buffer", "beyond it"])
@pytest.mark.parametrize("end", ["return 0", "sys.exit(0)", "raise RunError('no')"])
def test_a_closed_pipe_is_not_reported(words, end):
    """As in `byhand ... | true`: no traceback, and no warning when the interpreter exits.

    An error of the command itself is still reported.
    """
    code = (
        "import sys\nfrom gan.commands.shared.command_line import run\n"
        "from gan.errors import RunError\n"
        f"def main():\n    sys.stdin.read()\n    print({words!r})\n    {end}\nrun(main)"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert process.communicate()[1] == (b"error: no\n" if "RunError" in end else b"")
    assert process.returncode == 2


def test_a_folder_below_a_broken_link_is_an_error(tmp_path):
    (tmp_path / "runs").symlink_to(tmp_path / "gone")
    with pytest.raises(RunError, match="cannot be written"):
        free_folder(tmp_path / "runs" / "x")
