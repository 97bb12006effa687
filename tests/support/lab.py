"""A lab that tests talk to, in this process or served on the loopback address."""

import contextlib
import json
import shutil
import socket
import threading
import time

import numpy as np
import pytest
from starlette.testclient import TestClient
from websockets.sync.client import connect

from gan.commands.shared.outputs import free_folder
from gan.commands.shared.pretrained import pretrained
from gan.lab.lab import Lab
from gan.lab.listing import Listing
from gan.lab.server import application, server_of
from gan.runs.weights import save_trained
from nn.ops import get_ops
from tests.support.small import TINY, trainer

TOKEN = "the-token"
SHIPPED = {"digits": pretrained(False), "by class": pretrained(True)}
DIGITS, BY_CLASS = "package/digits.npz", "package/digits-by-class.npz"
RUN_WEIGHTS = "runs/tiny/weights.npz"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def decode(message):
    """The header of a message of the server, and its arrays by name."""
    length = int.from_bytes(message[:4], "little")
    header = json.loads(message[4 : 4 + length])
    arrays = {
        each["name"]: np.frombuffer(
            message, each["dtype"], int(np.prod(each["shape"])), 4 + length + each["offset"]
        ).reshape(each["shape"])
        for each in header["arrays"]
    }
    return header, arrays


def make_run(runs, recipe=TINY, name="tiny"):
    """A folder that looks like a run's, with the weights of a trainer, which is returned."""
    trained = trainer(recipe)
    trained.fit(steps=2)
    (runs / name).mkdir(parents=True)
    (runs / name / "config.json").write_text("{}")
    save_trained(runs / name / "weights.npz", trained, {"dataset": "mnist-sample"})
    return trained


def make_lab(runs, data=()):
    """A lab on the reference backend, which compiles nothing."""

    def new_folder(recipe):
        return free_folder(runs / recipe)

    return Lab(Listing(SHIPPED, runs, data), get_ops("numpy"), new_folder)


def client(lab, port=80):
    """Starlette's client of an application, without the cookie."""
    app = application(lab, TOKEN, "127.0.0.1", port)
    return TestClient(app, base_url=f"http://127.0.0.1:{port}", follow_redirects=False)


class Served:
    """A lab at a real port, and its link."""

    def __init__(self, lab):
        self.lab = lab
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.link = f"{self.origin}/?token={TOKEN}"
        self.server = server_of(application(lab, TOKEN, "127.0.0.1", self.port))
        self.thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True
        )

    def page(self, **changed):
        """A websocket as the page opens it."""
        return page_at(self.origin, TOKEN, **changed)


def page_at(origin, token, **changed):
    """A websocket as the page of a lab opens it."""
    cookie = f"byhand-lab-{origin.rpartition(':')[2]}={token}"
    given = {"origin": origin, "additional_headers": {"Cookie": cookie}, "max_size": None}
    return connect(origin.replace("http", "ws") + "/socket", **{**given, **changed})


@contextlib.contextmanager
def serving(lab):
    """Serve a lab until the block ends."""
    served = Served(lab)
    served.thread.start()
    while not served.server.started:
        time.sleep(0.01)
    try:
        yield served
    finally:
        served.server.should_exit = True
        served.thread.join(timeout=20)
        assert not served.thread.is_alive()


def ask(page, kind, **fields):
    """Send a request through a websocket, and return what answers it."""
    page.send(json.dumps({"kind": kind, "id": 7, **fields}))
    while True:
        header, arrays = decode(page.recv(timeout=30))
        if header.get("to") == 7:
            return header, arrays


def browser_path():
    """Chromium on this machine; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        pytest.skip("needs Chromium: apt-get install chromium")
    return found
