"""Markdown to paragraphs: front matter to metadata, `#` headings, `---` scene breaks; markup and HTML tags dropped.

Only what books use is understood. HTML inside is taken off, with the whole content of scripts and styles.
"""

from __future__ import annotations

import re
from typing import Any

from novelray.corpus.read.book_text import HEADING, SCENE_BREAK
from novelray.corpus.read.html_text import Page
from novelray.corpus.read.meta import BookMeta, meta_of
from novelray.corpus.read.side_meta import yaml_record

_FRONT = re.compile(r"---[ \t]*\n(.{0,20000}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_ATX = re.compile(r"[ ]{0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
_RULE = re.compile(r"[ ]{0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})")
_SETEXT = re.compile(r"[ ]{0,3}(=+|-+)[ \t]*")
_FENCE = re.compile(r"[ ]{0,3}(?:```|~~~)")
_DEFINITION = re.compile(r"[ ]{0,3}\[[^\]\n]{1,200}\]:[ \t]*\S.*")
_SCRIPT = re.compile(r"<(?:(script|style)\b[^<>]{0,500}>|!--)", re.I)
_CLOSING = {kind: re.compile(rf"</{kind}\s*>" if kind else "-->", re.I) for kind in ("script", "style", "")}
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9-]{0,20}(?:\s[^<>]{0,500})?/?>")
_IMAGE = re.compile(r"!\[([^\]\n]{0,500})\](?:\([^()\n]{0,1000}\)|\[[^\]\n]{0,200}\])")
_LINK = re.compile(r"(?<!!)\[([^\[\]\n]{1,500})\](?:\([^()\n]{0,1000}\)|\[[^\]\n]{0,200}\])")
_NOTE = re.compile(r"\[\^[^\]\n]{1,50}\](?!:)")
_STRONG = re.compile(r"(\*{1,3})(?=[^\s*])([^*\n]{1,2000})(?<=[^\s])\1")
_UNDERLINED = re.compile(r"(?<![^\W_])(_{1,3})(?=[^\s_])([^_\n]{1,2000})(?<=[^\s])\1(?![^\W_])")
_CODE = re.compile(r"(`{1,2})([^`\n]{1,500})\1")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_HARD = re.compile(r"(?:  +|\\)$")
_CJK = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")


def read_markdown(text: str) -> Page:
    """The paragraphs and metadata of a document whose line ends are LF."""
    front = _FRONT.match(text)
    meta = BookMeta()
    if front is not None:
        record: dict[str, Any] = yaml_record(front[1])
        meta, text = meta_of(record), text[front.end() :]
    writer = _Writer()
    for line in _without_scripts(text).split("\n"):
        writer.take(line)
    writer.flush()
    return Page(writer.paragraphs, meta)


def _without_scripts(text: str) -> str:
    """The text without scripts, styles and comments; one that is never closed stays as it is."""
    kept: list[str] = []
    place = 0
    unclosed: set[str] = set()
    for opening in _SCRIPT.finditer(text) if "<" in text else ():
        kind = (opening[1] or "").lower()
        if opening.start() < place or kind in unclosed:
            continue
        closing = _CLOSING[kind].search(text, opening.end())
        if closing is None:
            unclosed.add(kind)
            continue
        kept.append(text[place : opening.start()])
        place = closing.end()
    return "".join([*kept, text[place:]])


class _Writer:
    """Collects lines to paragraphs."""

    def __init__(self) -> None:
        self.paragraphs: list[str] = []
        self.open: list[str] = []
        self.fenced = False

    def take(self, line: str) -> None:
        """One line of the document."""
        if _FENCE.match(line):
            self.flush()
            self.fenced = not self.fenced
        elif self.fenced:
            self.paragraphs += [line.strip()] if line.strip() else []
        elif not line.strip():
            self.flush()
        elif heading := _ATX.fullmatch(line):
            self.flush()
            self._heading(len(heading[1]), heading[2] or "")
        elif self.open and len(self.open) == 1 and (under := _SETEXT.fullmatch(line)):
            title = self.open.pop()
            self._heading(1 if under[1][0] == "=" else 2, title)
        elif _RULE.fullmatch(line):
            self.flush()
            self.paragraphs.append(SCENE_BREAK)
        elif not _DEFINITION.fullmatch(line):
            self.open.append(line)

    def _heading(self, level: int, text: str) -> None:
        title = " ".join(_inline(text).split())
        if title:
            self.paragraphs.append(f"{HEADING}{level}{title}")

    def flush(self) -> None:
        """End the open paragraph: its lines joined, but at hard breaks."""
        if not self.open:
            return
        text = ""
        for line in self.open:
            bare = re.sub(r"^[ \t]*(?:>[ \t]?)*", "", line)
            hard = bool(_HARD.search(bare))
            text += _HARD.sub("", bare).rstrip() + ("\n" if hard else " ")
        self.open.clear()
        text = _inline(text.rstrip())
        if _CJK.search(text):
            text = re.sub(rf"(?<={_CJK.pattern}) (?={_CJK.pattern})", "", text)
        if text.strip():
            self.paragraphs.append(text.strip(" \t\n\u3000"))


def _inline(text: str) -> str:
    """A paragraph's text without markup."""
    if "[" in text:
        text = _NOTE.sub("", _LINK.sub(r"\1", _IMAGE.sub("", text)))
    if "<" in text:
        text = _TAG.sub("", text)
    if "*" in text:
        text = _STRONG.sub(r"\2", _STRONG.sub(r"\2", text))
    if "_" in text:
        text = _UNDERLINED.sub(r"\2", text)
    if "`" in text:
        text = _CODE.sub(r"\2", text)
    if "\\" in text:
        text = _ESCAPE.sub(r"\1", text)
    if "&" in text:
        import html

        text = html.unescape(text)
    return text
