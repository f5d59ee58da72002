"""The facts: they add up, name what was removed and kept, say which books deserve a look, and are plain JSON."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from novelray.corpus.book import BookReport
from novelray.corpus.dedup import BookFacts, decide, find_pairs, sketch_table, text_digest
from novelray.corpus.report import Quarantined, build_report, check_quarantine, counts_of, page, summary
from novelray.corpus.report.build import plain
from novelray.corpus.report.look import reasons
from novelray.corpus.select import select
from novelray.errors import CorpusError
from novelray.recipe.corpus import CorpusSection

BLANK: dict[str, Any] = {"str": "", "int": 0, "float": 0.0, "list": [], "dict": {}, "bool": False}


@dataclass(frozen=True)
class Piece:
    """What a sketch reads of a chapter."""

    chapter_id: str
    book: str
    index: int
    text: str
    digest: str


def a_book(**given: Any) -> BookReport:
    """A book's report; what is not given is empty."""
    blank = {f.name: BLANK.get(str(f.type).split("[")[0]) for f in fields(BookReport)
             if f.default is MISSING and f.default_factory is MISSING}  # fmt: skip
    return BookReport(**{**blank, "rule": "章 (line)", "confidence": 0.9, **given})


def a_text(seed: int) -> str:
    """400 Hanzi, others for every seed."""
    return "".join(chr(0x4E00 + (seed * 7919 + i * i * 31) % 9_000) for i in range(400))


@pytest.fixture
def built() -> dict[str, Any]:
    """Two editions of a book of three chapters, one chapter of the second rewritten."""
    texts = {"a": [a_text(1), a_text(2), a_text(3)], "b": [a_text(1), a_text(2), a_text(9)]}
    pieces = [
        Piece(f"{book}:{i:05d}", book, i, text, text_digest(text))
        for book, found in texts.items()
        for i, text in enumerate(found)
    ]
    section = CorpusSection.model_validate({"dedup": {"max_share": 0.5}, "heldout": {"share": 0.3}})
    keys, pairs = find_pairs(sketch_table(pieces), section.dedup)
    decision = decide(keys, pairs, [BookFacts("a", 0.9), BookFacts("b", 0.5)], section.dedup)
    books = [
        a_book(book=book, file=f"{book}.txt", chapters=3, chars=1_300, kept_chars=1_200, languages={"zh": 3},
               removed_chars={"gutenberg": 110, "cleaning": -10}, changes={"punctuation": 4})
        for book in ("b", "a")
    ]  # fmt: skip
    torn = Quarantined("c", "c.txt", "0" * 64, "the file is empty")
    return build_report(
        books, [torn], {"copy.txt": "a.txt"}, select(keys, decision, section, seed=1), name="two",
        by_book={"a": {"genre": "武侠", "style_distance": np.float32(0.25)}}, quality={"style_target": 0.15},
    )  # fmt: skip


def test_every_character_read_is_kept_or_removed(built):
    account = built["accounting"]
    assert account["read"] == 2_600 == account["kept"] + sum(account["removed"].values())
    assert account["kept"] == account["train"] + account["heldout"] == 1_600
    assert account["removed"] == {"cleaning": -20, "duplicates": 800, "gutenberg": 220}


def test_a_removed_chapter_names_the_one_for_whose_sake_it_went(built):
    removed = built["duplicates"]["chapters"]
    assert [(r["removed"], r["kept"], r["book"], r["kept_book"], r["kind"]) for r in removed] == [
        ("b:00000", "a:00000", "b", "a", "exact"),
        ("b:00001", "a:00001", "b", "a", "exact"),
    ]
    assert built["duplicates"]["share"] == pytest.approx(2 / 6, abs=1e-6)
    assert built["duplicates"]["files"] == [{"removed": "copy.txt", "kept": "a.txt"}]


def test_books_are_in_order_and_carry_what_is_known_of_them(built):
    rows = built["books"]
    assert [(r["book"], r["duplicates"], r["duplicate_chars"]) for r in rows] == [("a", 0, 0), ("b", 2, 800)]
    assert rows[0]["genre"] == "武侠"
    assert sum(r["heldout"] for r in rows) == built["splits"]["heldout"]["chapters"]


def test_the_report_is_plain_json_and_the_page_reads_it_from_there(built):
    again = json.loads(json.dumps(built, allow_nan=False))
    assert again == built
    assert page(again) == page(built)
    assert "账目相符" in page(built)


def test_the_figures_of_the_manifest_are_those_of_the_report(built):
    counts = counts_of(built)
    assert (counts["books"], counts["chapters"], counts["chars"], counts["duplicates"]) == (2, 4, 1_600, 2)
    assert summary(counts).startswith("2 books, 4 chapters, 1,600 characters; ")
    assert summary(counts).endswith("2 duplicates removed; 1 book set aside")


def test_a_book_deserves_a_look_for_its_numbers(built):
    assert built["look_at"] == ["a"]
    assert [r["code"] for r in built["books"][0]["look"]] == ["style"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"confidence": 0.4}, "low_confidence"),
        ({"rule": "none", "confidence": 0.0}, "one_piece"),
        ({"chapters": 0}, "no_chapters"),
        ({"kept_chars": 500}, "low_kept"),
        ({"replaced": 3}, "undecodable"),
        ({"tail_bytes": 1}, "torn_end"),
        ({"style_distance": 0.16}, "style"),
        ({"arc": {"total": 0.2}}, "arc"),
    ],
)
def test_each_reason_for_a_look_is_told(given, code):
    good = {"rule": "章 (line)", "confidence": 0.9, "chapters": 10, "chars": 1_000, "kept_chars": 990, "duplicates": 0,
            "style_distance": 0.1, "arc": {"total": 0.8}}  # fmt: skip
    quality = {"style_target": 0.15, "arc_target": 0.5}
    assert reasons(good, quality) == []
    assert [r["code"] for r in reasons({**good, **given}, quality)] == [code]


def test_what_was_not_measured_is_no_reason():
    assert reasons({"chapters": 1, "confidence": None, "style_distance": None, "arc": None}, {}) == []


def test_dataclasses_and_arrays_become_plain_json():
    @dataclass
    class Inner:
        numbers: tuple[int, ...]

    table = {"a": Inner((1, 2)), "b": np.float64(0.5), "c": {"y", "x"}, 3: np.array([1, 2])}
    assert plain(table) == {"a": {"numbers": [1, 2]}, "b": 0.5, "c": ["x", "y"], "3": [1, 2]}
    assert plain(pa.table({"x": [1]}).to_pylist()) == [{"x": 1}]


def test_too_many_unreadable_books_stop_the_stage():
    torn = [Quarantined("c", "c.txt", "0" * 64, "the file is empty")]
    check_quarantine(torn, 10, 0.2)
    with pytest.raises(CorpusError, match=r"1 of 4 books.*c\.txt: the file is empty"):
        check_quarantine(torn, 4, 0.2)
    with pytest.raises(CorpusError, match="1 of 1"):
        check_quarantine(torn, 1, 1.0)
