"""Elements of a page. What is not made by `tag` is text and is escaped, so a book's title can never be markup."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ue000\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
_VOID = frozenset({"meta", "input", "br", "hr", "wbr"})


class Html(str):
    """Markup, as opposed to text."""


def text(value: Any) -> Html:
    """A value as escaped text, without characters that a browser may not have or that reorder what is beside them."""
    return value if isinstance(value, Html) else Html(escape(_CONTROL.sub("�", str(value)), quote=True))


def tag(name: str, /, *children: Any, **attributes: Any) -> Html:
    """An element. Attributes: `class_` is class, `_` is `-`; None and False are left out, True has no value."""
    inside = "".join(
        f" {_attribute(key)}" + ("" if value is True else f'="{text(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{inside}>")
    return Html(f"<{name}{inside}>{join(children)}</{name}>")


def join(children: Iterable[Any]) -> Html:
    """Elements and texts, one after the other; None is nothing."""
    return Html("".join(text(child) for child in children if child is not None))


def _attribute(key: str) -> str:
    return key if key == "viewBox" or key == "preserveAspectRatio" else key.rstrip("_").replace("_", "-")


def mapping(value: Any) -> Mapping[str, Any]:
    """A table of the report, or an empty one where it holds something else."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Any]:
    """A list of the report, or an empty one where it holds something else."""
    return list(value) if isinstance(value, list | tuple) else []


def rows(value: Any) -> list[Mapping[str, Any]]:
    """A list of tables of the report; what is no table is left out."""
    return [item for item in items(value) if isinstance(item, Mapping)]


def numbers(value: Any) -> list[float]:
    """A list of numbers of the report; what is none is left out."""
    return [found for item in items(value) if (found := number(item)) is not None]


def number(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def clip(value: Any, limit: int) -> str:
    """The first characters of a text, with an ellipsis where there are more."""
    words = str(value if value is not None else "")
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"
