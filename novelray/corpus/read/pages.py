"""Printed pages to running text: page numbers and running heads off, lines joined to paragraphs by where they stand.

A line is a running head when the same words stand at the same edge of several pages that follow one another, and a
page number when it rises with the pages.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

EDGE = 2  # lines at the top and at the bottom of a page in which heads and numbers stand
LEAST_PAGES = 3
APART = 2  # pages between two occurrences of a running head (left and right pages differ)
LONGEST_HEAD = 100
_NUMBER = re.compile(r"(?:^|(?<=[\s|·•—–\-\[(第]))([0-9]{1,4}|[ivxlc]{1,7})(?=$|[\s|·•—–\-\])页頁/])")
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_CJK = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")
_OWN_LINE = re.compile(r"\*\*\*|End of (?:the )?Project Gutenberg|[*＊※]( ?[*＊※]){1,8}$")


@dataclass(frozen=True)
class Line:
    """A printed line: its place in points (y grows upwards) and the height of its letters; zeros where not known."""

    text: str
    left: float = 0.0
    right: float = 0.0
    y: float = 0.0
    height: float = 0.0


def without_furniture(pages: Sequence[Sequence[Line]]) -> tuple[list[list[Line]], Counter[str]]:
    """The pages without running heads and page numbers, and how many characters of each went."""
    drop: dict[tuple[int, int], str] = {}
    for slot in [*range(EDGE), *range(-EDGE, 0)]:
        edge = list(_edge_lines(pages, slot))
        for place in _repeated(edge):
            drop[place] = "running_heads"
        for place in _numbered(edge):
            drop[place] = "page_numbers"
    removed: Counter[str] = Counter()
    kept = []
    for p, page in enumerate(pages):
        for i, line in enumerate(page):
            if (p, i) in drop:
                removed[drop[p, i]] += len(line.text) + 1
        kept.append([line for i, line in enumerate(page) if (p, i) not in drop])
    return kept, removed


def _edge_lines(pages: Sequence[Sequence[Line]], slot: int) -> Iterator[tuple[int, int, str]]:
    """(page, line, text) of the line at `slot` (0: the first, -1: the last) of each page."""
    for p, page in enumerate(pages):
        index = slot if slot >= 0 else len(page) + slot
        if 0 <= index < len(page) and len(page[index].text) <= LONGEST_HEAD:
            yield p, index, " ".join(page[index].text.split())


def _repeated(edge: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int]]:
    """Lines whose words, apart from a page number, come again on pages close to each other."""
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for page, line, text in edge:
        bare = _NUMBER.sub("#", text) if _offset(page, text) is not None else text
        if any(c.isalpha() for c in bare):
            key = re.sub(r"[\s#]+", "", bare).lower()
            places[key if "#" not in bare else f"{key}#{_offset(page, text)}"].append((page, line))
    for found in places.values():
        run: list[tuple[int, int]] = []
        for place in [*found, (1 << 60, 0)]:
            if run and place[0] - run[-1][0] > APART:
                yield from run if len(run) >= LEAST_PAGES else ()
                run = []
            run.append(place)


def _numbered(edge: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int]]:
    """Lines that are only a number, or one with dashes or 第…页, and rise with the pages."""
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    total = 0
    for page, line, text in edge:
        total += 1
        offset = _offset(page, text)
        if offset is not None and not re.search(
            r"[A-Za-z\u4e00-\u9fff]", re.sub(r"[第页頁共]|(?i:page|of)", "", _NUMBER.sub("", text))
        ):
            places[offset].append((page, line))
    for found in places.values():
        if len(found) >= max(LEAST_PAGES, total // 20):
            yield from found


def _offset(page: int, text: str) -> int | None:
    """The number in a line less the page's place; the same on all pages when it is the page's number."""
    match = _NUMBER.search(text)
    if match is None:
        return None
    word = match[1]
    return (int(word) if word.isdigit() else _roman(word)) - page


def _roman(word: str) -> int:
    values = [_ROMAN[c] for c in word]
    return sum(-v if v < max(values[i:]) else v for i, v in enumerate(values))


def paragraphs_of(pages: Sequence[Sequence[Line]]) -> tuple[list[str], int]:
    """Paragraphs of the lines, and how many lines were joined.

    A paragraph begins where a line is indented, where the line before left room for its first word, after a wide gap,
    or where the letters change their size.
    """
    margins = _Margins(pages)
    found: list[list[str]] = []
    before: Line | None = None
    joined = 0
    for page in pages:
        top = True
        for line in page:
            if before is None or margins.begins(before, line, top):
                found.append([line.text])
            else:
                found[-1].append(line.text)
                joined += 1
            before, top = line, False
    return [_glue(lines) for lines in found], joined


def _glue(lines: list[str]) -> str:
    text = lines[0]
    for line in lines[1:]:
        tight = text[-1:] in ("\x02", "—") or (_CJK.match(text[-1:]) is not None and _CJK.match(line[:1]) is not None)
        if text.endswith("-") and text[-2:-1].isalpha():
            text = text[:-1] + "\x02"
            tight = True
        text += line if tight else f" {line}"
    return text


class _Margins:
    """Where a book's lines begin and end, how far apart they are and how high their letters."""

    def __init__(self, pages: Sequence[Sequence[Line]]) -> None:
        lines = [line for page in pages for line in page if line.right > line.left]
        self.known = bool(lines)
        self.right = _quantile([line.right for line in lines], 0.95)
        self.height = _quantile([line.height for line in lines], 0.5)
        gaps = [a.y - b.y for page in pages for a, b in pairwise(page) if a.y > b.y]
        self.gap = _quantile(gaps, 0.5)
        lefts = Counter(round(line.left) for line in lines)
        self.left = float(min(lefts, key=lambda x: (-lefts[x], x))) if lefts else 0.0
        common = [x for x, n in lefts.items() if n >= 0.15 * len(lines)]  # left and right pages may have their own
        self.lefts = sorted(common) or [round(self.left)]

    def begins(self, before: Line, line: Line, top: bool) -> bool:
        """Whether `line` begins a paragraph. `top`: it is the first one of its page."""
        if _OWN_LINE.match(line.text) or _OWN_LINE.match(before.text):
            return True
        if not self.known:
            return False
        if not top and self.gap and before.y - line.y > 1.4 * self.gap:
            return True
        if self.height and abs(line.height - before.height) > 0.2 * self.height:
            return True
        first = line.text.split(" ", 1)[0] if not _CJK.match(line.text) else line.text[:1]
        width = (line.right - line.left) / max(1, len(line.text))
        if before.right + (len(first) + 1.5) * width < self.right - 0.5 * self.height:
            return True
        indent = line.left - (before.left if not top else self.left)
        return 0.7 * self.height < indent < 8 * self.height


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0
