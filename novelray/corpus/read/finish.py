"""A draft to a book: line ends, licence text, boilerplate, line breaks and typists' marks; each change is counted."""

from __future__ import annotations

import re
from collections import Counter

from novelray.corpus.read.boilerplate import without_boilerplate
from novelray.corpus.read.book_text import HEADING, SCENE_BREAK, BookText, Draft
from novelray.corpus.read.encodings import Unreadable
from novelray.corpus.read.gutenberg import header_meta, licence_span
from novelray.corpus.read.hyphens import BROKEN, TIGHT
from novelray.corpus.read.meta import BookMeta, meta_of_name
from novelray.corpus.read.pages import Line, without_furniture
from novelray.corpus.read.signs import lacks
from novelray.corpus.read.title_lines import title_lines
from novelray.corpus.read.typed import without_marks
from novelray.corpus.read.unwrap import unwrap
from novelray.recipe.read import ReadSection

_FILLED = re.compile("[^\ufeff\ufffd \t\r\n\u3000\x0c]")
_ENDS = frozenset("。！？…」』”’.!?\"'—：:")


def finish(draft: Draft, member: str, stem: str, meta: BookMeta, section: ReadSection) -> BookText:
    """The book of a draft. `stem` names it where nothing else does; `meta` counts more than what the book says.

    Raises Unreadable when no text is left.
    """
    _plain_lines(draft)
    known = _licence(draft, section.boilerplate).over(draft.meta)
    if section.boilerplate:
        _boilerplate(draft)
    if section.unwrap and draft.lines:
        _add(draft, unwrap(draft.text), "line_breaks")
    _marks(draft)
    _repeated_title(draft, stem)
    if not _FILLED.search(draft.text):
        raise Unreadable("the book is empty")
    known = meta.over(known).over(title_lines(draft.text)).over(meta_of_name(stem))
    return _book(draft, member, known)


def _book(draft: Draft, member: str, meta: BookMeta) -> BookText:
    book = BookText(
        member=member, meta=meta, text=draft.text, encoding=draft.encoding, format=draft.format, chars=draft.chars,
        tail_bytes=draft.tail_bytes, replaced=draft.replaced,
        removed=_counted(draft.removed), changes=_counted(draft.changes),
    )  # fmt: skip
    assert book.chars == len(book.text) + sum(book.removed.values()), "a character is not accounted for"
    return book


def _counted(counts: Counter[str]) -> Counter[str]:
    return Counter({kind: count for kind, count in sorted(counts.items()) if count})


def _add(draft: Draft, result: tuple[str, Counter[str]], kind: str) -> None:
    text, changes = result
    draft.edit(text, kind)
    draft.changes.update(changes)


def _plain_lines(draft: Draft) -> None:
    """Line ends to LF; out of plain text what stands for a heading, and the control characters that steps use."""
    text = draft.text
    signs = BROKEN + TIGHT + (HEADING if draft.format == "text" else "")
    if lacks(text, f"\r{signs}"):
        return
    if "\r" in text:
        draft.edit(text.replace("\r\n", "\n").replace("\r", "\n"), "carriage_returns")
    for sign in signs:
        if sign in draft.text:
            draft.edit(draft.text.replace(sign, ""), "control_characters")


def _licence(draft: Draft, remove: bool) -> BookMeta:
    start, end = licence_span(draft.text)
    known = header_meta(draft.text, start)
    if remove:
        text = draft.text[start:end]
        if not draft.lines and end < len(draft.text):  # the rule between the book and its licence is no scene break
            text = text.rstrip().removesuffix(SCENE_BREAK)
        draft.edit(text, "gutenberg")
    return known


def _boilerplate(draft: Draft) -> None:
    if draft.lines and not lacks(draft.text, "\f"):
        _page_furniture(draft)
    text, removed = without_boilerplate(draft.text)
    draft.removed.update(removed)
    draft.text = text


def _page_furniture(draft: Draft) -> None:
    """Running heads and page numbers of a text whose pages form feeds divide; paragraphs go on over the edge."""
    pages = [[Line(line) for line in page.split("\n") if line.strip()] for page in draft.text.split("\f")]
    kept, removed = without_furniture(pages)
    dropped = {id(line) for page in pages for line in page} - {id(line) for page in kept for line in page}
    texts = []
    for page, lines in zip(draft.text.split("\f"), pages, strict=True):
        rest = iter(lines)
        texts.append(
            "\n".join(line for line in page.split("\n") if not (line.strip() and id(next(rest)) in dropped)).strip("\n")
        )
    parts: list[str] = []
    for page in filter(None, texts):
        if parts:
            goes_on = parts[-1].rstrip()[-1:] not in _ENDS and not page[0].isupper() and not page[0].isspace()
            parts.append("\n" if goes_on else "\n\n")
        parts.append(page)
    text = "".join(parts)
    counted = sum(removed.values())
    draft.removed.update(removed)
    draft.removed["page_breaks"] += len(draft.text) - len(text) - counted
    draft.text = text


def _marks(draft: Draft) -> None:
    text, removed = without_marks(draft.text)
    draft.removed.update(removed)
    draft.text = text


def _repeated_title(draft: Draft, stem: str) -> None:
    """Some digitisations put the title, several times and with no line break, before and after the text."""
    text = draft.text
    start, end = 0, len(text)
    if stem and text.startswith(stem * 2):
        while text.startswith(stem, start):
            start += len(stem)
    if start and text.endswith(stem):
        end -= len(stem)
    draft.edit(text[start:end], "repeated_titles")
