"""HTML to paragraphs: blocks become paragraphs, h1 to h6 marked headings, `<br>` line breaks, `<hr>` scene breaks.

Scripts, styles, navigation, captions, page numbers and the anchors of notes are left out. Nothing is fetched or run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from novelray.corpus.read.book_text import HEADING, SCENE_BREAK
from novelray.corpus.read.encodings import Decoded, Unreadable, decode
from novelray.corpus.read.html_table import (
    BLOCKS,
    CHARSET,
    CLASSES_LEFT_OUT,
    HIDDEN,
    LEFT_OUT,
    MEANT,
    NESTED,
    NOTE_NUMBER,
    ROLES_LEFT_OUT,
    UNUSUAL,
    VOID,
)
from novelray.corpus.read.meta import BookMeta, meta_of

_CJK = r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]"
_CJK_BREAK = re.compile(rf"(?<={_CJK})[ \t\r]*\n[ \t\r\n]*(?={_CJK})")
_BLANKS = re.compile(r"[ \t\r\n\f]{2,}|[\t\r\n\f]")
_BREAKS = re.compile(r"[ \t\u00a0\u3000]*\n[ \t\u00a0\u3000]*")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
DEEPEST = 2_000  # elements of one name inside each other; a parser's time grows with their square
_SELF_CLOSED = re.compile(r"<([A-Za-z][\w:.-]*)((?:\s[^<>]*)?)/>")


@dataclass
class Page:
    """A document's paragraphs, its metadata, and whether its text stands in `<pre>`, in lines as typed."""

    paragraphs: list[str]
    meta: BookMeta = field(default_factory=BookMeta)
    lines: bool = False

    @property
    def text(self) -> str:
        """The paragraphs with a blank line between them."""
        return "\n\n".join(self.paragraphs)


def decode_html(data: bytes, encoding: str = "auto") -> Decoded:
    """Decode a document. The charset it declares counts where the bytes agree with it. Raises Unreadable."""
    if encoding != "auto":
        return decode(data, encoding)
    declared = CHARSET.search(data[:4096])
    name = ((declared[1] or declared[2]).decode("ascii").lower()) if declared else ""
    has_mark = data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"))
    if not name or name in ("utf-8", "utf8") or name in UNUSUAL or has_mark:
        return decode(data)
    found = decode(data)  # strict UTF-8 wins over a declaration: other encodings do not look like it by chance
    if found.encoding.startswith("utf-8") and not data.isascii() and not found.replaced:
        return found
    try:
        return decode(data, MEANT.get(name, name))
    except (Unreadable, LookupError):
        return found


def read_html(html: str, xhtml: bool = False) -> Page:
    """Paragraphs and metadata of a document. `xhtml`: `<x/>` closes an element, as XML says and HTML does not.

    Raises Unreadable when elements lie too deep inside each other.
    """
    from selectolax.lexbor import LexborHTMLParser

    if xhtml:
        html = _SELF_CLOSED.sub(lambda m: m[0] if m[1].lower() in VOID else f"<{m[1]}{m[2]}></{m[1]}>", html)
    _refuse_depth(html)
    tree = LexborHTMLParser(html)
    writer = _Writer()
    if tree.body is not None:
        for event, node in _walk(tree.body):
            writer.take(event, node)
    paragraphs = writer.end()
    typed = writer.typed > 0.5 * sum(map(len, paragraphs))
    return Page(paragraphs, _meta(tree), lines=typed)


def _refuse_depth(html: str) -> None:
    open_now: Counter[str] = Counter()
    for closing, tag in _TAG.findall(html):
        name = tag.lower()
        if name in NESTED:
            open_now[name] = max(0, open_now[name] + (-1 if closing else 1))
            if open_now[name] > DEEPEST:
                raise Unreadable(f"the HTML has more than {DEEPEST} <{name}> inside each other: damaged, or no book")


def _meta(tree: Any) -> BookMeta:
    record: dict[str, Any] = {}
    if tree.head is not None:
        title = tree.head.css_first("title")
        if title is not None:
            record["title"] = re.split(r"\s*[_|｜]\s*", title.text(strip=True))[0]
        for node in tree.head.css("meta[content]")[:200]:
            name = (node.attributes.get("name") or node.attributes.get("property") or "").lower()
            name = name.removeprefix("og:novel:").removeprefix("dc.").removeprefix("dcterms.").removeprefix("book:")
            if name:
                record.setdefault("title" if name == "book_name" else name, node.attributes.get("content") or "")
    root = tree.root
    record.setdefault(
        "language", (root.attributes.get("lang") or root.attributes.get("xml:lang") or "") if root else ""
    )
    return meta_of(record)


def _walk(root: Any) -> Iterator[tuple[str, Any]]:
    """("in", node) and ("out", node) in document order, without recursion; what is left out is not entered."""
    node, depth = root, 0
    while True:
        tag = node.tag
        if tag not in LEFT_OUT and (tag == "-text" or not _is_left_out(node)):
            yield "in", node
            child = node.child
            if child is not None:
                node, depth = child, depth + 1
                continue
            yield "out", node
        while depth and (following := node.next) is None:
            node, depth = node.parent, depth - 1
            yield "out", node
        if not depth:
            return
        node = following


def _is_left_out(node: Any) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    if "hidden" in attributes or HIDDEN.search(attributes.get("style") or ""):
        return True
    kinds = f"{attributes.get('epub:type') or ''} {attributes.get('role') or ''}".split()
    if not ROLES_LEFT_OUT.isdisjoint(kinds) or CLASSES_LEFT_OUT.search(attributes.get("class") or ""):
        return True
    return node.tag == "a" and bool(attributes.get("href")) and _is_note_anchor(node)


def _is_note_anchor(node: Any) -> bool:
    """`<sup><a href="#n1">1</a></sup>` or `<a href="#n1">[1]</a>`; the number before the note itself is one too."""
    text = node.text()
    if len(text) > 8 or not NOTE_NUMBER.fullmatch(text) or not (node.attributes["href"] or "").rpartition("#")[2]:
        return False
    raised = (node.parent is not None and node.parent.tag == "sup") or node.css_first("sup") is not None
    return raised or text.strip().startswith("[")


@dataclass
class _Writer:
    """Collects the text of the paragraph that is open, and ends it where a block begins or ends."""

    paragraphs: list[str] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    heading: int = 0
    pre: int = 0
    typed: int = 0

    def take(self, event: str, node: Any) -> None:
        """One step of the walk."""
        tag = node.tag
        if tag == "-text":
            if event == "in":
                self.pieces.append(self._inline(node.text_content or ""))
        elif tag == "br":
            if event == "in":
                self.pieces.append("\n")
        elif tag in BLOCKS:
            self._block(event, tag)
        elif tag in ("td", "th") and event == "out":
            self.pieces.append(" ")

    def _inline(self, text: str) -> str:
        if self.pre:
            return text
        return _BLANKS.sub(" ", _CJK_BREAK.sub("", text) if "\n" in text else text)

    def _block(self, event: str, tag: str) -> None:
        self.flush()
        if tag == "hr" and event == "in":
            self.paragraphs.append(SCENE_BREAK)
        elif tag == "pre":
            self.pre += 1 if event == "in" else -1
        elif tag[0] == "h" and tag[1:].isdigit():
            self.heading = int(tag[1:]) if event == "in" else 0

    def flush(self) -> None:
        """End the open paragraph."""
        text = "".join(self.pieces).replace("\u00a0", " ").replace(HEADING, "")
        self.pieces.clear()
        if self.pre:
            self.typed += len(text)
            self.paragraphs += [text.strip("\n")] if text.strip() else []
            return
        text = _BREAKS.sub("\n", text).strip(" \t\n\u3000") if "\n" in text else text.strip(" \t\u3000")
        text = re.sub(r" {2,}", " ", text) if "  " in text else text
        if not text:
            return
        if self.heading:
            self.paragraphs.append(f"{HEADING}{self.heading}{' '.join(text.split())}")
        else:
            self.paragraphs += [part for part in re.split(r"\n{2,}", text) if part]

    def end(self) -> list[str]:
        """The paragraphs; a rule beside a heading, another rule or the document's edge only decorates."""
        self.flush()
        kept: list[str] = []
        for i, paragraph in enumerate(self.paragraphs):
            if paragraph == SCENE_BREAK:
                following = self.paragraphs[i + 1] if i + 1 < len(self.paragraphs) else HEADING
                before = kept[-1] if kept else HEADING
                if before.startswith((HEADING, SCENE_BREAK)) or following.startswith((HEADING, SCENE_BREAK)):
                    continue
            kept.append(paragraph)
        return kept
