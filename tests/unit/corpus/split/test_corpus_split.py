"""What the splitter promises: the real chapters of real books, and every character in exactly one piece."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelray.corpus.clean import clean
from novelray.corpus.split.numbers import hanzi_value, hanzi_values, roman_value, western_value
from novelray.corpus.read import read_book
from novelray.corpus.split import split_book

BODY = "那一日天色将晚，众人各自散去，只有他一个人坐在灯下，翻看着旧日的书信，不觉已是三更。" * 12 + "\n\n"
PROSE = ("It was late when the carrier came down from the hill, and he had not a word to say to anyone. " * 12) + "\n\n"

REAL = {
    "zh/三国演义.txt": 120,
    "zh/红楼梦.txt": 120,
    "zh/西游记.txt": 100,
    "zh-hant/三俠五義.txt": 120,
    "zh-hant/三國志演義.txt": 120,
    "zh-hant/鏡花緣.txt": 100,
    "zh-hant/兒女英雄傳.txt": 41,  # forty, and the opening that the book calls 緣起首回
    "zh-hant/儒林外史.txt": 47,  # this file lacks chapters 2 to 11 and has chapter 21 twice
    "zh-hant/二刻拍案驚奇.txt": 40,  # the preface and 39 卷
    "zh-hant/二刻拍案惊奇.txt": 29,  # the preface and 28 卷; the file breaks off there
    "zh-hant/聊齋志異.txt": 12,
    "en/pride-and-prejudice.utf8.txt": 61,
    "en/pride-and-prejudice.edition10.txt": 61,
    "en/pride-and-prejudice.edition12.txt": 61,
    "en/war-of-the-worlds.utf8.txt": 27,
    "en/sherlock-holmes.latin1.txt": 12,
    "en/frankenstein.txt": 28,  # four letters and 24 chapters
    "en/frankenstein.edition14.txt": 28,
    "en/time-machine.utf8.txt": 17,  # sixteen and the epilogue
}


def _read(path):
    return clean(read_book(path.read_bytes(), path.stem).text)[0]


@pytest.mark.parametrize("name", REAL)
def test_real_books_have_their_chapters(novels, name):
    text = _read(novels / name)
    split = split_book(text, "title")
    assert len(split.chapters) == REAL[name]
    assert "".join(text[p.start : p.end] for p in split.pieces) == text
    assert split.confidence > 0.7


def test_the_errors_in_a_books_own_numbering_are_reported(novels):
    split = split_book(_read(novels / "zh-hant" / "儒林外史.txt"))
    assert "2 to 11 missing before 第十二回" in split.numbering
    assert "第二十一回 stands twice" in split.numbering
    assert split_book(_read(novels / "en" / "war-of-the-worlds.utf8.txt")).numbering == [
        "VI. stands where 4 is expected"
    ]
    assert split_book(_read(novels / "zh" / "三国演义.txt")).numbering == []


@pytest.mark.parametrize(
    ("headings", "body", "rule"),
    [
        ([f"第{n}章 标题" for n in "一二三四五"], BODY, "章 (line)"),
        ([f"第{n}章" for n in range(1, 6)], BODY, "章 (line)"),
        ([f"第{n}節" for n in "０１２３４"], BODY, "節 (line)"),
        ([f"卷{n}" for n in "一二三四五"], BODY, "卷N (line)"),
        ([f"Chapter {n}" for n in range(1, 6)], PROSE, "western (line)"),
        ([f"CHAPTER {n}." for n in ("I", "II", "III", "IV", "V")], PROSE, "western (line)"),
        ([f"Chapter {n}: The Way" for n in ("One", "Two", "Three", "Four", "Five")], PROSE, "western (line)"),
        ([f"Chapter the {n}" for n in ("First", "Second", "Third", "Fourth", "Fifth")], PROSE, "western (line)"),
        (["I", "II", "III", "IV", "V"], PROSE, "western (line)"),
        (["1", "2", "3", "4", "5"], PROSE, "number (line)"),
        (["一、", "二、", "三、", "四、", "五、"], BODY, "N (line)"),
        ([f"Part {n}" for n in range(1, 6)], PROSE, "volume (line)"),
    ],
)
def test_each_family_of_headings_is_found(headings, body, rule):
    split = split_book("".join(f"{h}\n\n{body}" for h in headings))
    assert split.rule == rule
    assert [p.title for p in split.chapters] == [h.strip() for h in headings]


def test_chapters_in_one_line_are_found_and_references_in_the_prose_are_not():
    body = BODY.strip()
    text = "".join(f"第{n}回{body}原来第九回书讲得他当日到此。" for n in "一二三四五六")
    split = split_book(text)
    assert split.rule == "回 (inline)"
    assert [p.title for p in split.chapters] == [f"第{n}回" for n in "一二三四五六"]


def test_a_table_of_contents_is_no_chapter():
    titles = [f"第{n}章 题目之{n}" for n in "一二三四五六"]
    text = "书名\n\n目录\n\n" + "\n".join(titles) + "\n\n" + "".join(f"{t}\n\n{BODY}" for t in titles)
    split = split_book(text)
    assert [p.title for p in split.chapters] == titles
    assert [p.kind for p in split.pieces[:3]] == ["front", "contents", "front"]


def test_prologue_and_epilogue_are_chapters_and_a_volumes_heading_goes_with_the_chapter_after_it():
    text = f"楔子\n\n{BODY}第一卷 春\n\n第一章 雨\n\n{BODY}第二章 雪\n\n{BODY}"
    text += f"第二卷 秋\n\n第一章 风\n\n{BODY}尾声\n\n{BODY}"
    split = split_book(text)
    assert [p.title for p in split.chapters] == ["楔子", "第一章 雨", "第二章 雪", "第一章 风", "尾声"]
    assert text[split.chapters[1].start :].startswith("第一卷 春")
    assert split.numbering == []


def test_a_heading_with_a_wrong_number_is_still_a_chapter_and_is_reported():
    numbers = ["一", "二", "五", "四", "五", "六"]
    split = split_book("".join(f"第{n}章\n\n{BODY}" for n in numbers))
    assert len(split.chapters) == 6
    assert split.numbering == ["第五章 stands where 3 is expected"]


def test_a_missing_chapter_is_reported():
    split = split_book("".join(f"第{n}章\n\n{BODY}" for n in "一二四五"))
    assert split.numbering == ["3 missing before 第四章"]


def test_prose_that_speaks_of_chapters_stays_one_piece():
    text = f"{BODY}他说这是第三章里写过的事，第一次，第二封信，第三个人。{BODY}"
    split = split_book(text, "无题")
    assert (split.rule, len(split.chapters), split.chapters[0].title) == ("none", 1, "无题")
    assert split_book("").pieces == []


def test_a_preface_is_kept_and_a_title_page_is_not():
    page, preface = "书名\n\n某某 著\n\n", BODY + BODY
    chapters = "".join(f"第{n}章\n\n{BODY}" for n in "一二三")
    assert [p.kind for p in split_book(page + chapters).pieces] == ["front", "chapter", "chapter", "chapter"]
    assert len(split_book(page + preface + chapters).chapters) == 4


LINES = st.sampled_from(
    [
        "第一章",
        "第二章 风",
        "第三回",
        "楔子",
        "Chapter 1",
        "II.",
        "3",
        "卷二",
        "\n",
        "他说：“去。”",
        BODY.strip(),
        PROSE.strip(),
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=30).map("\n".join))
def test_every_character_is_in_exactly_one_piece(text):
    pieces = split_book(text).pieces
    assert "".join(text[p.start : p.end] for p in pieces) == text
    assert all(p.start <= p.body <= p.end for p in pieces)


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
