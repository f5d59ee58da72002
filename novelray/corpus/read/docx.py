"""DOCX: paragraphs and heading styles from its XML, and the core properties. Deleted text and fields are left out."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from novelray.corpus.read.archives import Allowance, member_bytes, open_zip
from novelray.corpus.read.book_text import HEADING, SCENE_BREAK, Draft
from novelray.corpus.read.encodings import Unreadable
from novelray.corpus.read.meta import BookMeta, meta_of
from novelray.corpus.read.xml_text import local, parse_xml

DOCUMENT = "word/document.xml"
_LEFT_OUT = frozenset(
    ("del", "moveFrom", "instrText", "delText", "Fallback", "footnoteReference", "pPr", "rPr", "sectPr")
)
_SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_HEADING_STYLE = re.compile(r"(?:heading|标题|標題)\s*([1-6])", re.I)


def read_docx(data: bytes, limit: int) -> Draft:
    """The book of a DOCX. `limit`: most bytes it may unpack to. Raises Unreadable."""
    allowance = Allowance(limit, len(data))
    with open_zip(io.BytesIO(data)) as archive:
        names = {info.filename: info for info in archive.infolist()}

        def xml(name: str) -> Any:
            return parse_xml(member_bytes(archive, names[name], allowance), name) if name in names else None

        document = xml(DOCUMENT)
        if document is None:
            raise Unreadable(f"the DOCX is damaged: it has no {DOCUMENT}")
        levels = _levels(xml("word/styles.xml"))
        meta = _meta(xml("docProps/core.xml"))
        paragraphs = [text for p in _paragraphs(document) if (text := _text(p, levels))]
    text = "\n\n".join(paragraphs)
    if not text:
        raise Unreadable("the DOCX has no text")
    draft = Draft(text, meta=meta, encoding="utf-8", format="docx", chars=len(text))
    return draft


def _levels(styles: Any) -> dict[str, int]:
    """Heading level of each style: named a heading or the title, or with an outline level."""
    found: dict[str, int] = {}
    for style in styles if styles is not None else ():
        if local(style) != "style":
            continue
        name = next((_value(e) for e in style if local(e) == "name"), "")
        outline = next((_value(e) for e in style.iter() if local(e) == "outlineLvl"), "")
        if match := _HEADING_STYLE.fullmatch(name):
            found[_attribute(style, "styleId")] = int(match[1])
        elif name.lower() == "title":
            found[_attribute(style, "styleId")] = 1
        elif outline.isdigit() and int(outline) < 6:
            found[_attribute(style, "styleId")] = int(outline) + 1
    return found


def _value(element: Any) -> str:
    return _attribute(element, "val")


def _attribute(element: Any, name: str) -> str:
    return next((str(v) for k, v in element.attrib.items() if k.rpartition("}")[2] == name), "")


def _meta(core: Any) -> BookMeta:
    return meta_of({local(e): e.text for e in core if e.text}) if core is not None else BookMeta()


def _paragraphs(document: Any) -> Iterator[Any]:
    return (e for e in document.iter() if local(e) == "p")


def _text(paragraph: Any, levels: dict[str, int]) -> str:
    style = outline = ""
    border = False
    for properties in (e for e in paragraph if local(e) == "pPr"):
        style = next((_value(e) for e in properties if local(e) == "pStyle"), "")
        outline = next((_value(e) for e in properties if local(e) == "outlineLvl"), "")
        border = any(local(e) == "pBdr" for e in properties)
    text = "".join(_runs(paragraph)).replace(HEADING, "").strip(" \t\n\u3000")
    if not text:
        return SCENE_BREAK if border else ""
    level = int(outline) + 1 if outline.isdigit() and int(outline) < 6 else levels.get(style, 0)
    return f"{HEADING}{level}{' '.join(text.split())}" if level else text


def _runs(element: Any) -> Iterator[str]:
    """The text below an element, but not that of paragraphs inside it (text boxes), which come by themselves."""
    stack = list(reversed(element))
    while stack:
        node = stack.pop()
        name = local(node)
        if name == "t":
            yield node.text or ""
        elif name in _SIGNS and not (name == "br" and _attribute(node, "type") in ("page", "column")):
            yield _SIGNS[name]
        elif name not in _LEFT_OUT and name != "p":
            stack.extend(reversed(node))
