"""Characters and pairs of characters are found as plain Python finds them, whatever the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelray.corpus import alphabet
from novelray.corpus.alphabet import Pairs

TEXTS = st.text(st.sampled_from("ab山雨\n\ud800😀\0")) | st.text()


@given(TEXTS)
def test_the_characters_of_a_text_are_those_of_its_set(text):
    assert alphabet.alphabet(text * 4_000 if text else text) == set(text)


@given(TEXTS)
def test_places_of_two_tables_are_all_where_one_of_the_first_stands_before_one_of_the_second(text):
    pairs = Pairs(alphabet.table("a雨😀"), alphabet.table("山b\n"))
    wanted = [i for i in range(len(text) - 1) if text[i] in "a雨😀" and text[i + 1] in "山b\n"]
    assert list(pairs.places(text)) == wanted


@given(TEXTS)
def test_no_pair_that_was_given_is_missed(text):
    given_pairs = {"a山", "雨b", "😀\n"}
    found = list(Pairs.of(given_pairs).places(text))
    assert {i for i in range(len(text) - 1) if text[i : i + 2] in given_pairs} <= set(found)
    assert all(text[i] in "a雨😀" and text[i + 1] in "山b\n" for i in found)
    assert found == sorted(set(found))


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_a_pair_at_the_edge_of_a_block_is_found_once(monkeypatch, length, compiled):
    monkeypatch.setattr(alphabet, "_BLOCK", length)
    if not compiled:
        monkeypatch.setattr(alphabet, "_native", None)
    assert list(Pairs.of(["ab"]).places("ab" * 5)) == [0, 2, 4, 6, 8]
    assert alphabet.alphabet("abc" * 2_000) == set("abc")
