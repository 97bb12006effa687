"""Who may talk to the server, what it serves, and its websockets."""

import configparser
import json
import threading
import time

import pytest
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gan.errors import RunError
from gan.lab.messages import MAX_BYTES
from gan.lab.server import PAGE, bound_socket, page_files
from tests.support.lab import DIGITS, TOKEN, ask, client, decode, make_lab, serving
from tests.support.small import CHECKOUT


@pytest.fixture
def lab(tmp_path):
    return make_lab(tmp_path / "runs")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(make_lab(tmp_path_factory.mktemp("lab") / "runs")) as served:
        yield served


def test_the_link_opens_the_page_and_leaves_no_token_in_the_address(lab):
    browser = client(lab, 8123)
    opened = browser.get(f"/?token={TOKEN}")
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "byhand-lab-8123" in cookie
    page = browser.get("/")
    assert page.status_code == 200 and "<title>byhand lab</title>" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self'")


@pytest.mark.parametrize("path", sorted(page_files()))
def test_nothing_is_served_without_the_token(lab, path):
    for query in ("", "?token=", "?token=wrong"):
        answer = client(lab).get(path + query)
        assert answer.status_code == 403 and "expected the link" in answer.text


def test_another_host_or_origin_is_refused(lab):
    browser = client(lab)
    for headers in (
        {"host": "evil.example"},
        {"host": "127.0.0.1:81"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ):
        assert browser.get(f"/?token={TOKEN}", headers=headers).status_code == 403
    assert browser.get(f"/?token={TOKEN}", headers={"host": "localhost:80"}).status_code == 303


def test_only_the_files_of_the_page_are_served(lab):
    browser = client(lab)
    browser.get(f"/?token={TOKEN}")
    for path, file in page_files().items():
        answer = browser.get(path)
        assert answer.status_code == 200 and answer.content == file.read_bytes()
    for path in (
        "/../server.py",
        "/%2e%2e/server.py",
        "/play/../../server.py",
        "/etc/passwd",
        "//etc/passwd",
        "/vendor/uplot/LICENSE",
        "/socket",
    ):
        assert browser.get(path).status_code in (403, 404), path
    assert browser.post("/").status_code == 405


def test_the_wheel_has_the_page():
    settings = configparser.ConfigParser()
    settings.read(CHECKOUT / "setup.cfg")
    patterns = settings["options.package_data"]["gan.lab"].split(", ")
    listed = {path for pattern in patterns for path in PAGE.parent.glob(pattern)}
    assert {path for path in PAGE.rglob("*") if path.is_file()} <= listed


def test_the_page_loads_nothing_from_another_host():
    for path in page_files().values():
        if "vendor" not in path.parts:
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            assert "http://" not in text and "https://" not in text, path


@pytest.mark.parametrize(
    "cookie, headers",
    [
        (None, {"origin": "http://127.0.0.1:80"}),
        (TOKEN, {}),
        (TOKEN, {"origin": "http://evil.example"}),
        (TOKEN, {"origin": "http://127.0.0.1:80", "host": "evil.example"}),
        ("wrong", {"origin": "http://127.0.0.1:80"}),
    ],
)
def test_a_websocket_of_another_page_is_refused(lab, cookie, headers):
    browser = client(lab)
    if cookie:
        browser.cookies.set("byhand-lab-80", cookie)
    headers = {"host": "127.0.0.1:80", **headers}
    with pytest.raises(WebSocketDisconnect), browser.websocket_connect("/socket", headers=headers):
        pass


def test_a_page_that_has_gone_leaves_nothing(served):
    with served.page() as page:
        ask(page, "weights")
        assert served.lab.n_pages == 1
    end = time.monotonic() + 20
    while served.lab.n_pages:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_requests_are_answered_in_order(served):
    with served.page() as page:
        for k in range(5):
            page.send(json.dumps({"kind": "weights", "id": k}))
        headers = [decode(page.recv(timeout=10))[0] for _ in range(5)]
    assert [header["to"] for header in headers] == [0, 1, 2, 3, 4]
    assert [each["name"] for each in headers[0]["weights"]][0] == DIGITS


def test_a_wrong_request_is_an_error_of_three_parts_and_the_next_is_answered(served):
    with served.page() as page:
        for text, what in [
            ("{", "expected a JSON object"),
            ('{"kind": "paint", "id": 1}', "expected one of weights, .* got 'paint'; reload"),
            ('{"kind": "open", "id": 1, "weights": "../x"}', "expected one of the 2 listed"),
        ]:
            page.send(text)
            header, _ = decode(page.recv(timeout=10))
            assert header["kind"] == "error"
            with pytest.raises(RunError, match=what):
                raise RunError(header["message"])
        assert ask(page, "weights")[0]["kind"] == "answer"


def test_a_failure_of_the_server_ends_no_page(lab, monkeypatch, caplog):
    def fail(message):
        raise ZeroDivisionError

    monkeypatch.setattr(lab.play, "weights", fail)
    browser = client(lab)
    browser.cookies.set("byhand-lab-80", TOKEN)
    with browser.websocket_connect(
        "/socket", headers={"origin": "http://127.0.0.1:80", "host": "127.0.0.1:80"}
    ) as page:
        page.send_text('{"kind": "weights", "id": 1}')
        header, _ = decode(page.receive_bytes())
    assert header["kind"] == "error" and "ZeroDivisionError" in header["message"]
    assert "failed to answer" in caplog.text


def test_a_real_websocket_without_cookie_is_refused(served):
    with pytest.raises(InvalidStatus), served.page(additional_headers={}):
        pass


@pytest.mark.parametrize(
    "message, code", [({"text": "x" * (MAX_BYTES + 1)}, 1009), ({"bytes": b"x"}, 1003)]
)
def test_long_and_binary_messages_are_refused_by_the_application_too(lab, message, code):
    browser = client(lab)
    browser.cookies.set("byhand-lab-80", TOKEN)
    headers = {"origin": "http://127.0.0.1:80", "host": "127.0.0.1:80"}
    with browser.websocket_connect("/socket", headers=headers) as page:
        page.send({"type": "websocket.receive", **message})
        with pytest.raises(WebSocketDisconnect) as end:
            page.receive_bytes()
    assert end.value.code == code


def test_long_and_binary_messages_end_the_connection(served):
    for content in ("x" * (MAX_BYTES + 1), b"x"):
        with served.page() as page, pytest.raises(ConnectionClosed):
            page.send(content)
            page.recv(timeout=10)
    with served.page() as page:  # others go on
        assert ask(page, "weights")[0]["kind"] == "answer"


def test_pages_are_answered_side_by_side(served, monkeypatch):
    entered, leave = threading.Event(), threading.Event()
    weights = served.lab.play.listing.weights

    def slow():
        if not entered.is_set():
            entered.set()
            leave.wait(20)
        return weights()

    monkeypatch.setattr(served.lab.play.listing, "weights", slow)
    with served.page() as one, served.page() as other:
        one.send('{"kind": "weights", "id": 1}')
        assert entered.wait(10)
        assert ask(other, "weights")[0]["kind"] == "answer"
        leave.set()
        assert decode(one.recv(timeout=10))[0]["kind"] == "answer"


def test_a_taken_port_is_an_error_of_three_parts(served):
    with pytest.raises(RunError, match=r"127.0.0.1:\d+: cannot be served \(.*\); name another"):
        bound_socket("127.0.0.1", served.port)
