"""Who may talk to the server: a browser that opened the link with the token, from our page."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
HTTP_PORT = 80
POLICY_VIOLATION = 1008  # of a websocket


def new_token() -> str:
    """A random token for the link, 256 bits."""
    return secrets.token_urlsafe(32)


def hosts_of(address: str, port: int) -> frozenset[str]:
    """The values of Host that a browser sends for the lab at this address and port.

    A page of another site whose name was pointed at this address has another Host.
    """
    names = {f"[{address}]" if ":" in address else address}
    names |= set(LOOPBACK) if names & set(LOOPBACK) else set()
    ports = [f":{port}", ""] if port == HTTP_PORT else [f":{port}"]  # browsers leave 80 out
    return frozenset(name + end for name in names for end in ports)


class Guard:
    """Passes on only what comes from the page, and adds HEADERS to each answer.

    The link holds the token. Opening it sets a cookie that no script can read, and leads to the
    page's address without the token. Each request needs the cookie and one of the known hosts; a
    websocket needs an Origin of this page too, which a page of another site cannot forge.

    Parameters
    ----------
    app
        What is guarded.
    token
        The token.
    hosts
        From `hosts_of`.
    port
        Names the cookie, since cookies are shared by all ports of a host.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: Collection[str], port: int) -> None:
        self._app, self._token, self._hosts = app, token, hosts
        self._cookie = f"byhand-lab-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if scope["type"] == "websocket":
            if refusal:
                await receive()
                await send(
                    {"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal[:100]}
                )
            else:
                await self._app(scope, receive, send)
        elif refusal:
            answer = PlainTextResponse(refusal + "\n", status_code=403, headers=HEADERS)
            await answer(scope, receive, send)
        elif self._given(scope):
            redirect = RedirectResponse("/", status_code=303, headers=HEADERS)
            redirect.set_cookie(self._cookie, self._token, httponly=True, samesite="lax", path="/")
            await redirect(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> str:
        """Why the request is refused, or an empty text."""
        if (host := headers.get("host", "")) not in self._hosts:
            return f"host: expected one of {', '.join(sorted(self._hosts))}, got {host!r:.80}"
        origin = headers.get("origin")
        from_us = origin in {f"http://{name}" for name in self._hosts}
        if not from_us and (origin or scope["type"] == "websocket"):
            return f"origin: expected this page, got {origin!r:.80}"
        known = self._given(scope) or self._from_cookie(headers)
        if not secrets.compare_digest(known.encode(), self._token.encode()):
            return (
                "token: expected the link that byhand lab printed, got another; open that link "
                "again"
            )
        return ""

    def _given(self, scope: Scope) -> str:
        """The token in the link, if this is its request."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            return ""
        return parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]

    def _from_cookie(self, headers: Headers) -> str:
        """The token in the cookie."""
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return ""
        return cookie.value if cookie else ""
