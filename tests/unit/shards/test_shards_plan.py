"""Which chapters go where: complete, in order, independent of the cluster, and clear about books that are not there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelray.errors import CorpusError
from novelray.shards.plan import Listed, groups, matching, plan_shards


def listed(book, number, split="train", chars=10, file="chapters/00000.parquet"):
    return Listed(file, number, f"{book}:{number}", book, split, chars)


CHAPTERS = [
    listed("红楼梦", 0), listed("红楼梦", 1, "heldout"), listed("红楼梦", 2, chars=25),
    listed("西游记", 0, file="chapters/00001.parquet"), listed("西游记", 1, file="chapters/00001.parquet"),
]  # fmt: skip


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 100))
def test_groups_are_consecutive_complete_and_as_large_as_allowed(chars, limit):
    found = groups(chars, limit)
    assert [n for group in found for n in group] == list(range(len(chars)))
    for group, after in zip(found, [*found[1:], None], strict=False):
        size = sum(chars[n] for n in group)
        assert size <= limit or len(group) == 1
        assert after is None or size + chars[after[0]] > limit


def test_shards_list_the_rows_of_their_split_in_order_whatever_file_they_are_in():
    plans = plan_shards(CHAPTERS, "train", 40)
    assert [(p.path, p.sources) for p in plans] == [
        ("train/rows-00000.arrow", (("chapters/00000.parquet", (0, 2)),)),
        ("train/rows-00001.arrow", (("chapters/00001.parquet", (0, 1)),)),
    ]
    assert [p.sources for p in plan_shards(CHAPTERS, "train", 1000)] == [
        (("chapters/00000.parquet", (0, 2)), ("chapters/00001.parquet", (0, 1)))
    ]
    assert plan_shards(CHAPTERS, "heldout", 40)[0].sources == (("chapters/00000.parquet", (1,)),)


def test_books_are_chosen_by_globs_and_idle_globs_are_told():
    chosen, idle = matching(CHAPTERS, ("红*", "水浒传"))
    assert {c.book for c in chosen} == {"红楼梦"}
    assert idle == ["水浒传"]


def test_no_matching_book_is_an_error_that_names_the_books_there_are():
    with pytest.raises(CorpusError, match=r"named '水浒传' or 'x\*'") as caught:
        matching(CHAPTERS, ("水浒传", "x*"))
    assert "红楼梦, 西游记" in caught.value.hint
    with pytest.raises(CorpusError) as caught:
        matching([], ("*",))
    assert "no chapters" in caught.value.hint
