"""What selection promises: one copy of each text, whole chapters or books held out, no leak, no silent loss."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelray.corpus.dedup import ChapterKey, drop_duplicates, text_digest
from novelray.corpus.heldout import how_many
from novelray.corpus.select import select
from novelray.errors import CorpusError
from novelray.recipe.corpus import CorpusSection


def _key(book, index, digest=None, chars=100):
    return ChapterKey(book, index, f"{book}:{index:05d}", digest or f"{book}-{index}", chars)


def _books(**chapters):
    return [_key(book, i) for book, count in chapters.items() for i in range(count)]


def _section(**values):
    return CorpusSection.model_validate(values)


def test_the_digest_ignores_whitespace_and_nothing_else():
    assert text_digest("他 说\n\u3000好。") == text_digest("他说好。")
    assert text_digest("他说好。") != text_digest("他说好！")
    assert text_digest(" \n\u3000") == ""


def test_the_first_copy_by_book_and_index_is_kept():
    keys = [_key("b", 0, "x"), _key("a", 2, "x"), _key("a", 1, "y"), _key("c", 0, "x")]
    found = drop_duplicates(keys, 1.0)
    assert [k.chapter_id for k in found.kept] == ["a:00001", "a:00002"]
    assert found.removed == {"b:00000": "a:00002", "c:00000": "a:00002"}


def test_empty_texts_never_match_each_other():
    keys = [ChapterKey("a", i, f"a:{i}", "", 0) for i in range(3)]
    assert len(drop_duplicates(keys, 0.0).kept) == 3


def test_a_pass_that_would_remove_an_implausible_share_is_refused():
    keys = [_key("a", i, "same") for i in range(4)] + _books(b=2)
    with pytest.raises(CorpusError, match=r"3 of 6 chapters \(50%\)") as error:
        drop_duplicates(keys, 0.4)
    assert "corpus.dedup.max_share" in error.value.message
    assert len(drop_duplicates(keys, 0.5).kept) == 3


def test_duplicates_stay_when_the_recipe_says_so():
    keys = [_key("a", i, "same") for i in range(4)] + _books(b=3)
    assert len(select(keys, _section(dedup={"exact": False}), 1).splits) == 7


def test_every_book_of_two_or_more_chapters_has_one_held_out():
    selection = select(_books(one=1, two=2, many=100), _section(heldout={"share": 0.05}), 1)
    held = [k.book for k in selection.in_split("heldout")]
    assert (held.count("one"), held.count("two"), held.count("many")) == (0, 1, 5)


@given(st.integers(0, 500), st.floats(0, 1))
def test_the_number_held_out_is_the_share_and_at_least_one(total, share):
    count = how_many(total, share)
    assert 0 <= count <= total
    assert count >= 1 or total < 2 or share == 0
    assert abs(count - total * share) <= 1 or count == 1 or total < 2


def test_the_choice_depends_on_the_seed_and_the_content_alone():
    keys = _books(a=50, b=50)
    first = select(keys, _section(), 1).splits
    assert select(keys[::-1], _section(), 1).splits == first
    assert select(keys, _section(), 2).splits != first
    # another book on the shelf does not move a's and b's held-out chapters
    assert select(keys + _books(c=30), _section(), 1).splits.items() >= first.items()


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 12)), min_size=6, max_size=60), st.booleans())
def test_a_copy_of_a_held_out_chapter_is_never_trained_on(pairs, by_book):
    keys = [ChapterKey(book, i, f"{book}:{i}", str(d), 10) for i, (book, d) in enumerate(pairs)]
    section = _section(dedup={"exact": False}, heldout={"by": "book" if by_book else "chapter", "share": 0.3})
    try:
        selection = select(keys, section, 3)
    except CorpusError:
        return  # everything was a copy of something held out
    held = {k.digest for k in selection.in_split("heldout")}
    assert not held & {k.digest for k in selection.in_split("train")}


def test_whole_books_are_held_out_by_name_and_with_them_their_chapters_in_other_books():
    keys = [*_books(a=5, b=5), _key("anthology", 0, "b-3"), _key("anthology", 1)]
    section = _section(heldout={"by": "book", "books": ["b"]})
    selection = select(keys, section, 1)
    assert {k.book for k in selection.in_split("heldout")} == {"anthology", "b"} - {"b"} | {"b"}
    assert selection.splits["anthology:00000"] == "heldout"
    assert selection.splits["anthology:00001"] == "train"
    assert all(selection.splits.get(k.chapter_id) != "train" for k in keys if k.book == "b")


def test_a_share_of_books_is_held_out_whole():
    selection = select(_books(a=4, b=4, c=4, d=4), _section(heldout={"by": "book", "share": 0.5}), 7)
    by_book = {}
    for key in selection.duplicates.kept:
        by_book.setdefault(key.book, set()).add(selection.splits[key.chapter_id])
    assert all(len(splits) == 1 for splits in by_book.values())
    assert sorted(s for splits in by_book.values() for s in splits) == ["heldout", "heldout", "train", "train"]


def test_a_held_out_book_that_is_not_there_is_named():
    with pytest.raises(CorpusError, match="'zz\\*'") as error:
        select(_books(a=3), _section(heldout={"by": "book", "books": ["zz*"]}), 1)
    assert "a" in error.value.hint


@pytest.mark.parametrize(
    ("keys", "heldout"), [([], {}), (_books(a=3), {"share": 1.0}), (_books(a=3), {"by": "book", "books": ["*"]})]
)
def test_nothing_left_to_train_on_is_an_error(keys, heldout):
    with pytest.raises(CorpusError, match="nothing to train on"):
        select(keys, _section(heldout=heldout), 1)
