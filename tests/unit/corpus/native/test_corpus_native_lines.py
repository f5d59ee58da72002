"""The compiled passes over lines say what Python says."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novelray.corpus.clean import clean
from novelray.corpus.native import compiled
from novelray.corpus.read import encodings, page_numbers, read_book, signs, unwrap
from novelray.corpus.split import body, layout, scenes, split_book
from novelray.corpus.split.lines import candidate_lines
from novelray.recipe.clean import CleanSection

lines = compiled("lines")
pytestmark = pytest.mark.skipif(lines is None, reason="nothing is compiled")

MODULES = (body, encodings, layout, page_numbers, signs, unwrap)
HEADS = layout.Heads("第*A\ue000\U00020000\ud800")
texts = st.one_of(
    st.text(st.sampled_from("\n\n\n \t\u3000\r\x00\x1c第十章*A1234567890-页[]{}\x85é，。"), max_size=200),
    st.text(st.sampled_from("\nAz-  9"), max_size=200),
    st.text(st.sampled_from("\n第"), max_size=40),
    st.text(st.sampled_from("\n第\ue000\uf8ff\U00020000\ud800\udfff\x00 7\u2003"), max_size=200),
    st.text(st.characters(), max_size=200),
)


def both(*modules: ModuleType, of: Callable[[], Any]) -> tuple[Any, Any]:
    """What a function gives with the compiled passes of the modules, and without."""
    assert all(module._native is not None for module in modules)
    fast = of()
    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            patch.setattr(module, "_native", None)
        return fast, of()


@given(texts)
def test_line_breaks_are_counted_as_count_counts(text):
    fast, plain = both(layout, of=lambda: layout.breaks(text))
    assert fast == plain


@given(texts)
def test_the_same_lines_begin_with_what_is_wanted(text):
    fast, plain = both(layout, of=lambda: list(HEADS.places(text)))
    assert fast == plain


@given(texts)
def test_the_same_lines_can_be_headings(text):
    fast, plain = both(layout, of=lambda: list(candidate_lines(text)))
    assert fast == plain


@given(texts)
def test_lines_have_the_same_lengths(text):
    fast, plain = both(unwrap, of=lambda: dict(unwrap._sizes(text)))
    assert fast == plain


def test_long_lines_have_the_same_lengths():
    text = "\n".join("字" * size + " " for size in (1023, 1024, 1025, 1024, 0, 70_000))
    fast, plain = both(unwrap, of=lambda: dict(unwrap._sizes(text)))
    assert fast == plain


@given(texts)
def test_the_same_numbers_can_be_those_of_pages(text):
    fast, plain = both(page_numbers, of=lambda: [m.span() for m in page_numbers._numbers(text)])
    assert fast == plain


@given(texts, st.text(st.sampled_from("\r\x02[_\ue000第\U00020000\ud800\x00ÿ"), min_size=1, max_size=4))
def test_a_text_lacks_the_same_signs(text, wanted):
    fast, plain = both(signs, of=lambda: signs.lacks(text, wanted))
    assert fast == plain


@pytest.mark.parametrize("kind", ["a", "字", "\U00020000"])
@pytest.mark.parametrize("place", [0, 1, 31, 32, 33, 63, 64, 99])
def test_a_sign_is_found_wherever_it_stands(kind, place):
    text = kind * place + "_" + kind * (99 - place)
    assert not signs.lacks(text, "[_")
    assert signs.lacks(text, "[}")


def test_a_wide_sign_is_not_taken_for_the_narrow_one_that_ends_like_it():
    assert signs.lacks("a[\x00b" * 50, "\U0001005b\u015b\ue001")
    assert signs.lacks("字[\ue000" * 50, "\U0001e000\U0001005b")


def test_more_signs_than_are_looked_for_at_once_are_refused():
    with pytest.raises(ValueError, match="one to four"):
        lines.lacks("text", "abcde")


@given(st.binary(max_size=200) | st.lists(st.sampled_from(b"abcd\n\x1f"), max_size=200).map(bytes))
@example(b"a" * 40 + b"\x1f" + b"\n" * 40)
def test_the_same_bytes_are_control_characters(data):
    fast, plain = both(encodings, of=lambda: encodings._controls(data))
    assert fast == plain


@given(texts)
def test_the_same_characters_are_private(text):
    fast, plain = both(encodings, of=lambda: encodings._private(text))
    assert fast == plain


@given(texts, st.integers(0, 220), st.integers(0, 220))
def test_what_stands_between_two_places_is_as_much(text, start, length):
    fast, plain = both(body, of=lambda: body.body_size(text, start, start + length))
    assert fast == plain


@pytest.mark.slow
@pytest.mark.novels
def test_novels_are_read_and_split_the_same(novels):
    def all_of(data: bytes) -> Any:
        book = read_book(data, "novel")
        text, _ = clean(book.text, CleanSection())
        split = split_book(text)
        return book, split, [scenes(text[piece.start : piece.end]) for piece in split.pieces]

    files = sorted(novels.rglob("*.txt"))
    assert files
    for file in files:
        data = file.read_bytes()
        fast, plain = both(*MODULES, of=lambda data=data: all_of(data))
        assert fast == plain, file.name
