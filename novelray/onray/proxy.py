"""What Ray Serve's HTTP proxies run in front of every request.

They find it by `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH` in the environment of their node, which session.py sets.
"""

from __future__ import annotations

from starlette.middleware import Middleware

from novelray.endpoint.broken import EndsBroken


def middlewares() -> list[Middleware]:
    """A replica that dies ends its streams with an error that says so."""
    return [Middleware(EndsBroken)]
