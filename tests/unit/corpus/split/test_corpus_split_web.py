"""The shapes that web novels come in: volumes and chapters in one line, contents, headings that stand again."""

from __future__ import annotations

import pytest

from novelray.corpus.split import split_book

BODY = "那一日天色将晚，众人各自散去，只有他一个人坐在灯下，翻看着旧日的书信，不觉已是三更。" * 12 + "\n\n"
PROSE = ("It was late when the carrier came down from the hill, and he had not a word to say to anyone. " * 12) + "\n\n"
VOLUMES, CHAPTERS = 3, 4  # of each book here


def book(headings, body=BODY):
    return split_book("".join(f"{heading}\n\n{body}" for heading in headings))


def numbers(goes_on):
    """(volume, chapter) as they stand in headings; chapters go on through the volumes or begin anew in each."""
    return [(v + 1, c + 1 + (v * CHAPTERS if goes_on else 0)) for v in range(VOLUMES) for c in range(CHAPTERS)]


@pytest.mark.parametrize("goes_on", [False, True])
@pytest.mark.parametrize(
    ("shape", "volume", "title"),
    [
        ("第{v}卷 少年 第{c}章 雪", "第{v}卷 少年", "第{c}章 雪"),
        ("第{v}卷第{c}章 雪", "第{v}卷", "第{c}章 雪"),
        ("第{v}卷·第{c}章 雪", "第{v}卷", "第{c}章 雪"),
        ("第{v}部、第{c}章", "第{v}部", "第{c}章"),
        ("卷{v} 第{c}章 雪", "卷{v}", "第{c}章 雪"),
        ("卷{v}第{c}章 雪", "卷{v}", "第{c}章 雪"),
        ("卷{v}：江湖夜雨 第{c}回", "卷{v}：江湖夜雨", "第{c}回"),
        ("[卷{v}]第{c}章 雪", "卷{v}", "第{c}章 雪"),
        ("【第{v}卷】第{c}章 雪", "第{v}卷", "第{c}章 雪"),
    ],
)
def test_a_chinese_volume_in_its_chapters_line_is_its_volume(shape, volume, title, goes_on):
    split = book(shape.format(v=v, c=c) for v, c in numbers(goes_on))
    assert [(p.volume, p.title) for p in split.chapters] == [
        (volume.format(v=v), title.format(c=c)) for v, c in numbers(goes_on)
    ]
    assert split.numbering == []


@pytest.mark.parametrize("goes_on", [False, True])
@pytest.mark.parametrize(
    ("shape", "volume", "title"),
    [
        ("Volume {v} Chapter {c}: The Way Home", "Volume {v}", "Chapter {c}: The Way Home"),
        ("Vol. {v} Ch. {c} - The Way Home", "Vol. {v}", "Ch. {c} - The Way Home"),
        ("BOOK {v}, CHAPTER {c}", "BOOK {v}", "CHAPTER {c}"),
        ("Part {v} — Chapter {c}", "Part {v}", "Chapter {c}"),
    ],
)
def test_an_english_volume_in_its_chapters_line_is_its_volume(shape, volume, title, goes_on):
    split = book((shape.format(v=v, c=c) for v, c in numbers(goes_on)), PROSE)
    assert [(p.volume, p.title) for p in split.chapters] == [
        (volume.format(v=v), title.format(c=c)) for v, c in numbers(goes_on)
    ]
    assert split.numbering == []


def test_the_halves_of_a_book_in_its_chapters_lines_are_volumes():
    for shape in ("{half}部 第{n}章 雪", "{half}部第{n}章 雪", "{half}卷：第{n}章 雪"):
        split = book(shape.format(half=half, n=n) for half in "上下" for n in "一二三四")
        assert [p.title for p in split.chapters] == [f"第{n}章 雪" for n in "一二三四"] * 2
        assert [p.volume[0] for p in split.chapters] == list("上上上上下下下下")


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ("正文卷 第{n}章 雪", BODY),
        ("正文 第{n}章 雪", BODY),
        ("第{n}章：雪", BODY),
        ("第{n}章、雪", BODY),
        ("第{n}章 什么？竟然是他！", BODY),
        ("第{n}章 雪（求月票）", BODY),
        ("第{n}囘 雪", BODY),
        ("{n}.雪夜", BODY),
        ("{n} 雪夜", BODY),
        ("{n:03} 雪夜", BODY),
        ("{n}、雪夜", BODY),
        ("Chapter {n} 雪夜", BODY),
        ("Chapter.{n} 雪夜", BODY),
        ("Chapter {n}: The Way Home", PROSE),
        ("Chapter {n} - The Way Home", PROSE),
        ("Chapter{n}", PROSE),
        ("chapter {n}", PROSE),
        ("Ch {n}", PROSE),
        ("Ch. {n}: The Way Home", PROSE),
        ("{n}: The Way Home", PROSE),
        ("{n} - The Way Home", PROSE),
        ("**Chapter {n}**", PROSE),
        ("Episode {n}: The Way Home", PROSE),
    ],
)
def test_headings_of_web_novels_are_found(shape, body):
    split = book((shape.format(n=n) for n in range(1, 13)), body)
    assert len(split.chapters) == len(split.pieces) == 12
    assert split.numbering == []
    assert split.confidence > 0.75


def test_contents_with_volumes_at_the_head_are_one_piece_and_no_chapters():
    listed = "目录\n"
    story = ""
    for volume in ("第一卷 春", "第二卷 夏"):
        titles = [f"第{n}章 {volume[-1]}之{n}" for n in "一二三四"]
        listed += "\n".join([volume, *titles, ""])
        story += f"{volume}\n\n" + "".join(f"{title}\n\n{BODY}" for title in titles)
    split = split_book(f"书名\n作者：某某\n\n{listed}\n{story}")
    assert [p.kind for p in split.pieces] == ["front", "contents"] + ["chapter"] * 8
    assert [p.volume for p in split.chapters] == ["第一卷 春"] * 4 + ["第二卷 夏"] * 4
    assert split.numbering == []


@pytest.mark.parametrize("again", ["第{n}章 雪", "　　第{n}章", "第{n}章 雪\n\n第{n}章 雪"])
def test_a_heading_that_stands_again_below_itself_makes_no_second_chapter(again):
    split = book(f"第{n}章 雪\n\n{again.format(n=n)}" for n in range(1, 9))
    assert len(split.chapters) == len(split.pieces) == 8
    assert all(p.end - p.body >= len(BODY) for p in split.chapters)
    assert split.numbering


def test_a_file_that_is_a_later_part_of_a_serial_is_split_as_surely():
    for first in (21, 199, 995):
        split = book(f"第{n}章 雪" for n in range(first, first + 15))
        assert len(split.chapters) == 15
        assert split.numbering == [f"the numbering begins at {first}"]
        assert 0.7 < split.confidence < 1.0


@pytest.mark.parametrize("extra", ["Side Story 1: Home", "Bonus Chapter", "Extra Chapter 2", "Epilogue 2"])
def test_english_extra_chapters_are_story(extra):
    split = book([*(f"Chapter {n}" for n in range(1, 5)), extra, "Afterword"], PROSE)
    assert [p.title for p in split.chapters] == [*(f"Chapter {n}" for n in range(1, 5)), extra]
    assert split.pieces[-1].kind == "notes"


@pytest.mark.parametrize(
    "line",
    [
        "chapter of accidents",
        "Charles 12 was a king.",
        "Ch. of the regiment",
        "Volume 1 was chapter and verse of it.",
        "Extra chapters were not what he wanted.",
        "第一卷书他看完了，第三章却没有看。",
    ],
)
def test_prose_that_begins_like_such_a_heading_is_prose(line):
    split = book(["第一章", f"第二章\n\n{BODY}{line}\n\n", "第三章"])
    assert [p.title for p in split.chapters] == ["第一章", "第二章", "第三章"]
    assert [p.volume for p in split.chapters] == ["", "", ""]
