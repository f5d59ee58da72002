"""What cleaning changed can be looked at: the diff has all of it, and nothing else, in lines a person can read."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from novelray.corpus.clean import clean, difference
from novelray.corpus.clean.difference import _shown, _units

_HEADER = re.compile(r"@@ -(\d+),(\d+) \+(\d+),(\d+) @@")


def applied(before: str, diff: list[str]) -> list[str]:
    """The sentences of `before` as shown, after the diff was applied to them. Fails where it does not fit."""
    old, made, at = [_shown(unit) for unit in _units(before)], [], 0
    for line in diff[2:]:
        header = _HEADER.fullmatch(line)
        if header:
            start = int(header[1]) - 1
            made += old[at:start]
            at = start
            assert len(made) == int(header[3]) - 1
        elif line[0] == "+":
            made.append(line[1:])
        else:
            assert old[at] == line[1:]
            made += [line[1:]] if line[0] == " " else []
            at += 1
    return made + old[at:]


def shown(text: str) -> list[str]:
    return [_shown(unit) for unit in _units(text)]


def test_the_diff_of_equal_texts_is_empty():
    assert list(difference("他来了。", "他来了。", "b")) == []


def test_a_change_is_shown_with_its_sentence_and_the_ones_beside_it():
    before = "天亮了。\n他按装了门,走了。她没走。\n雨停了。\n夜深了。"
    assert list(difference(before, clean(before)[0], "夜雨")) == [
        "--- 夜雨 (before)", "+++ 夜雨 (after)", "@@ -1,3 +1,3 @@", " 天亮了。",
        "-他按装了门,走了。", "+他安装了门，走了。", " 她没走。",
    ]  # fmt: skip


def test_what_cannot_be_seen_is_written_out():
    before = "一\u200b二。\u3000\n三。"
    lines = list(difference(before, clean(before)[0], "b"))
    assert any("<U+200B>" in line for line in lines if line[0] == "-")
    assert any("<U+3000>" in line for line in lines if line[0] == "-")


@given(st.lists(st.sampled_from("一二。,！“”.\n "), max_size=40).map("".join),
       st.lists(st.sampled_from("一二。,！“”.\n "), max_size=40).map("".join))  # fmt: skip
def test_the_diff_leads_from_the_one_text_to_the_other(before, after):
    diff = list(difference(before, after, "b"))
    assert (applied(before, diff) if diff else shown(before)) == shown(after)


def test_the_diff_of_whole_novels_has_every_change(novels):
    for file in ("zh/红楼梦.txt", "zh-hant/儒林外史.txt", "en/time-machine.utf8.txt"):
        before = (novels / file).read_text("utf-8")
        after, _ = clean(before)
        assert applied(before, list(difference(before, after, file))) == shown(after)
