"""What selection promises: whole chapters or books held out, nothing that resembles them trained on, no silent loss."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelray.corpus.dedup import decide, text_digest
from novelray.corpus.dedup.compare import PAIRS
from novelray.corpus.dedup.find import KEYS_SCHEMA
from novelray.corpus.heldout import how_many
from novelray.corpus.select import select
from novelray.errors import CorpusError
from novelray.recipe.corpus import CorpusSection


def _chosen(chapters, seed=1, alike=(), **section):
    """`chapters`: (book, index, digest). `alike`: pairs of places in the sorted list that are near-duplicates."""
    rows = [
        {"chapter_id": f"{b}:{i}", "book": b, "index": i, "digest": d, "chars": 100, "script": ""}
        for b, i, d in sorted(chapters)
    ]
    keys = pa.Table.from_pylist(rows, schema=KEYS_SCHEMA)
    pairs = [dict(zip(PAIRS.names, (a, b, 0.8, 0.9, 0.9), strict=True)) for a, b in alike]
    corpus = CorpusSection.model_validate(section)
    decision = decide(keys, pa.Table.from_pylist(pairs, schema=PAIRS), [], corpus.dedup)
    return select(keys, decision, corpus, seed)


def _splits(*args, **section):
    chapters = _chosen(*args, **section).chapters
    return dict(zip(chapters.column("chapter_id").to_pylist(), chapters.column("split").to_pylist(), strict=True))


def _books(**chapters):
    return [(book, i, f"{book}-{i}") for book, count in chapters.items() for i in range(count)]


def _held(splits, book=""):
    return [i for i, split in splits.items() if split == "heldout" and i.startswith(book)]


def test_the_digest_ignores_whitespace_and_nothing_else():
    assert text_digest("他 说\n\u3000好。") == text_digest("他说好。")
    assert text_digest("他说好。") != text_digest("他说好！")
    assert text_digest(" \n\u3000") == ""


def test_every_book_of_two_or_more_chapters_has_one_held_out():
    splits = _splits(_books(one=1, two=2, many=100), heldout={"share": 0.05})
    assert [len(_held(splits, book)) for book in ("one", "two", "many")] == [0, 1, 5]


@given(st.integers(0, 500), st.floats(0, 1))
def test_the_number_held_out_is_the_share_and_at_least_one(total, share):
    count = how_many(total, share)
    assert 0 <= count <= total
    assert count >= 1 or total < 2 or share == 0
    assert abs(count - total * share) <= 1 or count == 1 or total < 2


def test_the_choice_depends_on_the_seed_and_the_content_alone():
    chapters = _books(a=50, b=50)
    first = _splits(chapters)
    assert _splits(chapters[::-1]) == first
    assert _splits(chapters, 2) != first
    # another book on the shelf does not move a's and b's held-out chapters
    assert _splits(chapters + _books(c=30)).items() >= first.items()


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 12)), min_size=6, max_size=60), st.booleans())
def test_a_copy_of_a_held_out_chapter_is_never_trained_on(pairs, by_book):
    chapters = [(book, i, str(digest)) for i, (book, digest) in enumerate(pairs)]
    held_out = {"by": "book" if by_book else "chapter", "share": 0.3}
    try:
        splits = _splits(chapters, 3, dedup={"exact": False, "near": False}, heldout=held_out)
    except CorpusError:
        return  # everything was a copy of something held out
    digest = {f"{b}:{i}": d for b, i, d in chapters}
    held = {digest[i] for i in _held(splits)}
    assert not held & {digest[i] for i, split in splits.items() if split == "train"}


def test_what_resembles_a_held_out_chapter_is_not_trained_on_either():
    chapters = _books(a=20, b=20)
    plain = _splits(chapters, dedup={"near": False, "exact": False})
    place = {chapter_id: at for at, chapter_id in enumerate(plain)}
    held = _held(plain, "a")[0]
    other = next(i for i, split in plain.items() if i.startswith("b") and split == "train")
    kept = {"exact": False, "near": False}  # nothing is removed, and still it must not leak
    splits = _splits(chapters, alike=[(place[held], place[other])], dedup=kept)
    assert splits[held] == splits[other] == "heldout"


def test_a_removed_near_duplicate_has_no_split():
    splits = _splits(_books(a=20, b=20), alike=[(3, 25)])
    assert [i for i, split in splits.items() if not split] in (["a:3"], ["b:5"])


def test_whole_books_are_held_out_by_name_and_with_them_their_chapters_in_other_books():
    chapters = [*_books(a=5, b=5), ("anthology", 0, "b-3"), ("anthology", 1, "x")]
    splits = _splits(chapters, heldout={"by": "book", "books": ["b"]})
    assert splits["anthology:1"] == "train"
    assert splits["anthology:0"] != "train"
    assert all(split != "train" for i, split in splits.items() if i.startswith("b:"))


def test_a_share_of_books_is_held_out_whole():
    splits = _splits(_books(a=4, b=4, c=4, d=4), 7, heldout={"by": "book", "share": 0.5})
    by_book = {book: {split for i, split in splits.items() if i.startswith(book)} for book in "abcd"}
    assert sorted(map(sorted, by_book.values())) == [["heldout"], ["heldout"], ["train"], ["train"]]


def test_a_held_out_book_that_is_not_there_is_named():
    with pytest.raises(CorpusError, match="'zz\\*'") as error:
        _splits(_books(a=3), heldout={"by": "book", "books": ["zz*"]})
    assert "a" in error.value.hint


@pytest.mark.parametrize(
    ("chapters", "heldout"),
    [([], {}), (_books(a=3), {"share": 1.0}), (_books(a=3), {"by": "book", "books": ["*"]})],
)
def test_nothing_left_to_train_on_is_an_error(chapters, heldout):
    with pytest.raises(CorpusError, match="nothing to train on"):
        _splits(chapters, heldout=heldout)


def test_counts_and_per_book_add_up_to_what_was_read():
    selection = _chosen(_books(a=20, b=20), alike=[(3, 25)])
    train, held = selection.counts("train"), selection.counts("heldout")
    assert (train["chapters"] + held["chapters"], train["chars"] + held["chars"]) == (39, 3900)
    rows = selection.per_book().to_pylist()
    assert [(r["book"], r["chapters"], r["train"] + r["heldout"] + r["removed"]) for r in rows] == [
        ("a", 20, 20), ("b", 20, 20),
    ]  # fmt: skip
    assert sum(r["removed"] for r in rows) == 1
