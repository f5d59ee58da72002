"""What a sketch promises: script, case and marks do not matter, estimates are near the truth, emptiness has no copy."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest

from novelray.corpus.dedup import SKETCH, find_pairs, sketch, sketch_table, text_digest
from novelray.corpus.dedup.compare import as_five_grams
from novelray.corpus.dedup.fold import fold, script_of
from novelray.corpus.dedup.sketches import EVERYTHING, HANZI_GRAM, LEAST, LETTER_GRAM, SCALE
from novelray.recipe.dedup import DedupSection


@dataclass(frozen=True)
class _Chapter:
    chapter_id: str
    book: str
    index: int
    text: str

    @property
    def digest(self):
        return text_digest(self.text)


def _table(*texts):
    return sketch_table([_Chapter(f"b:{i:05d}", "b", i, text) for i, text in enumerate(texts)])


def _hanzi(seed, length):
    return "".join(random.Random(seed).choices([chr(c) for c in range(0x4E00, 0x5600)], k=length))


def _changed(text, share, seed):
    chance, chars = random.Random(seed), list(text)
    for place in chance.sample(range(len(chars)), round(share * len(chars))):
        chars[place] = chr(chance.randrange(0x5600, 0x5E00))
    return "".join(chars)


def _jaccard(a, b, n):
    one, other = ({text[i : i + n] for i in range(len(text) - n + 1)} for text in (a, b))
    return len(one & other) / len(one | other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("他說：「這裏沒有人。」", "他说:这里没有人"),
        ("　纔喫了飯，羣衆爲麼。", "才吃了饭群众为么"),
        ("It’s a TRUTH—universally_acknowledged_!", "its a truth universally acknowledged"),
        ("Ａｂｃ１２３ Café", "abc123 cafe"),
        ("\ue0001第一章", "1第一章"),
    ],
)
def test_script_case_width_and_marks_are_folded_away(one, other):
    assert fold(one).tolist() == fold(other).tolist()


def test_characters_beyond_the_basic_plane_and_broken_ones_are_kept():
    assert len(fold("𠀀𠀁")) == 4
    assert len(fold("\ud800的")) == 2


def test_the_script_is_told_by_characters_that_only_one_writes():
    assert (script_of("這個國家"), script_of("这个国家"), script_of("三人行"), script_of("he")) == (
        "hant",
        "hans",
        "",
        "",
    )


@pytest.mark.parametrize("text", ["", " \n", "，。！？！？", "四个汉字", "letters"])
def test_a_text_shorter_than_a_gram_has_an_empty_sketch_and_matches_nothing(text):
    assert len(sketch(text).sample) == 0
    _, pairs = find_pairs(_table(text, text, text), DedupSection())
    assert len(pairs) == 0


def test_texts_of_one_sign_match_only_each_other():
    texts = ["的" * 500, "了" * 500, "的" * 600]
    assert [sketch(text).bound for text in texts] == [EVERYTHING] * 3
    keys, pairs = find_pairs(_table(*(text + _hanzi(i, 40) for i, text in enumerate(texts))), DedupSection(threshold=0))
    assert len(keys) == 3
    assert len(pairs) == 0  # one gram in common is too little to be candidates


@pytest.mark.parametrize("length", [60, 500, 3_000, 40_000])
def test_a_sketch_holds_every_hash_below_its_bound(length):
    text = _hanzi(1, length)
    found = sketch(text)
    assert found.gram == HANZI_GRAM
    assert np.all(np.diff(found.sample.astype(np.float64)) > 0)
    assert found.sample.max() < found.bound
    assert len(found.sample) >= min(LEAST, length - HANZI_GRAM + 1)
    assert len(found.sample) <= max(LEAST, 1.5 * length / SCALE)
    longer = sketch(text + _hanzi(2, 10 * length))  # holds all of the text's grams
    common = min(found.bound, longer.bound)
    assert set(found.sample[found.sample < common].tolist()) <= set(longer.sample.tolist())


def test_alphabets_and_hanzi_are_cut_into_grams_of_their_own_length():
    assert sketch("It was the best of times").gram == LETTER_GRAM
    assert sketch("他说 yes，然后走了出去，再也没有回来").gram == HANZI_GRAM


def test_the_table_has_one_row_for_each_chapter_and_is_the_same_every_time():
    texts = [_hanzi(i, 2_000) for i in range(3)] + ["", "It was the best of times, it was the worst of times"]
    table = _table(*texts)
    assert table.schema == SKETCH
    assert table.column("chars").to_pylist() == [len(t) for t in texts]
    assert table.equals(_table(*texts))
    assert _table().schema == SKETCH


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_similarity_is_estimated_within_four_standard_errors(share):
    chapters = [_hanzi(i, 4_000) for i in range(12)]
    changed = [_changed(text, share, i) for i, text in enumerate(chapters)]
    _, pairs = find_pairs(_table(*chapters, *changed), DedupSection())
    found = {
        (a, b): s for a, b, s in zip(*(pairs.column(c).to_pylist() for c in ("a", "b", "similarity")), strict=True)
    }
    assert set(found) == {(i, i + 12) for i in range(12)}
    for i in range(12):
        truth = _jaccard(chapters[i], changed[i], HANZI_GRAM)
        assert abs(found[i, i + 12] - truth) < 4 * (truth * (1 - truth) / LEAST) ** 0.5


def test_a_similarity_of_8_grams_is_told_as_one_of_5_grams():
    letters = np.uint8(LETTER_GRAM)
    for kept in (0.9, 0.95, 1.0):
        jaccards = [kept**n / (2 - kept**n) for n in (LETTER_GRAM, HANZI_GRAM)]
        assert as_five_grams(np.array([jaccards[0]]), np.array([letters]))[0] == pytest.approx(jaccards[1])


def test_the_digest_ignores_whitespace_and_nothing_else():
    assert text_digest("他 说\n\u3000好。") == text_digest("他说好。")
    assert text_digest("他说好。") != text_digest("他说好！")
    assert text_digest(" \n\u3000") == ""
