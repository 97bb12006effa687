"""The websocket of one page: its requests, and what it watches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from starlette.websockets import WebSocket, WebSocketDisconnect

from gan.errors import RunError
from gan.lab.answers import Handler
from gan.lab.messages import MAX_BYTES, Message, encode
from gan.lab.outbox import Outbox
from nn import ByhandError

log = logging.getLogger(__name__)
TOO_BIG, UNSUPPORTED = 1009, 1003  # codes of a websocket's end
PAUSE = 0.02  # seconds between two looks at a page that does not read


async def answer_requests(
    websocket: WebSocket, outbox: Outbox, handlers: Mapping[str, Handler]
) -> None:
    """Answer a page's requests one after another until it goes.

    Handlers run in other threads, so that other pages are answered meanwhile.

    Parameters
    ----------
    websocket
        An accepted one.
    outbox
        Takes the answers.
    handlers
        By kind of message.
    """
    sender = asyncio.create_task(_send(websocket, outbox))
    try:
        while True:
            received = await websocket.receive()
            if received["type"] == "websocket.disconnect":
                return
            text = received.get("text")
            if text is None:
                await websocket.close(UNSUPPORTED, "expected text")
                return
            if len(text) > MAX_BYTES:
                await websocket.close(TOO_BIG, f"expected at most {MAX_BYTES:,} characters")
                return
            outbox.put(await asyncio.to_thread(reply, text, handlers))
            while outbox.is_full and not sender.done():
                await asyncio.sleep(PAUSE)
    finally:
        sender.cancel()


def reply(text: str, handlers: Mapping[str, Handler]) -> bytes:
    """The answer to a request, which may be an error."""
    to = None
    try:
        message = Message(text)
        to = message.id
        if message.kind not in handlers:
            raise RunError(
                f"message: expected one of {', '.join(handlers)}, got {message.kind!r:.60}; "
                "reload the page"
            )
        answer = handlers[message.kind](message)
        return encode("answer", {"to": to, **answer.fields}, answer.arrays)
    except (ByhandError, OSError) as problem:
        return encode("error", {"to": to, "message": str(problem)}, {})
    except MemoryError:
        return encode("error", {"to": to, "message": "not enough memory; ask for less"}, {})
    except Exception as problem:  # the page must learn of it, and others must go on
        log.exception("the lab failed to answer")
        message_text = f"the server failed: {type(problem).__name__}; its terminal says more"
        return encode("error", {"to": to, "message": message_text}, {})


async def _send(websocket: WebSocket, outbox: Outbox) -> None:
    """Send what is in the outbox, until the page goes."""
    try:
        while True:
            await websocket.send_bytes(await outbox.get())
    except (WebSocketDisconnect, RuntimeError):  # it went while we sent
        return
