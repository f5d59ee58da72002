"""What many chapters of a book repeat makes no two of them the same, and copies with changes are found all the same."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from novelray.corpus.dedup import decide, find_pairs, sketch_table, text_digest
from novelray.recipe.dedup import DedupSection

HANZI = [chr(code) for code in range(0x4E00, 0x5600)]


def text_of(seed, length):
    return "".join(random.Random(str(seed)).choices(HANZI, k=length))


def changed(text, share, seed):
    chance, chars = random.Random(seed), list(text)
    for place in chance.sample(range(len(chars)), round(share * len(chars))):
        chars[place] = chance.choice(HANZI)
    return "".join(chars)


def sketches(**books):
    """Each book sketched by itself, as a build does."""
    return pa.concat_tables(
        sketch_table(
            [
                SimpleNamespace(chapter_id=f"{book}:{i}", book=book, index=i, digest=text_digest(text), text=text)
                for i, text in enumerate(texts)
            ]
        )
        for book, texts in books.items()
    )


def removed(**books):
    keys, pairs = find_pairs(sketches(**books), DedupSection())
    gone = decide(keys, pairs, [], DedupSection(max_share=1.0)).removed.to_pylist()
    return {row["chapter_id"]: row["kept"] for row in gone}


@pytest.mark.parametrize(("head", "tail"), [(1, 0), (0, 1), (0.5, 0.5)])
@pytest.mark.parametrize("length", [200, 300, 500, 1_000, 2_000, 4_000])
def test_chapters_that_all_have_the_same_preface_are_not_the_same(length, head, tail):
    head, tail = (text_of(f"notice {share}", round(length * share)) for share in (head, tail))
    books = {book: [head + text_of(f"{book}{i}", 1_000) + tail for i in range(20)] for book in "xy"}
    assert removed(**books) == {}


def test_a_notice_that_makes_up_half_of_each_chapter_does_not_hide_the_copies_of_one():
    bodies = [text_of(i, 1_500) for i in range(12)]
    ours = [text_of("our notice", 800) + body for body in bodies]
    theirs = [text_of("their notice", 1_200) + changed(body, 0.03, i) for i, body in enumerate(bodies)]
    assert len(removed(ours=ours, theirs=theirs)) == 12
    bare = [changed(body, 0.03, i) for i, body in enumerate(bodies)]
    assert removed(bare=bare, ours=ours).keys() in ({f"bare:{i}" for i in range(12)}, {f"ours:{i}" for i in range(12)})


@pytest.mark.parametrize("share", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("length", [150, 600, 3_000])
def test_many_changed_copies_inside_one_book_are_no_boilerplate(share, length):
    original = text_of("original", length)
    copies = [changed(original, share, i) for i in range(30)]
    others = [text_of(f"other {i}", length) for i in range(10)]
    gone = removed(x=[original, *copies, *others])
    assert len(set(gone) | set(gone.values())) == 31
    assert not {f"x:{i}" for i in range(31, 41)} & set(gone)


def test_a_chapter_repeated_word_for_word_is_a_copy_and_no_boilerplate():
    same, others = text_of("same", 1_000), [text_of(i, 1_000) for i in range(8)]
    assert removed(x=[same, *others, same, same, same]) == dict.fromkeys(("x:9", "x:10", "x:11"), "x:0")


@pytest.mark.parametrize("quoting", [2, 5])
def test_one_passage_that_several_chapters_quote_makes_no_edition(quoting):
    # They are too few to be told as boilerplate: only what the shares add up to could mislead.
    passage = text_of("passage", 600)
    one = [passage + text_of(f"one {i}", 1_000) for i in range(2)]
    other = [(passage if i < quoting else "") + text_of(f"other {i}", 1_000) for i in range(60)]
    assert len(find_pairs(sketches(one=one, other=other[:quoting]), DedupSection())[1]) > 0
    assert removed(one=one, other=other) == removed(one=one, other=other[:2]) == {}


def test_a_chapter_that_another_edition_divides_elsewhere_goes_all_the_same():
    text = text_of("novel", 24_000)
    one = [text[at : at + 2_000] for at in range(0, 24_000, 2_000)]
    for size in (700, 1_300, 3_100, 5_000):
        other = [text[at : at + size] for at in range(0, 24_000, size)]
        gone = removed(one=one, other=other)
        assert len({name.split(":")[0] for name in gone}) == 1
        book = [one, other][next(iter(gone)).startswith("other")]
        assert len(gone) >= 0.9 * len(book)


def test_a_sketch_without_boilerplate_is_that_of_the_chapters_own_text():
    bodies = [text_of(i, 1_000) for i in range(6)]
    own, whole = sketches(x=bodies), sketches(x=[text_of("notice", 1_000) + body for body in bodies])
    for bare, cut in zip(own.column("sample").to_pylist(), whole.column("sample").to_pylist(), strict=True):
        assert len(set(bare) & set(cut)) > 0.9 * len(bare)
    assert np.all(own.column("gram").to_numpy() == whole.column("gram").to_numpy())
