"""The server of the lab: the page's files, and a websocket for each page."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from gan.errors import RunError
from gan.lab.lab import Lab
from gan.lab.messages import MAX_BYTES
from gan.lab.outbox import Outbox
from gan.lab.page_socket import answer_requests
from gan.lab.security import HEADERS, Guard, hosts_of

PAGE = Path(__file__).resolve().parent / "page"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
BACKLOG = 128  # connections that wait
SHUTDOWN_SECONDS = 3  # for pages to go
THREADS = 3  # that answer; each keeps work memory of its own, which 64 digits need 100 MB of


def page_files() -> dict[str, Path]:
    """The files of the page, by their paths on the server; no other file is served."""
    files = {
        f"/{path.relative_to(PAGE).as_posix()}": path
        for path in sorted(PAGE.rglob("*"))
        if path.suffix in TYPES
    }
    files["/"] = files.pop("/index.html")
    return files


def application(
    lab: Lab, token: str, address: str, port: int, started: Callable[[], object] = lambda: None
) -> ASGIApp:
    """The lab's ASGI application.

    Parameters
    ----------
    lab
        What it serves; closed when the server ends.
    token
        That of the link.
    address, port
        Where it is served.
    started
        Called once requests are answered.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(THREADS, "lab"))
        loop.call_soon(started)
        yield
        await asyncio.to_thread(lab.close)

    async def page_socket(websocket: WebSocket) -> None:
        await websocket.accept()
        outbox = Outbox(asyncio.get_running_loop())
        visit = lab.visit(outbox)
        try:
            await answer_requests(websocket, outbox, visit.handlers)
        finally:
            await asyncio.to_thread(visit.end)

    routes = [Route(url, _sends(path)) for url, path in page_files().items()]
    app = Starlette(
        routes=[*routes, WebSocketRoute("/socket", page_socket)],
        lifespan=lifespan,
    )
    return Guard(app, token, hosts_of(address, port), port)


def _sends(path: Path) -> Callable[[Request], Awaitable[Response]]:
    """A handler that sends one file of the page."""

    async def send(request: Request) -> Response:
        return FileResponse(path, media_type=TYPES[path.suffix], headers=HEADERS)

    return send


def bound_socket(address: str, port: int) -> socket.socket:
    """A listening socket at the address; port 0 takes a free one.

    Raises
    ------
    RunError
        If the address is not this machine's, or the port is taken.
    """
    found = None
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(where)
        found.listen(BACKLOG)  # a browser that comes before the server is ready waits
    except OSError as problem:
        if found:
            found.close()
        raise RunError(
            f"{address}:{port}: cannot be served ({problem.strerror}); name another --port or "
            "--host"
        ) from None
    return found


def server_of(app: ASGIApp) -> uvicorn.Server:
    """A server of the application; its `run(sockets=[...])` ends at a signal."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="websockets-sansio",
        ws_max_size=MAX_BYTES,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return uvicorn.Server(config)
