"""Fetching from mirrors that misbehave, on the loopback interface."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from gan.data import fetch, probe
from gan.data.datasets import load
from gan.errors import DataError
from tests.support import mirror as behave
from tests.support.mirror import (
    FILES,
    IMAGES,
    LABELS,
    Mirror,
    check,
    closed_port,
    digits,
    names,
)


def test_fetched_once_then_cached(tmp_path, mirror, capsys):
    source = digits(mirror.url)
    check(load(source, data_dir=tmp_path, quiet=True))
    assert mirror.requested == [IMAGES, LABELS]
    assert names(tmp_path) == ["digits"] and names(tmp_path / "digits") == [IMAGES, LABELS]
    assert (tmp_path / "digits" / IMAGES).read_bytes() == FILES[IMAGES]
    assert (tmp_path / "digits" / IMAGES).stat().st_mode & 0o777 == 0o644
    check(load(source, data_dir=tmp_path))
    assert mirror.requested == [IMAGES, LABELS]
    assert capsys.readouterr() == ("", "")
    load(source, "test", data_dir=tmp_path)
    err = capsys.readouterr().err
    assert "t10k-images-idx3-ubyte.gz: " in err and "/1.65M" in err  # the progress bar


def test_a_file_that_another_user_has_just_fetched_is_used(tmp_path, mirror, monkeypatch):
    def forbidden(path, mode):
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr(fetch.os, "chmod", forbidden)
    check(load(digits(mirror.url), data_dir=tmp_path, quiet=True))


@pytest.mark.parametrize(
    "behaviour, reason",
    [
        (behave.wrong_content, "wrong content"),
        (behave.truncated, "connection failed"),
        (behave.forbidden, "status 403"),
        (behave.silent, "connection failed"),
        (None, "connection refused"),
    ],
)
def test_a_bad_mirror_is_skipped_and_named_if_none_is_left(tmp_path, mirror, behaviour, reason):
    with Mirror(FILES, behaviour) as bad:
        first = bad.url if behaviour else closed_port()
        with pytest.raises(DataError) as caught:
            load(digits(first), data_dir=tmp_path, quiet=True, timeout=(1, 0.2))
        host = first.split("/")[2]
        assert f"{host}: {reason}" in str(caught.value) and str(
            tmp_path / "digits" / IMAGES
        ) in str(caught.value)
        assert names(tmp_path / "digits") == []  # nor is a temporary file left
        check(load(digits(first, mirror.url), data_dir=tmp_path, quiet=True, timeout=(1, 0.2)))
        assert mirror.requested == [IMAGES, LABELS]


def test_a_mirror_that_timed_out_is_not_tried_again(tmp_path, mirror):
    start = time.monotonic()
    with Mirror(FILES, behave.silent) as silent, Mirror(FILES, behave.wrong_content) as wrong:
        load(
            digits(silent.url, wrong.url, mirror.url),
            data_dir=tmp_path,
            quiet=True,
            timeout=(1, 0.2),
        )
        assert silent.requested == [IMAGES]
        assert wrong.requested == [IMAGES, LABELS]  # it answers, so it may have the other file
        # the timeout given, not the default of requests or pooch
        assert time.monotonic() - start < 10


def test_a_server_that_labels_gz_files_as_encoded(tmp_path, mirror):
    mirror.behave = behave.labelled_as_encoded
    check(load(digits(mirror.url), data_dir=tmp_path, quiet=True))


def test_through_a_proxy(tmp_path, mirror, monkeypatch):
    monkeypatch.setenv("http_proxy", mirror.url)
    check(load(digits("http://mirror.invalid/"), data_dir=tmp_path, quiet=True))


def test_hosts_that_never_answer_cost_one_deadline(tmp_path, monkeypatch):
    end = threading.Event()

    def hang(*_, **__):
        end.wait(60)
        raise OSError("timed out at last")

    monkeypatch.setattr(probe.socket, "create_connection", hang)
    start = time.monotonic()
    with pytest.raises(DataError, match="one.invalid: no answer; two.invalid: no answer"):
        load(
            digits("http://one.invalid/", "http://two.invalid/"),
            data_dir=tmp_path,
            timeout=(0.2, 1),
        )
    end.set()
    assert time.monotonic() - start < 30


def test_a_cache_that_cannot_be_written(tmp_path, mirror):
    (tmp_path / "digits").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="digits: expected a writable folder.*--data-dir"):
        load(digits(mirror.url), data_dir=tmp_path, quiet=True)


LOAD = (
    "import sys; from gan.data.datasets import load; from gan.data.sources import SOURCES, "
    "Source; load(Source('digits', SOURCES['mnist-sample'].files, (sys.argv[1],)), "
    "data_dir=sys.argv[2], quiet=True)"
)


def load_in_a_process(url, folder):
    return subprocess.Popen(
        [sys.executable, "-c", LOAD, url, str(folder)], stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("signal_, left", [(signal.SIGINT, 0), (signal.SIGKILL, 1)])
def test_interrupted_half_way_and_run_again(tmp_path, mirror, signal_, left):
    mirror.behave = behave.stall
    with load_in_a_process(mirror.url, tmp_path) as process:
        assert mirror.halfway.wait(20)
        process.send_signal(signal_)
        process.communicate(timeout=20)
    assert process.returncode != 0
    assert IMAGES not in names(tmp_path / "digits") and len(names(tmp_path / "digits")) == left
    mirror.behave = behave.serve
    check(load(digits(mirror.url), data_dir=tmp_path, quiet=True))


def test_two_processes_fetch_at_once(tmp_path, mirror):
    both_connected = threading.Barrier(2, timeout=20)

    def together(mirror, request, body):
        both_connected.wait()  # both request the file before either gets it
        behave.serve(mirror, request, body)

    mirror.behave = together
    processes = [load_in_a_process(mirror.url, tmp_path) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
    assert sorted(mirror.requested) == [IMAGES] * 2 + [LABELS] * 2
    assert names(tmp_path / "digits") == [IMAGES, LABELS]
    check(load(digits(), data_dir=tmp_path))
