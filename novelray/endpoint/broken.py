"""What clients hear when the replica that answers them dies. Plain ASGI, in front of what deals requests out.

Without it the connection breaks in the middle of a stream, which a client cannot tell from a fault of its network.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from novelray.endpoint.errors import ApiError
from novelray.endpoint.events import event, write

LOST = ApiError(
    503, "The server that answered this request was lost. It can be tried again.", code="replica_lost",
    headers={"Retry-After": "1"},
)  # fmt: skip


class EndsBroken:
    """A stream that breaks off ends with an error object; an answer that never began is 503."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = streams = ended = False

        async def sending(message: Message) -> None:
            nonlocal started, streams, ended
            if message["type"] == "http.response.start":
                started, streams = True, _is_stream(message)
            elif message["type"] == "http.response.body":
                ended = not message.get("more_body", False)
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:  # to a client that has left, nothing goes out
            if streams and not ended:
                await write(send, event(LOST.body()), last=True)
            elif not started:
                await LOST.response()(scope, receive, send)


def _is_stream(start: Message) -> bool:
    headers = {bytes(name).lower(): bytes(value) for name, value in start.get("headers", ())}
    return headers.get(b"content-type", b"").startswith(b"text/event-stream")
