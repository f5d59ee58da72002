"""A shelf of any size made from a few novels: what the corpus benchmark runs on.

Each further copy of a novel has its characters (its letters, in English) exchanged for one another by a seeded table,
so that it is as long and as varied as the novel but shares no text with it. A share of the chapters stands a second
time, with a share of its characters changed, in books of their own.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, TextIO

PLANTED, CHANGED, SHORTEST = 0.05, 0.05, 500
FILES = 8  # that the chapters are dealt out to, so that peers can share them among processes
PER_BOOK = 100  # planted chapters in a book of their own
EDITIONS = ("三國志演義", "二刻拍案惊奇", "pride-and-prejudice.edition", "frankenstein.edition")  # the other one stays
_MARKS = frozenset("第章回卷节節零〇一二三四五六七八九十百千两兩廿卅部集篇话話")
_LETTER = re.compile(r"[a-z\u3400-\u9fff]")


@dataclass(frozen=True)
class Novel:
    """A novel's name and its chapters without their headings; `letters` are what copies exchange."""

    name: str
    chapters: tuple[str, ...]
    letters: str

    def copy(self, number: int) -> list[str]:
        """The chapters in other characters; copy 0 is the novel itself."""
        if number == 0:
            return list(self.chapters)
        others = list(self.letters)
        random.Random(f"{self.name} {number}").shuffle(others)
        table = str.maketrans(dict(zip(self.letters, others, strict=True)))
        return [chapter.translate(table) for chapter in self.chapters]


def read_novels(folder: Path) -> list[Novel]:
    """Every text file below a folder, one edition of each novel; a chapter that a book has twice counts once."""
    from novelray.corpus.clean import clean
    from novelray.corpus.read import read_book
    from novelray.corpus.split import split_book

    novels = []
    for path in sorted(folder.glob("*/*.txt")):
        if not path.stem.startswith(EDITIONS):
            text, _ = clean(read_book(path.read_bytes(), path.stem).text)
            bodies = dict.fromkeys(text[p.body : p.end].strip() for p in split_book(text, path.stem).chapters)
            letters = "".join(sorted(set(_LETTER.findall("".join(bodies))) - _MARKS))
            novels.append(Novel(path.stem, tuple(body for body in bodies if len(body) >= 200), letters))
    return novels


def make_shelf(novels: list[Novel], folder: Path, mb: float) -> dict[str, Any]:
    """Write `books/*.txt`, about `mb` MB of them, and for those that do not split the same chapters as JSON lines.

    Returns the size, the number of chapters, and which planted chapter ("book/number", from 0) was made from which.
    """
    for name in ("books", "chapters"):
        (folder / name).mkdir(parents=True)
    copies = max(1, round(mb * 1e6 / sum(len(c.encode()) for n in novels for c in n.chapters) / (1 + PLANTED)))
    chance = random.Random("planted")
    planted: list[tuple[str, str]] = []
    count = 0
    with ExitStack() as stack:
        lines = cycle([stack.enter_context(open(folder / "chapters" / f"{i}.jsonl", "w")) for i in range(FILES)])
        for number in range(copies):
            for novel in novels:
                name, chapters = f"{novel.name}-{number:03d}", novel.copy(number)
                _write(folder, name, chapters, lines)
                count += len(chapters)
                long = [i for i, chapter in enumerate(chapters) if len(chapter) >= SHORTEST]
                chosen = [i for i in long if chance.random() < PLANTED]
                planted += [(f"{name}/{i}", _changed(chapters[i], f"{name} {i}")) for i in chosen]
        chance.shuffle(planted)
        for start in range(0, len(planted), PER_BOOK):
            name = f"planted-{start // PER_BOOK:04d}"
            _write(folder, name, [text for _, text in planted[start : start + PER_BOOK]], lines)
    where = {f"planted-{i // PER_BOOK:04d}/{i % PER_BOOK}": source for i, (source, _) in enumerate(planted)}
    size = sum(path.stat().st_size for path in (folder / "books").iterdir()) / 1e6
    truth = {"mb": size, "chapters": count + len(planted), "planted": where}
    (folder / "truth.json").write_text(json.dumps(truth, ensure_ascii=False))
    return truth


def _write(folder: Path, name: str, chapters: list[str], lines: Iterator[TextIO]) -> None:
    with open(folder / "books" / f"{name}.txt", "w", encoding="utf-8") as book:
        for number, chapter in enumerate(chapters, 1):
            book.write(f"第{number}章\n\n{chapter}\n\n")
            next(lines).write(json.dumps({"id": f"{name}/{number - 1}", "text": chapter}, ensure_ascii=False) + "\n")


def _changed(text: str, seed: str) -> str:
    """The text with some of its characters exchanged for others of its own; line ends stay."""
    chance = random.Random(seed)
    characters = list(text)
    for place in chance.sample(range(len(text)), round(CHANGED * len(text))):
        if characters[place] != "\n":
            characters[place] = chance.choice(text).replace("\n", " ")
    return "".join(characters)
