"""What the reader promises: every encoding that novels come in, and a reason for every file that is no text."""

from __future__ import annotations

import contextlib
import random

import pytest

from novelray.corpus.read import read_book
from novelray.corpus.read.encodings import Unreadable, decode

SIMPLIFIED = "却说那人推开门来，只见院里一片月光。他说：“你来了。”众人都不言语，只听得远处有一声钟响。\n" * 40
TRADITIONAL = "卻說那人推開門來，只見院裡一片月光。他說：「你來了。」眾人都不言語，只聽得遠處有一聲鐘響。\n" * 40
ENGLISH = "The door stood open, and nobody in the café had said a word about it since noon.\n" * 40


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16", "utf-16-le", "utf-16-be"])
def test_simplified_chinese_is_read_in_every_encoding(encoding):
    assert decode(SIMPLIFIED.encode(encoding)).text == SIMPLIFIED


@pytest.mark.parametrize("encoding", ["utf-8", "big5", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_traditional_chinese_is_read_in_every_encoding(encoding):
    assert decode(TRADITIONAL.encode(encoding)).text == TRADITIONAL


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32"])
def test_english_is_read_in_every_encoding(encoding):
    text = ENGLISH if encoding == "latin-1" else ENGLISH.replace("café", "“café”")
    assert decode(text.encode(encoding)).text == text


def test_utf16_without_mark_and_without_any_ascii_is_read():
    text = SIMPLIFIED.replace("\n", "")
    assert decode(text.encode("utf-16-le")).text == text


def test_a_language_with_many_accents_is_read():
    text = "Жили-были старик со старухой у самого синего моря; они жили в ветхой землянке. " * 30
    assert decode(text.encode("cp1251")).text == text


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "big5", "utf-16-le"])
def test_a_file_cut_inside_its_last_character_is_read_and_the_bytes_counted(encoding):
    data = (TRADITIONAL + "院").encode(encoding)[:-1]
    found = decode(data)
    assert found.text == TRADITIONAL
    assert found.tail_bytes == len(data) - len(TRADITIONAL.encode(encoding))


def test_utf8_with_a_few_bad_bytes_is_read_and_they_are_counted():
    data = bytearray(SIMPLIFIED.encode())
    data[300:301] = b"\xff"
    found = decode(bytes(data))
    assert found.encoding == "utf-8"
    assert found.replaced > 0
    assert found.text[500:] == SIMPLIFIED[len(SIMPLIFIED) - len(found.text) + 500 :]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SIMPLIFIED.encode(), SIMPLIFIED.encode("gb18030")),
        (SIMPLIFIED.encode("gb18030"), TRADITIONAL.encode()),
        (TRADITIONAL.encode("big5"), SIMPLIFIED.encode()),
        (ENGLISH.encode(), ENGLISH.encode("latin-1")),
        (ENGLISH.encode("cp1252"), b"Chapter 2\n\n" + ENGLISH.encode()),
    ],
)
def test_chapters_in_different_encodings_are_put_together_and_counted(first, second):
    def text(data):
        return decode(data).text

    found = decode(first + second)
    assert found.text == text(first) + text(second)
    assert found.changes() == {"mixed_encodings": 1}


@pytest.mark.parametrize(
    "data",
    [
        SIMPLIFIED.encode("gb18030") + TRADITIONAL.encode("big5"),
        SIMPLIFIED.encode("utf-16") + SIMPLIFIED.encode(),
        SIMPLIFIED.encode() + SIMPLIFIED.encode("utf-16-le"),
    ],
)
def test_encodings_that_cannot_be_told_apart_line_by_line_are_unreadable(data):
    with pytest.raises(Unreadable, match=r"encoding|NUL"):
        decode(data)


@pytest.mark.parametrize("text", [SIMPLIFIED, TRADITIONAL, ENGLISH, ENGLISH.replace("é", "e")])
def test_one_encoding_is_never_taken_for_a_mixture(text):
    for encoding in ("utf-8", "gb18030", "big5", "latin-1", "utf-16"):
        with contextlib.suppress(UnicodeEncodeError):
            assert not decode(text.encode(encoding)).changes()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \r\n\t ", "empty"),
        ("\ufeff".encode(), "empty"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"PK\x03\x04rest", "zip"),
        (b"plain\x00text\x00with\x00NULs, three of them in sixty bytes of text.", "NUL"),
        (b"some text " * 20 + b"\x01\x02\x03\x04\x05\x06\x07\x08" * 20, "control"),
        (random.Random(1).randbytes(5000), "binary"),
    ],
)
def test_what_is_no_text_is_unreadable_with_its_reason(data, reason):
    with pytest.raises(Unreadable, match=reason):
        decode(data)


def test_the_recipes_encoding_is_forced_and_a_file_that_is_not_it_is_unreadable():
    assert decode(SIMPLIFIED.encode("gb18030"), "gb18030").encoding == "gb18030"
    with pytest.raises(Unreadable, match="not utf-8"):
        decode(SIMPLIFIED.encode("gb18030"), "utf-8")


def test_gutenberg_header_credit_and_licence_are_taken_off_and_counted():
    body = "\n\nChapter 1\n\n" + ENGLISH
    head = "The Project Gutenberg EBook of Nothing\n\n*** START OF THIS PROJECT GUTENBERG EBOOK NOTHING ***\n"
    tail = "*** END OF THIS PROJECT GUTENBERG EBOOK NOTHING ***\nlicence " + "x" * 500
    book = read_book((head + "\nProduced by Volunteers\n\n" + body + tail).encode(), "nothing")
    assert book.text.strip() == body.strip()
    assert book.removed["gutenberg"] == book.chars - len(book.text)


def test_a_book_that_only_speaks_of_gutenberg_keeps_its_text():
    text = ENGLISH + "He walked from the station to Gutenberg square.\n" + ENGLISH
    assert read_book(text.encode(), "walk").text == text


def test_a_title_repeated_around_a_one_line_book_is_taken_off():
    book = read_book(("鏡花緣鏡花緣" + "話說" * 50 + "鏡花緣").encode(), "鏡花緣")
    assert book.text == "話說" * 50
    assert book.removed["repeated_titles"] == 9


def test_every_novel_is_read_whatever_it_is_encoded_in(novels):
    for path in sorted((novels / "zh").glob("*.txt")):
        text = path.read_text("utf-8")
        for encoding in ("gb18030", "utf-16", "utf-16-le", "utf-16-be"):
            assert decode(text.encode(encoding)).text == text.removeprefix("\ufeff")
    for path in sorted((novels / "zh-hant").glob("*.txt")):
        data = path.read_bytes().decode("utf-8").encode("big5", "ignore")
        assert decode(data).text == data.decode("big5")
        assert decode(data[:-1]).tail_bytes <= 1


def test_latin1_english_is_not_taken_for_chinese(novels):
    found = decode((novels / "en" / "sherlock-holmes.latin1.txt").read_bytes())
    assert found.encoding == "latin-1"
    assert "château" in found.text or "café" in found.text or "é" in found.text


def test_korean_and_japanese_bytes_are_not_taken_for_chinese():
    korean = "그는 아무 말도 하지 않고 집을 나섰다. 나는 창밖을 바라보았다.\n" * 100
    japanese = "彼はその日、何も言わずに家を出た。私は黙って窓の外を見ていた。\n" * 100
    assert decode(korean.encode("euc-kr")).text == korean
    assert decode(japanese.encode("shift_jis")).text == japanese
