"""A mirror on the loopback interface that misbehaves on demand, and the files that it serves."""

import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from gan.data.locations import sample_folder
from gan.data.sources import SOURCES, Source

SAMPLE = sample_folder()
IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
FILES = {name: (SAMPLE / name).read_bytes() for name in SOURCES["mnist-sample"].files}
FIRST_LABELS = [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


class Mirror:
    """Serves files, bytes by name, from memory at `url`; `requested` lists the requests in order.

    behave: how a file is sent, such as `serve` below; may be replaced at any time.
    """

    def __init__(self, files, behave=None):
        self.files, self.behave, self.requested = files, behave or serve, []
        self.halfway = threading.Event()  # set by `stall` when half of a file is sent
        self.release = threading.Event()  # set at the end: releases hanging requests

    def __enter__(self):
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.rsplit("/", 1)[-1]
                mirror.requested.append(name)
                with contextlib.suppress(OSError):  # the client may hang up at any time
                    if name in mirror.files:
                        mirror.behave(mirror, self, mirror.files[name])
                    else:
                        self.send_error(404)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.release.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def _send(request, body, *, length=None, **headers):
    request.send_response(200)
    request.send_header("Content-Length", str(len(body) if length is None else length))
    for key, value in headers.items():
        request.send_header(key.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(body)


def serve(mirror, request, body):
    _send(request, body)


def wrong_content(mirror, request, body):
    _send(request, b"<html>Please log in to use this network</html>")


def truncated(mirror, request, body):
    _send(request, body[: len(body) // 2], length=len(body))


def silent(mirror, request, body):
    mirror.release.wait(30)


def stall(mirror, request, body):
    _send(request, body[: len(body) // 2], length=len(body))
    request.wfile.flush()
    mirror.halfway.set()
    mirror.release.wait(30)


def forbidden(mirror, request, body):
    request.send_error(403)


def labelled_as_encoded(mirror, request, body):
    _send(request, body, Content_Encoding="x-gzip")


def closed_port():
    """A URL at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch):
    for name in ("BYHAND_DATA_DIR", "http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def mirror():
    with Mirror(FILES) as running:
        yield running


def digits(*urls, **changes):
    """The sample under another name, at these mirrors, so that tests stay offline."""
    return Source("digits", SOURCES["mnist-sample"].files, urls, **changes)


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def check(loaded):
    images, labels = loaded
    assert images.shape == (10000, 784) and images.dtype == np.uint8
    assert labels.shape == (10000,) and labels.dtype == np.uint8
    assert labels[:10].tolist() == FIRST_LABELS
