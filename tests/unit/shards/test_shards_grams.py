"""The index of the training text: nothing in it is missed, little else is found, and it stays small."""

import numpy as np
import pytest
from support.guarding import index_of

from novelray.errors import DamagedError
from novelray.generate.guard.index import CopyIndex, open_index
from novelray.shards.grams import GRAM, gram_hashes, grams_bytes, grams_path, is_grams, read_grams
from novelray.storage import Plan

ZH = "乾隆五十五年，嘉興府的老船夫把船繫在柳樹下，坐在船頭抽了一袋煙，說今夜有雨。"


@pytest.fixture(scope="module")
def stories(samples):
    """The stories of the package, by name."""
    return {p.stem: p.read_text("utf-8", "ignore") for p in sorted(samples.glob("*/*.txt"))}


def test_the_same_words_give_the_same_grams_in_another_script_width_case_and_punctuation():
    simplified = "乾隆五十五年嘉兴府的老船夫把船系在柳树下坐在船头抽了一袋烟说今夜有雨"
    assert np.array_equal(gram_hashes(ZH), gram_hashes(simplified))
    assert np.array_equal(
        gram_hashes("The RAIN fell on the river, café."), gram_hashes("the rain fell\non ｔｈｅ river cafe")
    )
    assert not set(gram_hashes(ZH)) & set(gram_hashes(ZH[::-1]))


def test_a_text_gives_one_gram_for_each_of_its_characters_but_the_first_few():
    assert len(gram_hashes("字" * GRAM)) == 1
    assert len(gram_hashes("字" * (GRAM - 1))) == 0
    assert len(gram_hashes("a" * (GRAM + 7))) == 8


def test_parts_merge_into_the_index_of_the_whole(stories):
    texts = [text[:1500] for text in stories.values()]
    parts = [read_grams(grams_bytes(texts[i::3])) for i in range(3)]
    merged = CopyIndex(parts)
    for text in texts:
        assert all(map(merged.has, polynomials(text)))


def test_one_lookup_in_a_hundred_at_most_is_wrong_about_what_is_not_in_the_books(stories):
    index = index_of(*stories.values())
    others = np.random.default_rng(1).integers(0, 1 << 63, 100_000).astype(np.uint64)
    assert index.has_each(others).mean() < 0.01
    assert [index.has(int(p)) for p in others[:2000]] == index.has_each(others[:2000]).tolist()


def test_the_file_takes_less_than_three_bytes_a_character_and_the_memory_about_two(stories):
    texts = list(stories.values())
    chars = sum(map(len, texts))
    assert len(grams_bytes(texts)) < 3 * chars
    assert index_of(*texts).size <= 2 * chars


def test_the_same_chapters_give_the_same_bytes(stories):
    texts = list(stories.values())
    assert grams_bytes(texts) == grams_bytes(texts[::-1])


def test_damaged_files_and_those_of_another_release_are_refused(monkeypatch):
    with pytest.raises(DamagedError):
        read_grams(grams_bytes([ZH])[:-9])
    made = grams_bytes([ZH])
    monkeypatch.setattr("novelray.shards.grams.FORMAT", b"other")
    with pytest.raises(DamagedError, match="another release"):
        read_grams(made)


def test_shards_without_grams_give_no_index_and_do_not_hide_those_that_have_some(artifacts):
    with_grams = artifacts.begin(Plan("shards", 3, section={"test": 1}))
    path = grams_path("train/rows-00000.arrow")
    assert is_grams(path)
    with_grams.write(path, grams_bytes([ZH]))
    without = artifacts.begin(Plan("shards", 2, section={"test": 2}))
    without.write("train/rows-00000.arrow", b"")
    new, old = with_grams.commit({"train": {"chars": len(ZH)}}).id, without.commit().id
    assert open_index(artifacts, [old, "shards-gone"]) is None
    index = open_index(artifacts, [old, new])
    assert all(map(index.has, polynomials(ZH)))


def polynomials(text):
    """Of each gram, as a stream computes them."""
    from novelray.generate.guard.copying import CopyRun, Limits

    run, found = CopyRun(index_of(), Limits(10**6, 10**6)), []
    for char in text:
        run.push(char)
        found.append(run.polynomial)
    return [p for p, folded in zip(found, np.cumsum([len(fold_of(c)) for c in text]), strict=True) if folded >= GRAM]


def fold_of(char):
    from novelray.corpus.dedup.fold import fold

    return fold(char)
