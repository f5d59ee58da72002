"""Project Gutenberg's header and licence tail, found by the markers of all its decades, and what the header tells."""

from __future__ import annotations

import re

from novelray.corpus.read.meta import BookMeta, meta_of
from novelray.corpus.read.signs import lacks

HEAD = 30_000  # characters in which a header has to end; the longest old one has some 20,000
_START = re.compile(r"^[ \t]*\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG[^*]{0,400}\*\*\*[^\n]{0,80}$", re.M | re.I)
_OLD_START = re.compile(r"^[ \t]*\*{0,3} ?END ?\*? ?THE SMALL PRINT!.*$", re.M | re.I)
_END = re.compile(
    r"^[ \t]*(?:\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG|"
    r"\*{0,3} ?End of (?:the |this )?Project Gutenberg(?:'s|’s)? ?(?:E-?Book|E-?text|[A-Z])).*$",
    re.M | re.I,
)
_NAMES = ("Project Gutenberg", "PROJECT GUTENBERG")
_CREDIT = re.compile(  # a paragraph that names who made the digital text, and nothing else
    r"\s*(?:\[?(?:(?:Re)?Produced|Prepared|Transcribed|Scanned|Digitized|(?:Re)?proof(?:read|ed)) by\b|"
    r"(?:This )?E-?(?:text|book) (?:was )?(?:prepared|produced|scanned) by\b|HTML version by\b|"
    r"\[?Chapters [0-9]+(?:-[0-9]+)?: +(?:mostly )?scanned by\b|[^\n]{0,80}\nScanned by\b|\[Date last updated)"
    r"(?:(?:[^\n]+\n){0,9}?[ \t]*\n|[^\n]*\n)",
    re.I,
)
_NOTE = re.compile(r"\s*\[(?!Illustration|Footnote)[^\[\]]{0,1000}\]", re.I)  # bracketed notices of the old small print
_FIELD = re.compile(r"^[ \t]*(Title|Author|Language|Translator|Editor):[ \t]*(.+(?:\n[ \t]+\S.*)*)$", re.M)
_NAMED = re.compile(
    r"Project Gutenberg(?:'s|’s)? (?:E-?Book of |E-?text of )?(?P<title>[^\n]{2,100}?),? by (?P<author>[^\n*]{2,80})",
    re.I,
)


def licence_span(text: str) -> tuple[int, int]:
    """Start and end of the book inside Gutenberg's header, credit line and tail; (0, len(text)) where there is none."""
    start, end = _start(text), len(text)
    is_gutenberg = bool(start) or _is_named(text[:5000]) or _is_named(text[-30_000:])
    if not is_gutenberg:
        return 0, end
    end = _tail(text, max(start, len(text) // 2))
    if start:
        for _ in range(12):
            notice = _NOTE.match(text, start, end) or _CREDIT.match(text, start, end)
            start = notice.end() if notice else start
    return start, end


def _start(text: str) -> int:
    if "***" in text[:HEAD] and (found := _START.search(text, 0, HEAD)):
        return found.end()
    old = _OLD_START.search(text, 0, HEAD) if _is_named(text[:5000]) else None
    return old.end() if old else 0


def _is_named(part: str) -> bool:
    return not lacks(part, "gG") and "gutenberg" in part.lower()  # to make a Chinese part lower takes long


def _tail(text: str, start: int) -> int:
    """Where the licence at the end begins."""
    place = start
    while place >= 0:
        found = min((p for name in _NAMES if (p := text.find(name, place)) >= 0), default=-1)
        if found < 0:
            break
        line = text.rfind("\n", max(0, found - 200), found) + 1
        if line >= start and (tail := _END.match(text, line)):
            return tail.start()
        place = found + 1
    return len(text)


def header_meta(text: str, start: int) -> BookMeta:
    """Title, author and so on as Gutenberg's header (`text[:start]`) gives them."""
    if not start:
        return BookMeta()
    head = text[:start]
    record = {m[1]: " ".join(m[2].split()) for m in reversed(list(_FIELD.finditer(head)))}
    if "Title" not in record and (named := _NAMED.search(head)):
        record = {"Title": named["title"].strip("* "), "Author": named["author"].strip("* ")}
    return meta_of(record)
