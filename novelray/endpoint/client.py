"""A few lines of client: enough to show a person that the endpoint writes. Programs use the official OpenAI client."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from novelray.errors import ClusterError
from novelray.home import user_folder


def own_key_file() -> Path:
    """Where the first serve keeps this person's key."""
    return user_folder() / "api-key"


def own_key() -> str:
    """The key to use from this machine: `NOVELRAY_API_KEY`, else the one saved at the first serve; may be empty."""
    found = os.environ.get("NOVELRAY_API_KEY")
    path = own_key_file()
    return found or (path.read_text().strip() if path.is_file() else "")


def stream_completion(url: str, key: str, prompt: str, **options: Any) -> Iterator[str]:
    """The pieces of a continuation as the endpoint at `url` streams them. Raises ClusterError."""
    body = {"prompt": prompt, "stream": True, **options}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.stream("POST", f"{url}/v1/completions", json=body, headers=headers, timeout=120) as answer:
            if answer.status_code != 200:
                answer.read()
                raise ClusterError(f"{url} answered {answer.status_code}: {_message(answer)}", "See docs/serving.md.")
            for line in answer.iter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    yield _text(json.loads(line.removeprefix("data: ")))
    except httpx.HTTPError as error:
        raise ClusterError(f"{url} does not answer: {error}.", "Is the endpoint up? See: novelray serve") from error


def _text(event: dict[str, Any]) -> str:
    if "error" in event:
        raise ClusterError(f"The endpoint stopped: {event['error']['message']}", "Try again.")
    return "".join(choice.get("text", "") for choice in event["choices"])


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
