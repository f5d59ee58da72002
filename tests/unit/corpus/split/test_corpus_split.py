"""What the splitter promises: the real chapters of real books, and every character in exactly one piece."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelray.corpus.split import scenes, split_book
from novelray.corpus.split.numbers import hanzi_value, hanzi_values, roman_value, western_value

BODY = "那一日天色将晚，众人各自散去，只有他一个人坐在灯下，翻看着旧日的书信，不觉已是三更。" * 12 + "\n\n"
PROSE = ("It was late when the carrier came down from the hill, and he had not a word to say to anyone. " * 12) + "\n\n"
HAN = "一二三四五六七八九十"
ROMAN = ("I", "II", "III", "IV", "V")


def titles(text):
    return [p.title for p in split_book(text).chapters]


@pytest.mark.parametrize(
    ("headings", "body", "rule"),
    [
        ([f"第{n}章 标题" for n in HAN], BODY, "章 (line)"),
        ([f"第{n}章" for n in range(1, 6)], BODY, "章 (line)"),
        ([f"第{n:03}章 风起" for n in range(1, 6)], BODY, "章 (line)"),
        ([f"正文 第{n}章 雨" for n in HAN], BODY, "章 (line)"),
        ([f"【第{n}章】雨夜" for n in HAN], BODY, "章 (line)"),
        ([f"☆、第{n}章 雨" for n in HAN], BODY, "章 (line)"),
        ([f"　　第 {n} 章 雨" for n in HAN], BODY, "章 (line)"),
        ([f"第{n}話" for n in HAN], BODY, "話 (line)"),
        ([f"第{n}節" for n in "０１２３４"], BODY, "節 (line)"),
        ([f"卷{n}" for n in HAN], BODY, "卷N (line)"),
        ([f"第{n}卷" for n in HAN], BODY, "卷 (line)"),
        ([f"Chapter {n}" for n in range(1, 6)], PROSE, "western (line)"),
        ([f"CHAPTER {n}." for n in ROMAN], PROSE, "western (line)"),
        ([f"CHAPTER {n}" for n in ("ONE", "TWO", "THREE", "FOUR", "FIVE")], PROSE, "western (line)"),
        ([f"Chapter {n}: The Way" for n in ("One", "Two", "Three", "Four", "Five")], PROSE, "western (line)"),
        ([f"Chapter the {n}" for n in ("First", "Second", "Third", "Fourth", "Fifth")], PROSE, "western (line)"),
        ([f"{n}. The Way" for n in ROMAN], PROSE, "western (line)"),
        (ROMAN, PROSE, "western (line)"),
        ([f"{n}." for n in ROMAN], PROSE, "western (line)"),
        (["1", "2", "3", "4", "5"], PROSE, "number (line)"),
        (["1.", "2.", "3.", "4.", "5."], PROSE, "number (line)"),
        (["1、春雨", "2、夏风", "3、秋月", "4、冬雪", "5、又一年"], BODY, "number (line)"),
        (["一、", "二、", "三、", "四、", "五、"], BODY, "N (line)"),
        (["一、春雨", "二、夏风", "三、秋月", "四、冬雪"], BODY, "N (line)"),
        (["（一）", "（二）", "（三）", "（四）"], BODY, "N (line)"),
        ([f"Part {n}" for n in range(1, 6)], PROSE, "volume (line)"),
    ],
)
def test_each_family_of_headings_is_found(headings, body, rule):
    split = split_book("".join(f"{h}\n\n{body}" for h in headings))
    assert split.rule == rule
    assert len(split.chapters) == len(headings)
    assert split.numbering == []
    assert split.confidence > 0.6
    for piece, heading in zip(split.chapters, headings, strict=True):
        assert re.sub(r"\W", "", heading.removeprefix("正文")) == re.sub(r"\W", "", piece.title)


def test_one_heading_for_two_chapters_and_one_chapter_in_two_parts_are_no_errors():
    headings = ["第1章", "第2-3章 双城", "第4章", "第5、6章", "第七章（上）", "第七章（下）", "第八章"]
    split = split_book("".join(f"{h}\n\n{BODY}" for h in headings))
    assert [p.title for p in split.chapters] == headings
    assert split.numbering == []


def test_chapters_in_one_line_are_found_and_references_in_the_prose_are_not():
    body = BODY.strip()
    text = "".join(f"第{n}回{body}原来第九回书讲得他当日到此。" for n in "一二三四五六")
    split = split_book(text)
    assert split.rule == "回 (inline)"
    assert [p.title for p in split.chapters] == [f"第{n}回" for n in "一二三四五六"]


def test_the_couplet_after_an_inline_mark_is_the_chapters_title():
    text = "".join(f"第{n}回风雪夜归人独坐江楼听雨声渐远话说{BODY.strip()}" for n in "一二三四五六")
    split = split_book(text)
    assert [p.title for p in split.chapters] == [f"第{n}回 风雪夜归人独坐江楼听雨声渐远" for n in "一二三四五六"]
    assert all(text[p.body :].startswith("话说") for p in split.chapters)


def test_english_chapters_in_one_line_are_found():
    text = " ".join(f"Chapter {n}. {PROSE.strip()}" for n in range(1, 7))
    split = split_book(text)
    assert (split.rule, len(split.chapters)) == ("western (inline)", 6)


def test_a_chapters_title_in_the_line_below_its_number_is_its_title_where_that_is_the_books_habit():
    names = ["THE EVE OF THE WAR", "THE FALLING STAR", "ON THE COMMON", "AT THE WINDOW"]
    text = "".join(f"{n}.\n\n{name}\n\n{PROSE}" for n, name in zip(ROMAN, names, strict=False))
    assert titles(text) == [f"{n}. {name}" for n, name in zip(ROMAN, names, strict=False)]
    once = f"I.\n\nTHE EVE\n\n{PROSE}II.\n\n{PROSE}III.\n\n{PROSE}IV.\n\n{PROSE}"
    assert titles(once) == ["I.", "II.", "III.", "IV."]
    chinese = "".join(f"第{n}章\n\n灯下的旧信\n\n{BODY}" for n in HAN)
    assert titles(chinese) == [f"第{n}章 灯下的旧信" for n in HAN]


def test_sections_of_a_chapter_are_no_chapters():
    text = "".join(
        f"第{n}章 风\n\n" + "".join(f"第{m}节\n\n{BODY}" for m in "一二三四五") for n in "一二三四五六七八九十"
    )
    split = split_book(text)
    assert (split.rule, len(split.chapters)) == ("章 (line)", 10)
    romans = "".join(f"Chapter {n}\n\n" + "".join(f"{m}\n\n{PROSE}" for m in ROMAN) for n in range(1, 9))
    assert titles(romans) == [f"Chapter {n}" for n in range(1, 9)]


def test_prose_that_speaks_of_chapters_stays_one_piece():
    text = f"{BODY}他说这是第三章里写过的事，第一次，第二封信，第三个人。{BODY}"
    split = split_book(text, "无题")
    assert (split.rule, len(split.chapters), split.chapters[0].title) == ("none", 1, "无题")
    assert split_book("").pieces == []


def test_titles_that_a_table_of_contents_lists_are_chapters_without_numbers():
    names = ["The Red Room", "A Slip", "The Cone", "The Moth"]
    text = "Tales\n\nContents\n\n" + "\n".join(f"{name} ..... {9 * i}" for i, name in enumerate(names, 1)) + "\n\n"
    text += "".join(f"{name}\n\n{PROSE}{PROSE}" for name in names)
    split = split_book(text)
    assert (split.rule, [p.title for p in split.chapters]) == ("listed (line)", names)
    assert split.numbering == []
    lost = split_book(text.replace(f"The Moth\n\n{PROSE}", PROSE))
    assert lost.numbering == ["the contents list “The Moth ..... 36”, which the text lacks"]


def test_titles_in_capitals_are_chapters_only_where_they_cut_a_book_evenly():
    names = ["THE RED ROOM", "A SLIP UNDER THE GLASS", "THE CONE", "THE MOTH", "POLLOCK"]
    text = "".join(f"{name}\n\n{PROSE * 3}" for name in names)
    assert titles("\n\n" + text) == names
    signs = PROSE * 40 + "NO ENTRY\n\n" + PROSE + "KEEP OUT\n\n" + PROSE + "DANGER\n\n" + PROSE * 50
    assert split_book(signs).rule == "none"


LINES = st.sampled_from(
    [
        "第一章",
        "第二章 风",
        "第三回",
        "第三回",
        "楔子",
        "后记",
        "Chapter 1",
        "Chapter 2",
        "II.",
        "3",
        "卷二",
        "第二卷 第一章 雪",
        "\n",
        "\n\n",
        "\n\n\n\n",
        "目录",
        "Contents",
        "* * *",
        "THE END",
        "（完）",
        "上架感言",
        "BOOK TWO",
        "THE RED ROOM",
        "\ue0002第四章",
        "\ue0001Part I",
        "\ue0002Ash",
        "\ue000",
        "Transcriber's Note: nothing",
        "他说：“去。”",
        "次日，" + BODY.strip(),
        BODY.strip(),
        PROSE.strip(),
        "第三章",
        "卷一 第三章 雪",
        "第一卷第2章",
        "上部 第一章",
        "[卷二]第1章",
        "Vol. 1 Ch. 2: Home",
        "Book II, Chapter 3",
        "Side Story 1",
        "第五回" + BODY.strip() + "第六回" + BODY.strip(),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=40).map("\n".join))
def test_every_character_is_in_exactly_one_piece_and_one_scene(text):
    pieces = split_book(text).pieces
    assert "".join(text[p.start : p.end] for p in pieces) == text
    assert all(p.start <= p.body <= p.end and p.start < p.end for p in pieces)
    starts = scenes(text)
    assert starts == sorted(set(starts))
    assert starts[0] == 0
    assert starts[-1] < len(text) or starts == [0]


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("第一二章回卷\n 。.IVX1*\u3000\ue0002CChapter"), max_size=300))
def test_no_text_breaks_the_splitter(text):
    assert "".join(text[p.start : p.end] for p in split_book(text).pieces) == text
    assert scenes(text)[0] == 0


def test_numbers_are_read_as_books_write_them():
    cases = {
        "一百二十": 120,
        "一百十": 110,
        "一百一": 101,
        "一百零五": 105,
        "一二零": 120,
        "十": 10,
        "廿三": 23,
        "１２": 12,
    }
    assert {text: hanzi_value(text) for text in cases} == cases
    assert set(hanzi_values("一二")) >= {12, 102, 120}
    assert hanzi_values("十二") == (12,)
    assert (roman_value("XIV"), roman_value("IIII"), roman_value("XCIX")) == (14, None, 99)
    assert [western_value(t) for t in ("12", "xii", "twelve", "Twenty-First", "book")] == [12, 12, 12, 21, None]
