"""Machine code on disk is used if it is intact and current; otherwise the kernel is compiled."""

import errno
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nn

numba = pytest.importorskip("numba")

from numba import prange  # noqa: E402

from nn.ops.numba import cache as numba_cache  # noqa: E402
from nn.ops.numba.compiling import both, compiled  # noqa: E402

ROOT = Path(nn.__file__).parent.parent


def add_one(x):
    for i in prange(x.size):
        x[i] += 1


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def run():
    """Call the kernel as a new process would; return whether its machine code came from disk."""
    kernel, x = compiled()(add_one), np.zeros(3)
    kernel(x)
    assert x.tolist() == [1, 1, 1]
    return sum(kernel.stats.cache_hits.values()) == 1


def files(folder, pattern="*add_one-*.nbc"):
    return sorted(folder.rglob(pattern))


def test_each_kernel_and_type_has_one_file(folder):
    assert not run() and run()
    (path,) = files(folder)
    assert [p for p in folder.rglob("*") if p.is_file()] == [path]
    compiled()(add_one)(np.zeros(3, np.float32))
    assert len(files(folder)) == 2 and run()


def test_compiling_is_logged_and_loading_is_not(folder, caplog):
    caplog.set_level("INFO", "nn.ops.numba")
    run()
    assert [record.getMessage() for record in caplog.records] == [
        "compiling add_one",
        "compiled add_one",
    ]
    assert [(record.kernel, record.is_compiled) for record in caplog.records] == [
        ("add_one", False),
        ("add_one", True),
    ]
    caplog.clear()
    assert run() and not caplog.records


def test_the_forms_of_a_kernel_have_files_of_their_own(folder):
    for _ in range(2):
        for kernel in both(add_one):
            kernel(np.zeros(3))
    assert len(files(folder)) == 1 and len(files(folder, "*add_one_together-*.nbc")) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda path, whole: path.write_bytes(b""),
        lambda path, whole: path.write_bytes(whole[:10]),
        lambda path, whole: path.write_bytes(whole[: len(whole) // 2]),
        lambda path, whole: path.write_bytes(whole[:-1]),
        lambda path, whole: path.write_bytes(whole[:-99] + b"x" + whole[-98:]),
        lambda path, whole: path.write_bytes(b"x" * len(whole)),
    ],
    ids=["empty", "no digest", "half", "a byte short", "a wrong byte", "something else"],
)
def test_a_damaged_file_is_replaced(folder, damage):
    run()
    (path,) = files(folder)
    whole = path.read_bytes()
    damage(path, whole)
    assert not run() and run() and files(folder) == [path]


def test_a_folder_in_place_of_the_file_is_no_error(folder):
    run()
    (path,) = files(folder)
    path.unlink()
    path.mkdir()
    assert not run() and not run()
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no temporary file is left


@pytest.mark.parametrize("problem", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_cannot_be_written_is_no_error(folder, monkeypatch, problem):
    def write_bytes(path, data):
        path.touch()
        raise OSError(problem, os.strerror(problem))

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    assert not run() and not run()
    assert not [p for p in folder.rglob("*") if p.is_file()]


@pytest.mark.parametrize("where", ["a file", "a file/below", "/proc/nowhere"])
def test_a_folder_that_cannot_be_created_is_no_error(tmp_path, monkeypatch, where):
    (tmp_path / "a file").touch()
    monkeypatch.setattr(numba_cache, "cache_folder", lambda function: tmp_path / where)
    assert not run() and not run()


def test_no_cache_folder_is_no_error(monkeypatch):
    def no_folder(function):
        raise RuntimeError("cannot cache function: no locator available")  # as Numba does

    monkeypatch.setattr(numba_cache, "cache_folder", no_folder)
    assert not run() and not run()


def test_code_of_other_sources_replaces_the_old(folder, monkeypatch):
    run()
    (old,) = files(folder)
    kernel, _, *rest = old.name.split("-")
    elsewhere = old.with_name("-".join([kernel, "0" * 16, *rest]))  # of another machine
    shutil.copy(old, elsewhere)
    monkeypatch.setattr(numba_cache, "kernel_sources", lambda: b"after a change")
    assert not run() and run()
    assert not old.exists() and elsewhere.exists() and len(files(folder)) == 2


def test_a_change_in_any_file_of_kernels_is_another_source(tmp_path):
    copied = tmp_path / "numba"
    no_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(numba_cache.__file__).parent, copied, ignore=no_caches)
    spec = importlib.util.spec_from_file_location("copied_cache", copied / "cache.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    seen, paths = {module.kernel_sources()}, sorted(copied.glob("*.py"))
    for path in paths:
        times = path.stat()
        path.write_text(path.read_text().replace("e", "E", 1))  # the same size and time
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        module.kernel_sources.cache_clear()
        seen.add(module.kernel_sources())
    assert len(paths) > 5 and len(seen) == len(paths) + 1


def test_code_of_another_machine_or_version_is_not_taken(folder, monkeypatch):
    run()
    monkeypatch.setattr(numba_cache, "VERSIONS", ("another",))
    assert not run() and len(files(folder)) == 2


@pytest.mark.parametrize("name", ["pack", "unpack"])
def test_without_numbas_internals_each_process_compiles(folder, monkeypatch, name):
    def missing(*arguments):
        raise AttributeError("another version of Numba")

    monkeypatch.setattr(numba_cache, name, missing)
    assert not run() and not run()


def test_two_processes_that_compile_at_once(folder):
    code = "import numpy as np, nn\nprint(nn.get_ops().leaky_relu(np.ones(3), 0.5, out=np.ones(3)))"
    command, env = [sys.executable, "-c", code], {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, cwd=ROOT, env=env, **pipes) for _ in range(2)]
    assert [process.communicate() for process in processes] == [(b"[1. 1. 1.]\n", b"")] * 2
    assert len(files(folder, "*.nbc")) == len([p for p in folder.rglob("*") if p.is_file()]) == 1
