"""Scenes: the breaks a book shows, then words of time and place, in order and never cut to shreds."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

import pytest

from novelray.corpus.split import scenes, split_book

LINE = "那一日天色将晚，众人各自散去，只有他一个人坐在灯下，翻看着旧日的书信，不觉已是三更。"
BODY = "\n\n".join([LINE * 3] * 5)
SENTENCE = "It was late when the carrier came down from the hill, and he had not a word to say to anyone. "
PROSE = "\n\n".join([SENTENCE * 4] * 5)


def parts(text):
    starts = [*scenes(text), len(text)]
    assert "".join(text[a:b] for a, b in pairwise(starts)) == text
    return [text[a:b] for a, b in pairwise(starts)]


@pytest.mark.parametrize(
    "sign",
    [
        "* * *",
        "***",
        "*",
        "＊＊＊",
        "＊　＊　＊",
        "———",
        "-----",
        "◇◇◇",
        "※",
        "☆★☆",
        "=====",
        "~~~~~",
        "#",
        "·····",
        "　　　　***",
        "………………",
    ],
)
def test_a_line_of_ornament_ends_a_scene(sign):
    found = parts(f"第一章\n\n{BODY}\n\n{sign}\n\n{BODY}\n\n{sign}\n\n{BODY}")
    assert len(found) == 3
    assert all(part.startswith(LINE[:5]) for part in found[1:])
    assert found[0].rstrip().endswith(sign.strip("\u3000"))


@pytest.mark.parametrize("line", ["……", "“……”", "——", "-", "...", "*他走了*", "* 他走了", "- 去", "12"])
def test_a_silence_a_dash_or_a_list_is_no_break(line):
    assert len(parts(f"{BODY}\n\n{line}\n\n{BODY}")) == 1


def test_a_wide_gap_ends_a_scene_where_it_is_not_the_usual_one():
    lines = "\n".join([LINE] * 15)
    assert len(parts(f"{lines}\n\n{lines}\n\n{lines}")) == 3
    assert len(parts("\n\n".join([LINE] * 45))) == 1
    assert len(parts(f"{PROSE}\n\n\n\n{PROSE}\n\n{PROSE}")) == 2
    wrapped = PROSE.replace(" from the", "\nfrom the").replace(" to say", "\nto say")
    assert len(parts(f"{wrapped}\n\n{wrapped}")) == 1


@pytest.mark.parametrize(
    "numbers", [("1", "2", "3"), ("I.", "II.", "III."), ("一", "二", "三"), ("（一）", "（二）", "（三）")]
)
def test_numbered_sections_are_scenes(numbers):
    found = parts("\n\n".join(f"{number}\n\n{BODY}" for number in ("开头", *numbers)))
    assert [part.split("\n")[0] for part in found] == ["开头", *numbers]
    assert len(parts(f"{BODY}\n\n1914\n\n{BODY}\n\n7\n\n{BODY}")) == 1


@pytest.mark.parametrize(
    "cue",
    [
        "次日",
        "次日清晨，",
        "翌日",
        "第二天，",
        "却说曹操",
        "且说宝玉",
        "卻說玄德",
        "話說",
        "话分两头，",
        "三年后，",
        "过了几日，",
        "數月之後，",
        "半个月后",
        "一日，",
        "是夜，",
        "当晚，",
        "黄昏时分，",
        "与此同时，",
        "另一边，",
        "转眼间",
        "几个小时之后",
    ],
)
def test_words_of_time_and_place_begin_a_scene_in_chinese(cue):
    found = parts(f"{BODY}\n\n{cue}{LINE}\n\n{BODY}")
    assert len(found) == 2
    assert found[1].startswith(cue)


@pytest.mark.parametrize(
    "cue",
    [
        "The next morning",
        "Next day",
        "On the following evening",
        "Meanwhile",
        "In the meantime",
        "Three days later",
        "A few weeks afterwards",
        "Two years had passed",
        "After a week",
        "That night, ",
        "That same evening, ",
        "On Monday",
        "At dawn, ",
        "One evening, ",
        "Early in the morning",
        "The morning after",
    ],
)
def test_words_of_time_and_place_begin_a_scene_in_english(cue):
    found = parts(f"{PROSE}\n\n{cue} {SENTENCE}\n\n{PROSE}")
    assert len(found) == 2
    assert found[1].startswith(cue)


def test_the_same_words_inside_a_paragraph_or_in_dialogue_begin_nothing():
    assert len(parts(f"{BODY}\n\n“次日再说。”他道。次日他果然来了。\n\n他次日又来。\n\n{BODY}")) == 1
    assert len(parts(f"{BODY}\n\n再说了，我也不想去。\n\n第三天的事不提。\n\n{BODY}")) == 1
    assert len(parts(f"{PROSE}\n\n“Meanwhile we wait,” he said. Meanwhile it rained.\n\nDayton\n\n{PROSE}")) == 1


def test_a_line_that_was_broken_amid_a_paragraph_begins_nothing():
    wrapped = PROSE.replace("down from", "down\nfrom").replace("a word", "a\nword")
    assert len(parts(f"{wrapped}\n\nIt rained and\nMeanwhile the carrier slept.\n\n{wrapped}")) == 1


def test_scenes_that_only_words_announce_keep_a_least_length():
    assert len(parts(f"次日，{LINE}\n\n次日，{LINE}\n\n次日，{LINE}\n\n次日，{LINE}")) == 1
    found = parts("\n\n".join([f"次日，{LINE * 2}"] * 60))
    assert 5 <= len(found) <= 14
    assert min(map(len, found)) >= 400


def test_a_book_without_line_breaks_has_scenes_too():
    found = parts((LINE * 60) + "且說" + (LINE * 60) + "卻說" + (LINE * 60))
    assert [part[:2] for part in found[1:]] == ["且說", "卻說"]


def test_a_break_at_a_chapters_edge_makes_no_empty_scene():
    assert len(parts(f"第一章\n\n* * *\n\n{BODY}\n\n* * *\n")) == 1
    assert len(parts(f"{BODY}\n\n* * *\n\n* * *\n\n{BODY}")) == 2
    assert scenes("") == [0]


@pytest.mark.novels
def test_the_scenes_of_real_novels_are_few_and_long(novels):
    from novelray.corpus.read import read_book

    for name, least, most in (
        ("zh/三国演义", 3, 5),
        ("zh/红楼梦", 1, 4),
        ("zh-hant/鏡花緣", 1, 3),
        ("en/time-machine.utf8", 1, 3),
    ):
        text = read_book((novels / f"{name}.txt").read_bytes(), name).text
        found = [scenes(text[p.start : p.end]) for p in split_book(text).chapters]
        assert least <= median(map(len, found)) <= most, name
        assert max(map(len, found)) <= 12, name
