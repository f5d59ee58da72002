"""Token by token, the text is the tokenizer's own, in whole characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny_models import SENTENCES, make_tokenizer, sentencepiece_like

from novelray.generate.detokenise import ByteDetokeniser, Vocabulary, WindowDetokeniser

TOKENIZER = make_tokenizer()
VOCABULARY = Vocabulary(TOKENIZER)


def pieces(vocabulary, ids):
    decoder = vocabulary.detokeniser()
    return [decoder.push(i) for i in ids]


@given(st.lists(st.integers(0, len(TOKENIZER) - 1), max_size=60))
def test_any_tokens_give_the_tokenizers_own_text_without_broken_characters(ids):
    whole = TOKENIZER.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    text = "".join(pieces(VOCABULARY, ids))
    assert text == whole.replace("�", "")


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_character_split_over_tokens_comes_whole(sentence):
    single_bytes = [i for b in sentence.encode() for i in _byte_token(b)]
    got = pieces(VOCABULARY, single_bytes)
    assert "".join(got) == sentence
    assert got[-1] == sentence[-1]
    assert not any("�" in piece for piece in got)


def test_an_unfinished_character_at_the_end_is_left_out():
    ids = [i for b in "山雨".encode()[:-1] for i in _byte_token(b)]
    assert "".join(pieces(VOCABULARY, ids)) == "山"


def test_special_tokens_are_not_text_and_do_not_split_a_character():
    ids = [i for b in "山".encode() for i in _byte_token(b)]
    assert "".join(pieces(VOCABULARY, [ids[0], TOKENIZER.pad_token_id, *ids[1:], TOKENIZER.eos_token_id])) == "山"


def test_a_token_id_beyond_the_tokenizer_is_no_text():
    assert pieces(VOCABULARY, [len(TOKENIZER) + 5]) == [""]


def test_a_tokenizer_with_byte_fallback_is_decoded_by_windows():
    vocabulary = Vocabulary(sentencepiece_like())
    assert isinstance(vocabulary.detokeniser(), WindowDetokeniser)
    assert isinstance(VOCABULARY.detokeniser(), ByteDetokeniser)
    ids = sentencepiece_like()("a river 山 🙂 a", add_special_tokens=False)["input_ids"]
    got = pieces(vocabulary, ids)
    assert "".join(got) == "a river 山 🙂 a"
    assert not any("�" in piece for piece in got)


def _byte_token(byte):
    letter = next(k for k, v in _table().items() if v == byte)
    return [TOKENIZER.convert_tokens_to_ids(letter)]


def _table():
    from novelray.generate.detokenise import _byte_of_letter

    return _byte_of_letter()


@pytest.mark.parametrize("tokenizer", [TOKENIZER, None])
def test_the_bytes_of_tokens_put_together_are_the_text(tokenizer):
    tokenizer = tokenizer or sentencepiece_like()
    vocabulary = Vocabulary(tokenizer)
    ids = tokenizer("a river 山 🙂 a", add_special_tokens=False)["input_ids"]
    assert b"".join(map(vocabulary.piece, ids)).decode().strip() == "a river 山 🙂 a"
    assert vocabulary.piece(tokenizer.eos_token_id or 0) == b""


def test_the_tokens_with_a_text_in_them_are_found():
    assert VOCABULARY.containing("er") == {i for i in range(len(TOKENIZER)) if b"er" in VOCABULARY.bytes_of(i)}
    assert len(VOCABULARY.containing("er")) > 1
    assert _byte_token(10)[0] in VOCABULARY.containing("\n")
    assert Vocabulary(sentencepiece_like()).containing("\n")
