"""Planted copies of real chapters, with 5 % of their characters changed, are found, and nothing else is taken away."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace

import pyarrow as pa
import pytest

from novelray.corpus.dedup import decide, find_pairs, sketch_table, text_digest
from novelray.recipe.dedup import DedupSection

CHANGED, PLANTED, SHORTEST = 0.05, 0.3, 500
LANGUAGES = {
    "zh": ("三国演义.txt", "红楼梦.txt", "西游记.txt", "三俠五義.txt", "鏡花緣.txt", "兒女英雄傳.txt", "儒林外史.txt"),
    "en": (
        "pride-and-prejudice.html", "sherlock-holmes.html", "war-of-the-worlds.epub", "frankenstein.txt",
        "time-machine.utf8.txt",
    ),
}  # fmt: skip

pytestmark = pytest.mark.novels


def changed(text, how, seed):
    """The text with CHANGED of its places exchanged, doubled with another character, left out, or any of these."""
    chance, chars = random.Random(seed), list(text)
    for place in chance.sample(range(len(chars)), round(CHANGED * len(chars))):
        what, other = how if how != "any" else chance.choice(["put", "left", "exchanged"]), chance.choice(text)
        chars[place] = {"exchanged": other, "put": chars[place] + other, "left": ""}[what]
    return "".join(chars)


@pytest.fixture(scope="module")
def chapters(real_books):
    """By language the different chapters of one edition of each novel."""

    def of(names):
        texts = [chapter.text for name in names for chapter in real_books[name][0]]
        return [text for text in {text_digest(text): text for text in texts}.values() if len(text) >= SHORTEST]

    return {language: of(names) for language, names in LANGUAGES.items()}


def scores(texts, how):
    """Recall and precision of what is removed from a shelf with planted copies of some of its chapters."""
    chance = random.Random(how)
    chosen = [number for number in range(len(texts)) if chance.random() < PLANTED]
    chance.shuffle(chosen)
    shelf = {f"book {i // 100}": texts[i : i + 100] for i in range(0, len(texts), 100)}
    copies = [changed(texts[number], how, number) for number in chosen]
    shelf |= {f"planted {i // 50}": copies[i : i + 50] for i in range(0, len(copies), 50)}
    truth = {
        frozenset((f"planted {i // 50}/{i % 50}", f"book {number // 100}/{number % 100}"))
        for i, number in enumerate(chosen)
    }
    tables = [
        sketch_table(
            [
                SimpleNamespace(chapter_id=f"{book}/{i}", book=book, index=i, digest=text_digest(text), text=text)
                for i, text in enumerate(own)
            ]
        )
        for book, own in shelf.items()
    ]
    keys, pairs = find_pairs(pa.concat_tables(tables), DedupSection())
    gone = decide(keys, pairs, [], DedupSection()).removed.to_pylist()
    hits = Counter(frozenset((row["chapter_id"], row["kept"])) in truth for row in gone)
    return hits[True] / len(truth), hits[True] / max(1, hits.total())


@pytest.mark.slow
@pytest.mark.parametrize("how", ["exchanged", "put", "left", "any"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_chapters_with_one_character_in_twenty_changed_are_found(chapters, language, how):
    recall, precision = scores(chapters[language], how)
    assert recall >= 0.98
    assert precision >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_holds_for_the_shortest_pieces(chapters, language):
    recall, precision = scores([text[100 : 100 + SHORTEST] for text in chapters[language]], "exchanged")
    assert recall >= 0.98
    assert precision >= 0.99
