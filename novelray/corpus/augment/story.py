"""Stories that a model writes: the prompt from a training chapter, and what is kept of the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_END = re.compile(r"[。！？!?…][”’」』》）)\"']*|\.[”’\"')]*(?=\s|$)|\n")
_BREAKS = re.compile(r"\n{3,}")


def opening(text: str, title: str, limit: int) -> str:
    """The first at most `limit` characters of a chapter after its heading, up to the end of a line or a sentence."""
    body = text.removeprefix(title).strip() if title else text.strip()
    return up_to_sentence(body, limit)


def up_to_sentence(text: str, limit: int) -> str:
    """At most `limit` characters of a text, cut after the last sentence or line that ends there; without any, ""."""
    if len(text) <= limit:
        return text
    ends = [m.end() for m in _END.finditer(text, 0, limit + 1) if m.end() <= limit]
    return text[: ends[-1]].rstrip() if ends else ""


def fill(prompt: str, chapter: Mapping[str, Any], limit: int) -> str:
    """The prompt for one story. `chapter`: a row of the corpus; `limit`: characters of its opening."""
    first = opening(chapter["text"], chapter["title"], limit)
    names = {name: chapter.get(name, "") for name in ("title", "book", "author", "genre")}
    return prompt.format(opening=first, **names)


def as_story(answer: str, limit: int) -> str:
    """What a model wrote, without loose spaces and an unfinished last sentence, at most `limit` characters."""
    text = _BREAKS.sub("\n\n", "\n".join(line.rstrip() for line in answer.split("\n"))).strip()
    return up_to_sentence(text + "\n", min(limit, len(text)))
