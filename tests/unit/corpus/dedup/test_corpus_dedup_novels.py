"""The duplicates among real novels: all editions, scripts and formats are found, and no two novels are merged."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace

import pyarrow as pa
import pytest

from novelray.corpus.dedup import BookFacts, books_of, decide, find_pairs, sketch_table, text_digest
from novelray.recipe.dedup import DedupSection

PRIDE = [f"pride-and-prejudice.{kind}" for kind in ("edition10.txt", "edition12.txt", "html", "pdf", "utf8.txt")]
WORKS = [  # the files that are one work, and how many chapters they have in common
    ({"三国演义.txt", "三國志演義.txt"}, 120),
    ({"二刻拍案惊奇.txt", "二刻拍案驚奇.txt"}, 28),
    (set(PRIDE), 61),
    ({"frankenstein.txt", "frankenstein.edition14.txt"}, 28),
    ({"sherlock-holmes.html", "sherlock-holmes.latin1.txt"}, 12),
    ({"war-of-the-worlds.epub", "war-of-the-worlds.utf8.txt"}, 27),
]
KEPT_FOR = {
    "三国演义.txt": ("三國志演義.txt", "in the script of most books here"),
    "二刻拍案惊奇.txt": ("二刻拍案驚奇.txt", "more complete (412,423 against 290,605 characters)"),
}

pytestmark = pytest.mark.novels


def work_of(name):
    return next((number for number, (files, _) in enumerate(WORKS) if name in files), name)


def deduplicated(books, order=None):
    """Keys, pairs and decision for books of (chapters, report), sketched one after another in the given order."""
    sketches = pa.concat_tables(sketch_table(books[name][0]) for name in order or books)
    facts = [BookFacts(name, r.confidence, r.replaced, r.curated) for name, (_, r) in books.items()]
    keys, pairs = find_pairs(sketches, DedupSection())
    return keys, pairs, decide(keys, pairs, facts, DedupSection())


@pytest.fixture(scope="module")
def found(real_books):
    return deduplicated(real_books)


@pytest.mark.slow
def test_every_natural_duplicate_is_found_and_one_edition_is_kept(found, real_books):
    decision = found[2]
    gone = Counter(row["book"] for row in decision.removed.to_pylist())
    for files, common in WORKS:
        assert sorted(gone[name] for name in files) == [0] + [common] * (len(files) - 1)
        [kept] = [name for name in files if not gone[name]]
        assert {p.other for p in decision.books if p.kept == kept and p.relation == "edition"} == files - {kept}
    assert gone.total() == sum(common * (len(files) - 1) for files, common in WORKS) + 1  # 儒林外史 has one twice
    assert sum(decision.keep) == sum(len(chapters) for chapters, _ in real_books.values()) - gone.total()


def test_a_chapter_goes_for_the_same_chapter_of_the_other_edition(found):
    for row in found[2].removed.to_pylist():
        one, other = (int(row[name].rpartition(":")[2]) for name in ("chapter_id", "kept"))
        assert row["book"] != row["kept_book"] or row["book"] == "儒林外史.txt"
        assert one == other or row["book"] == "儒林外史.txt"
        assert row["share"] >= 0.75


def test_why_an_edition_is_kept_is_said(found):
    why = {pair.other: (pair.kept, pair.why) for pair in found[2].books}
    assert {name: why[name] for name in KEPT_FOR} == KEPT_FOR


def test_no_chapter_of_one_novel_resembles_a_chapter_of_another(found):
    keys, pairs, decision = found
    names, book = books_of(keys)
    works = [work_of(name) for name in names]
    a, b = (book[pairs.column(name).to_numpy()].tolist() for name in "ab")
    assert all(works[one] == works[other] for one, other in zip(a, b, strict=True))
    groups = {(works[number], int(group)) for number, group in enumerate(decision.work)}
    assert len(groups) == len(set(works)) == len({group for _, group in groups})


def test_the_order_of_files_does_not_matter(found, real_books):
    order = list(real_books)
    random.Random(1).shuffle(order)
    keys, pairs, decision = deduplicated(real_books, order)
    assert keys.equals(found[0])
    assert pairs.equals(found[1])
    assert decision.removed.equals(found[2].removed)
    assert decision.books == found[2].books


def as_book(name, *texts):
    """A book of these chapters, with nothing known of it."""
    return [
        SimpleNamespace(chapter_id=f"{name}:{i}", book=name, index=i, digest=text_digest(text), text=text)
        for i, text in enumerate(texts)
    ]


def removed(*books):
    keys, pairs = find_pairs(pa.concat_tables(map(sketch_table, books)), DedupSection())
    decision = decide(keys, pairs, [], DedupSection())
    return {row["chapter_id"]: (row["kept"], row["kind"]) for row in decision.removed.to_pylist()}, decision.books


def test_a_story_that_an_anthology_contains_goes_and_the_anthology_stays(real_books):
    stories = [chapter.text for chapter in real_books["sherlock-holmes.html"][0]]
    plain = [chapter.text for chapter in real_books["sherlock-holmes.latin1.txt"][0]]
    whole = as_book("anthology", "\n\n".join(stories))  # not even split into its stories
    gone, books = removed(whole, as_book("band", plain[7]), as_book("other", real_books["红楼梦.txt"][0][0].text))
    assert gone == {"band:0": ("anthology:0", "contained")}
    assert [(pair.kept, pair.other, pair.relation) for pair in books] == [("anthology", "band", "part")]
    gone, books = removed(as_book("anthology", *stories), as_book("band", plain[7]))
    assert set(gone) == {"band:0"}
    assert gone["band:0"][0] == "anthology:7"
    assert [(pair.kept, pair.other, pair.relation) for pair in books] == [("anthology", "band", "part")]


@pytest.mark.parametrize(
    ("notice", "names"),
    [
        ("time-machine.utf8.txt", ("pride-and-prejudice.html", "war-of-the-worlds.epub")),
        ("鏡花緣.txt", ("红楼梦.txt", "西游记.txt")),
    ],
)
def test_short_chapters_that_begin_with_the_same_pages_do_not_merge_two_novels(real_books, notice, names):
    pages = real_books[notice][0][0].text[:3_000]
    books = [as_book(name, *(pages + chapter.text[:3_000] for chapter in real_books[name][0])) for name in names]
    assert removed(*books) == ({}, [])
