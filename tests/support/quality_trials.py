"""Trials of the quality measures on real novels, for the tests and for benchmarks/quality.py."""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from novelray.corpus.book import Chapter, Origin, chapters_of
from novelray.corpus.quality.arc import story_arc
from novelray.corpus.quality.features import Features, features
from novelray.corpus.quality.measure import body_of
from novelray.corpus.quality.perspective import perspective_of
from novelray.corpus.quality.style import SET, style
from novelray.corpus.read import BookMeta, read_books
from novelray.recipe.corpus import CorpusSection

HERE = Path(__file__).parents[1] / "unit" / "corpus" / "quality"
LABELLED = HERE / "perspective_chapters.csv"
"""Chapters of the novels by number, labelled by reading them."""

PASSAGES = HERE / "perspective_passages.txt"
"""Passages of our own, for perspectives that the novels hardly have."""

COPIES = ("pride-and-prejudice.edition1", "pride-and-prejudice.html", "pride-and-prejudice.pdf", ".edition14",
          "sherlock-holmes.html", ".epub")  # fmt: skip
"""Files with the text of another: no books of their own where books are set against each other."""

SAME = {"二刻拍案惊奇": "二刻拍案驚奇"}
"""Two digitisations of one book."""

Shelf = Mapping[str, list[Chapter]]


def read_shelf(novels: Path) -> dict[str, list[Chapter]]:
    """The chapters of every book in a folder of folders, by folder/file."""
    section = CorpusSection()
    shelf = {}
    for path in sorted(novels.glob("*/*")):
        for book in read_books(path, path.name, BookMeta(), section.read):
            name = f"{path.parent.name}/{path.name}"
            shelf[name] = chapters_of(book, Origin(name, path.name, "0" * 64), section)[0]
    return shelf


def numbers_of(shelf: Shelf) -> dict[str, list[Features]]:
    """The features of every chapter."""
    return {name: [features(body_of(c), c.language) for c in chapters] for name, chapters in shelf.items()}


def unlike(names: Sequence[str]) -> list[str]:
    """The books without further formats and editions of one book."""
    return [name for name in names if not any(copy in name for copy in COPIES)]


def halved(numbers: Mapping[str, Sequence[Features]]) -> dict[str, tuple[float, float]]:
    """Book → arc of the whole, and of its first half."""
    return {n: (story_arc(f).total, story_arc(f[: len(f) // 2]).total) for n, f in numbers.items()}


def thinned(numbers: Mapping[str, Sequence[Features]]) -> dict[str, tuple[float, float]]:
    """Book → arc of every other chapter, first and last among them, and of the first half: two texts of one length."""
    return {
        n: (
            story_arc([f[i] for i in np.round(np.linspace(0, len(f) - 1, len(f) // 2)).astype(int)]).total,
            story_arc(f[: len(f) // 2]).total,
        )
        for n, f in numbers.items()
    }


def shuffled(numbers: Mapping[str, Sequence[Features]], seeds: int) -> dict[str, list[tuple[float, float]]]:
    """Book → for every seed, arc of the whole and of the whole with its chapters shuffled."""
    found: dict[str, list[tuple[float, float]]] = {}
    for name, chapters in numbers.items():
        whole = story_arc(chapters).total
        orders = [random.Random(seed).sample(range(len(chapters)), len(chapters)) for seed in range(seeds)]
        found[name] = [(whole, story_arc([chapters[i] for i in order]).total) for order in orders]
    return found


def styles(numbers: Mapping[str, Sequence[Features]], seeds: int) -> dict[str, tuple[list[float], list[float]]]:
    """Folder → style distances of sets of chapters of one book, and of sets of the same size of two books."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for folder in sorted({name.partition("/")[0] for name in numbers}):
        books = {
            n: np.stack([f.terms for f in numbers[n]]) for n in unlike(list(numbers)) if n.startswith(f"{folder}/")
        }
        one = [_distance([terms], SET, f"{n}{seed}") for n, terms in books.items() for seed in range(seeds)]
        two = [
            _distance([books[a], books[b]], SET // 2, f"{a}{b}{seed}")
            for a, b in combinations(books, 2) if SAME.get(Path(a).stem) != Path(b).stem
            for seed in range(seeds)
        ]  # fmt: skip
        found[folder] = one, two
    return found


def _distance(books: Sequence[np.ndarray], each: int, seed: str) -> float:
    rng = random.Random(seed)
    chosen = [terms[sorted(rng.sample(range(len(terms)), min(each, len(terms))))] for terms in books]
    distance = style(np.vstack(chosen)).distance
    assert distance is not None
    return distance


def auc(one: Sequence[float], two: Sequence[float]) -> float:
    """How often a value of the second is above one of the first; ties count half."""
    low, high = np.array(one)[:, None], np.array(two)[None]
    return float((high > low).mean() + (high == low).mean() / 2)


def labelled() -> list[tuple[str, int, str]]:
    """(file, chapter from 1, perspective) of the labelled chapters."""
    with LABELLED.open(encoding="utf-8", newline="") as lines:
        return [(row["file"], int(row["chapter"]), row["perspective"]) for row in csv.DictReader(lines)]


def passages() -> Iterator[tuple[str, str, str]]:
    """(perspective, language, text) of our own passages."""
    for passage in PASSAGES.read_text("utf-8").split("### ")[1:]:
        head, _, text = passage.partition("\n")
        perspective, _, language = head.rpartition(" ")
        yield perspective, language[:2], text.strip()


def told_in_chapters(shelf: Shelf) -> Counter[tuple[str, str]]:
    """(label, what was found) over the labelled chapters."""
    pairs: Counter[tuple[str, str]] = Counter()
    for file, number, label in labelled():
        chapter = shelf[file][number - 1]
        pairs[label, perspective_of(body_of(chapter), chapter.title, chapter.language)] += 1
    return pairs


def told_in_passages() -> Counter[tuple[str, str]]:
    """(label, what was found) over our own passages."""
    return Counter((label, perspective_of(text, "", language)) for label, language, text in passages())


def right(pairs: Counter[tuple[str, str]]) -> float:
    """Share that was found as it is labelled."""
    return sum(n for (label, found), n in pairs.items() if label == found) / pairs.total()
