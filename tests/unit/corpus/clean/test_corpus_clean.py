"""What cleaning promises: no dialogue mark is touched, nothing is normalised away, every change is counted."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelray.corpus.clean import DIALOGUE_MARKS, clean


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("line_ends", "一\r\n二\r三\x0c四", "一\n二\n三\n四"),
        ("control_characters", "一\x01二\x7f", "一二"),
        ("zero_width", "一\u200b二\ufeff\xad三\u2060", "一二三"),
        ("special_spaces", "a\xa0b", "a b"),
        ("trailing_blanks", "一 \t\n二\u3000", "一\n二"),
        ("indentation", "一\n\u3000\u3000二\n    “三”", "一\n二\n“三”"),
        ("blank_lines", "一\n\n\n\n二", "一\n\n二"),
        ("outer_blanks", "\n\n一\n", "一"),
        ("nfc", "cafe\u0301", "café"),
        ("punctuation", "他来了．我走了．", "他来了。我走了。"),
        ("punctuation", "他说,你呢?好!", "他说，你呢？好！"),
        ("punctuation", "他想......算了。。。。", "他想……算了……"),
        ("punctuation", "他想--算了", "他想——算了"),
    ],
)
def test_each_kind_of_change_is_made_and_counted(kind, before, after):
    text, changes = clean(before)
    assert text == after
    assert changes[kind] > 0


def test_full_width_punctuation_and_quotes_stay_as_they_are():
    text = "“你来，”他说：「‘好’！」『走』？《书》（一）……——ＡＢＣ"
    assert clean(text) == (text, {})


def test_western_text_keeps_its_punctuation_and_indentation():
    text = 'He said, "Go, then!" -- and went... at 3:15; 1,000 miles.\n    A line of verse, indented'
    assert clean(text) == (text, {})


def test_numbers_and_latin_after_hanzi_keep_their_punctuation():
    text = "他有1,000元，见图:A和http://例:8000"
    assert clean(text)[0] == text


@given(st.text(alphabet=st.sampled_from(DIALOGUE_MARKS + "他说好。.,!a \n\u3000\u200b"), max_size=60))
def test_no_dialogue_mark_is_ever_changed(text):
    assert [c for c in clean(text)[0] if c in DIALOGUE_MARKS] == [c for c in text if c in DIALOGUE_MARKS]


@given(st.text(max_size=80))
def test_a_clean_text_is_left_alone_and_normal(text):
    once = clean(text)[0]
    assert unicodedata.is_normalized("NFC", once)
    assert clean(once)[0] == once
