"""The command `byhand lab`."""

import re
import signal
import subprocess
import sys
import time

import pytest

from gan.commands import lab
from gan.runs.run import Run
from tests.support.lab import ask, page_at
from tests.support.small import CHECKOUT, assert_refused, command  # noqa: F401


def test_a_lab_that_is_ended_saves_its_run(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); from gan.commands.main import main"
    words = [sys.executable, "-c", f"{code}; main()", "lab", "--no-browser", "--device", "numpy"]
    with subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "the lab is at\n"
            link = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", link)
            with page_at(*link.split("/?token=")) as page:
                ask(page, "start", recipe="mlp-leaky", dataset="mnist-sample")
                while ask(page, "training")[0]["state"] != "running":
                    time.sleep(0.05)
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=60) == 128 + signal.SIGTERM
            assert process.stderr.read() == ""
        finally:
            process.kill()
    [folder] = (tmp_path / "runs").iterdir()
    run = Run.resume(folder)
    assert run.checkpoint.config["recipe"] == "mlp-leaky" and (folder / "weights.npz").exists()
    run.release()


def test_a_missing_extra_is_an_error_of_three_parts(command, monkeypatch):  # noqa: F811
    find = lab.find_spec
    monkeypatch.setattr(lab, "find_spec", lambda name: None if name == "uvicorn" else find(name))
    assert_refused(command(lab, "--no-browser"), "got no uvicorn; install them with pip install")


@pytest.mark.parametrize("port", ["0", "-1", "65536", "x", "1e3", "٣"])
def test_a_port_is_one_that_exists(command, port):  # noqa: F811
    assert_refused(command(lab, "--port", port), "--port: expected a port from 1 to 65535")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_all_addresses_at_once_are_refused(command, host):  # noqa: F811
    assert_refused(command(lab, "--host", host), "--host: expected one address or name")


def test_own_data_must_exist(command):  # noqa: F811
    assert_refused(command(lab, "--data", "nope"), "got no file or folder nope; check the path")
