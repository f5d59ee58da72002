"""What the decision promises: one edition is kept and said why, nothing goes that stands nowhere else, no collapse."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from novelray.corpus.dedup import BookFacts, BookPair, decide
from novelray.corpus.dedup.compare import PAIRS
from novelray.corpus.dedup.decide import CROWD
from novelray.corpus.dedup.find import KEYS_SCHEMA
from novelray.errors import CorpusError
from novelray.recipe.dedup import DedupSection


class _Shelf:
    """Books of chapters by content: those with the same letter are alike, and the same text where both are capital."""

    def __init__(self, chars=1_000, script="", **books):
        self.books = dict(sorted(books.items()))
        self.rows = [(book, i, what) for book, chapters in self.books.items() for i, what in enumerate(chapters)]
        self.chars = dict.fromkeys(range(len(self.rows)), chars)
        self.script = script if isinstance(script, dict) else dict.fromkeys(books, script)
        self.pairs = {}

    def row(self, book, index):
        return [(b, i) for b, i, _ in self.rows].index((book, index))

    def alike(self, one, other, similarity, one_in_other, other_in_one):
        a, b = self.row(*one), self.row(*other)
        shares = (one_in_other, other_in_one) if a < b else (other_in_one, one_in_other)
        self.pairs[min(a, b), max(a, b)] = (similarity, *shares)
        return self

    def all_alike(self, similarity=0.7, share=0.82):
        for b, (_, _, other) in enumerate(self.rows):
            for a, (_, _, what) in enumerate(self.rows[:b]):
                if what.lower() == other.lower():
                    self.pairs[a, b] = (
                        (1.0, 1.0, 1.0) if what == other and what.isupper() else (similarity, share, share)
                    )
        return self

    def decide(self, *facts, **section):
        books, indices, whats = zip(*self.rows, strict=True)
        digests = [what if what.isupper() else f"{what}{row}" for row, what in enumerate(whats)]
        columns = {
            "chapter_id": [f"{b}:{i}" for b, i in zip(books, indices, strict=True)], "book": books, "index": indices,
            "digest": digests, "chars": [self.chars[r] for r in range(len(books))],
            "script": [self.script[b] for b in books],
        }  # fmt: skip
        pairs = [(a, b, *rest) for (a, b), rest in sorted(self.pairs.items())]
        table = pa.table([list(column) for column in zip(*pairs, strict=True)] or [[]] * 5, PAIRS.names).cast(PAIRS)
        keys = pa.table({k: list(v) for k, v in columns.items()}, schema=KEYS_SCHEMA)
        self.decision = decide(keys, table, facts, DedupSection(**section))
        rows = self.decision.removed.to_pylist()
        return {row["chapter_id"]: (row["kept"], row["kind"]) for row in rows}


def test_all_chapters_of_a_work_are_kept_from_one_edition():
    shelf = _Shelf(one="abcde", two="abcde", other="xyz").all_alike()
    gone = shelf.decide()
    assert gone == {f"two:{i}": (f"one:{i}", "edition") for i in range(5)}
    [pair] = shelf.decision.books
    assert pair == BookPair("one", "two", "edition", 1.0, 5, "equal in all else, and first by name")


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ([BookFacts("two", curated=True)], "curated by people"),
        ([BookFacts("one", confidence=0.3), BookFacts("two", confidence=0.9)], "told apart more surely (0.90"),
        ([BookFacts("one", replaced=40)], "fewer unreadable places (0 against 40)"),
    ],
)
def test_the_better_edition_is_kept_and_the_reason_said(facts, why):
    shelf = _Shelf(one="abcde", two="abcde").all_alike()
    assert set(shelf.decide(*facts)) == {f"one:{i}" for i in range(5)}
    assert why in shelf.decision.books[0].why


def test_the_complete_edition_is_kept():
    shelf = _Shelf(one="abcd", two="abcdef").all_alike()
    assert set(shelf.decide()) == {f"one:{i}" for i in range(4)}
    assert shelf.decision.books[0].why == "more complete (6,000 against 4,000 characters)"


def test_of_two_scripts_that_of_most_books_is_kept_unless_the_recipe_names_one():
    script = {"one": "hans", "two": "hant", "three": "hant"}
    shelf = _Shelf(script=script, one="abcde", two="abcde", three="vwxyz").all_alike()
    assert set(shelf.decide()) == {f"one:{i}" for i in range(5)}
    assert shelf.decision.books[0].why == "in the script of most books here"
    assert set(shelf.decide(script="hans")) == {f"two:{i}" for i in range(5)}


def test_of_several_editions_the_one_that_is_nearest_to_the_others_is_kept():
    shelf = _Shelf(one="abcde", two="abcde", three="abcde").all_alike(0.45, 0.62)
    for i in range(5):
        shelf.alike(("two", i), ("one", i), 0.65, 0.79, 0.79).alike(("two", i), ("three", i), 0.65, 0.79, 0.79)
    assert {kept.split(":")[0] for kept, _ in shelf.decide().values()} == {"two"}
    assert "nearest to the other editions" in shelf.decision.books[0].why


def test_chapters_that_only_the_lesser_edition_has_stay():
    shelf = _Shelf(one="abcdefgh", two="abcdefpq").all_alike()
    gone = shelf.decide()
    assert set(gone) == {f"two:{i}" for i in range(6)}
    assert shelf.decision.books[0].relation == "overlap"  # a quarter of each is only there
    shelf = _Shelf(one="abcdefghi", two="abcdefghq").all_alike()
    assert set(shelf.decide()) == {f"two:{i}" for i in range(8)}
    assert shelf.decision.books[0].relation == "edition"


def test_an_edition_with_other_divisions_goes_as_well():
    shelf = _Shelf(one="abcdefgh", two="xy")
    shelf.chars.update({8: 4_000, 9: 4_000})
    for i in range(8):
        shelf.alike(("one", i), ("two", i // 4), 0.1, 0.95, 0.24)
    gone = shelf.decide(BookFacts("one", confidence=1.0), contained=1.0)
    assert gone == {"two:0": ("one:0", "edition"), "two:1": ("one:4", "edition")}
    assert min(shelf.decision.removed.column("share").to_pylist()) > 0.9


def test_a_chapter_contained_in_a_longer_one_goes_and_the_longer_stays():
    shelf = _Shelf(story="a", anthology="xyz")
    shelf.chars[shelf.row("anthology", 1)] = 9_000
    shelf.alike(("story", 0), ("anthology", 1), 0.1, 0.97, 0.11)
    assert shelf.decide() == {"story:0": ("anthology:1", "contained")}
    assert shelf.decision.books == [
        BookPair("anthology", "story", "part", 1.0, 1, "more complete (11,000 against 1,000 characters)")
    ]


def test_a_chapter_of_the_better_edition_goes_when_a_longer_one_has_it_and_more():
    shelf = _Shelf(anthology="x", best="abcdefgh")
    shelf.chars[shelf.row("anthology", 0)] = 3_000
    shelf.alike(("best", 0), ("anthology", 0), 0.3, 0.97, 0.3)
    assert shelf.decide(BookFacts("best", curated=True)) == {"best:0": ("anthology:0", "contained")}


def test_chapters_in_a_chain_of_likenesses_stay_unless_they_resemble_what_is_kept():
    shelf = _Shelf(one="abc", two="def")
    shelf.alike(("one", 0), ("one", 1), 0.6, 0.7, 0.7).alike(("one", 1), ("one", 2), 0.6, 0.7, 0.7)
    assert shelf.decide() == {"one:1": ("one:0", "near")}
    assert len(set(shelf.decision.group[:3].tolist())) == 1  # and yet they are in one split


def test_equal_chapters_go_for_the_best_of_them_or_for_what_that_one_goes_for():
    shelf = _Shelf(a="Pq", b="Prs", c="Pt").alike(("a", 0), ("c", 1), 0.8, 0.9, 0.9)
    for book in "ab":
        shelf.alike((book, 0), ("c", 1), 0.8, 0.9, 0.9)
    gone = shelf.decide(BookFacts("c", curated=True), exact=True)
    assert gone["a:0"][0] == gone["b:0"][0] in {"c:0", "c:1"}
    kept = {r["chapter_id"] for r in shelf.decision.removed.to_pylist()}
    assert not kept & {kept for kept, _ in gone.values()}


def test_chapters_without_any_text_are_no_copies_of_each_other():
    keys = pa.table(
        [["a", "b"], ["x", "x"], [0, 1], ["", ""], [0, 0], ["", ""]],
        schema=KEYS_SCHEMA,
    )
    assert decide(keys, PAIRS.empty_table(), [], DedupSection()).keep.all()


def test_nothing_goes_when_the_recipe_says_so():
    shelf = _Shelf(one="ABc", two="ABc", three="xyz").all_alike()
    assert shelf.decide(exact=False, near=False) == {}
    assert shelf.decision.group[0] == shelf.decision.group[shelf.row("two", 0)]


def test_a_pass_in_which_everything_resembles_everything_is_refused():
    shelf = _Shelf(one="a" * 6, two="a" * 6, three="a" * 6).all_alike(1.0, 1.0)
    with pytest.raises(CorpusError, match=r"17 of 18 chapters \(94%\)") as error:
        shelf.decide()
    assert "corpus.dedup.max_share" in error.value.message
    assert "6 of them are in 'three' and resemble 1 in 'one'" in error.value.message
    assert "corpus.dedup.threshold" in error.value.hint


def test_one_text_in_many_files_is_refused():
    with pytest.raises(CorpusError, match="9 of 10"):
        _Shelf(**{f"file{i}": "A" for i in range(10)}).all_alike().decide()


def test_many_editions_of_one_work_are_no_fault():
    shelf = _Shelf(**{f"edition{i}": "abcdefgh" for i in range(8)}, other="xyz").all_alike()
    assert len(shelf.decide(max_share=0.1)) == 56


def test_the_share_that_may_go_is_the_recipes():
    shelf = _Shelf(one="aabcdefgh").all_alike()
    assert len(shelf.decide(max_share=0.2)) == 1
    with pytest.raises(CorpusError, match="1 of 9"):
        shelf.decide(max_share=0.1)


def test_of_a_crowd_the_one_that_all_resemble_is_kept():
    shelf = _Shelf(**{f"file{i:03d}": "a" for i in range(CROWD + 2)}, other="vwxyz")
    for i in range(CROWD + 1):  # the others are not known to resemble each other
        shelf.alike(("file000", 0), (f"file{i + 1:03d}", 0), 0.6, 0.7, 0.7)
    gone = shelf.decide(BookFacts("file007", curated=True), max_share=1.0)
    assert gone == {f"file{i + 1:03d}:0": ("file000:0", "edition") for i in range(CROWD + 1)}


def test_the_decision_is_the_same_every_time():
    shelf = _Shelf(one="abcde", two="abcde", three="abxyz").all_alike()
    first = (shelf.decide(), shelf.decision.books, shelf.decision.group.tolist())
    assert (shelf.decide(), shelf.decision.books, shelf.decision.group.tolist()) == first
    assert np.array_equal(~shelf.decision.keep, [f"{b}:{i}" in first[0] for b, i, _ in shelf.rows])
