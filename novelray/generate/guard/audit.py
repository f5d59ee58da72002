"""One line for each intervention, to the logger `novelray.guard`: what was done where, and never to what text."""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import UTC, datetime

from novelray.generate.protocol import Intervention, Request

log = logging.getLogger("novelray.guard")


def write(done: Intervention, request: Request, version: str, text: str) -> None:
    """Log an intervention as JSON. `text`: what it was about, of which only the SHA-256 is told."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request": request.id,
        "key": request.caller or None,
        "model": version,
        "style": dict(request.style),
        "rule": done.rule,
        "action": done.action,
        "offset": done.offset,
        "length": done.length,
        "sha256": hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(),
    }
    log.warning("%s", json.dumps(line, ensure_ascii=False))
