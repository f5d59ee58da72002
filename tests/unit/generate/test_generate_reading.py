"""What a reader counts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelray.generate.reading import count, first


@pytest.mark.parametrize(
    ("text", "characters"),
    [
        ("山雨欲来，风满楼。", 9), ("　　夜雨\n\n初歇 ", 4), ("The river.", 9), ("", 0), ("𠮷野家", 3),
        ("cafe\u0301", 4), ("“……”", 4), ("\u200b\ufeff", 0), ("❤\ufe0f", 1), ("第１２章", 4),
    ],
)  # fmt: skip
def test_hanzi_letters_and_marks_count_and_white_space_does_not(text, characters):
    assert count(text) == characters


@settings(deadline=None)
@given(st.text(alphabet="山a，. \n　e\u0301🙂", max_size=30), st.integers(0, 20))
def test_what_is_cut_has_exactly_as_many_characters_as_there_may_be(text, most):
    kept = first(text, most)
    assert text.startswith(kept)
    assert count(kept) == min(most, count(text))
    assert kept == text or text[len(kept)] != "\u0301"
