"""What a Chinese text's first lines say of the book: `《书名》作者`, `书名：…`, `作者：…`."""

from __future__ import annotations

import re

from novelray.corpus.read.meta import BookMeta

LINES = 12
_AGE = r"(?:[（(][^（）()]{0,10}[）)])?"  # （明）, (清)
_TITLE = re.compile(
    rf"《([^《》\n]{{1,40}})》[ \u3000]*{_AGE}(?:作?者?[:：]?[ \u3000]*)([^\s，。：:（(《]{{2,10}})?{_AGE}"
)
_NAMED = re.compile(r"(书名|書名|作者|著者|译者|譯者|类型|類型)[ \u3000]*[:：][ \u3000]*《?([^\s《》]{1,40})》?")
_FIELDS = {
    "书名": "title", "書名": "title", "作者": "author", "著者": "author", "译者": "translator", "譯者": "translator",
    "类型": "genre", "類型": "genre",
}  # fmt: skip


def title_lines(text: str) -> BookMeta:
    """Title, author and so on of the first lines, where they have the usual forms."""
    found: dict[str, str] = {}
    for line in text[:2_000].split("\n")[:LINES]:
        bare = line.strip(" \t\u3000\ufeff")
        if len(bare) > 60:
            break
        named = _NAMED.match(bare)
        titled = _TITLE.fullmatch(bare)
        if named is not None:
            found.setdefault(_FIELDS[named[1]], named[2])
        elif titled is not None and "title" not in found:
            found["title"] = titled[1]
            if titled[2]:
                found.setdefault("author", titled[2])
    return BookMeta(**found)  # type: ignore[arg-type]
