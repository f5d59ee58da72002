"""Reordering: the same paragraphs, dialogue together, nothing moves far, and the seed decides."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelray.corpus.augment.paragraphs import blocks, has_blank_lines, is_speech, join_paragraphs, split_paragraphs
from novelray.corpus.augment.reorder import reorder

PARAGRAPHS = [
    "“你去哪里？”少年问道。", "「不去。」她說。", "玄德曰：吾自有主張。", "——走吧。", "雨停了。", "山路很长。",
    "他没有回头。", "于是众人散去。", "灯亮着，", "远处有狗叫。", "次日天晴。",
]  # fmt: skip
texts = st.lists(st.sampled_from(PARAGRAPHS), max_size=14)
ENGLISH = (
    "The road was long and wet,\nand nobody spoke.\n\n“Where are you going?”\nhe asked.\n\n“Home,” she said.\n\n"
    "The gate stood open.\n\nA dog barked twice\nin the yard.\n\nRain fell again.\n\nHe closed the book.\n\nSmoke rose."
)


def numbered(chosen):
    """Every paragraph once only, so that its way can be followed."""
    return [f"{text[:-1]}{i}{text[-1]}" if text[-1] in "。，" else f"{text}{i}。" for i, text in enumerate(chosen)]


@given(st.text(st.sampled_from("一二 \n\u3000\t"), max_size=60), st.booleans())
def test_a_text_is_its_paragraphs_and_what_stands_between_them(text, blank):
    assert join_paragraphs(*split_paragraphs(text, blank)) == text


@given(texts, st.integers(1, 5), st.integers(0, 99))
def test_the_paragraphs_of_a_scene_are_the_same_in_another_order(chosen, distance, seed):
    before = numbered(chosen)
    (after,) = reorder(["\n".join(before)], False, distance, random.Random(seed))
    lines = after.split("\n") if before else []
    assert sorted(lines) == sorted(before)
    assert lines[:1] == before[:1]
    assert lines[-1:] == before[-1:]


@given(texts, st.integers(1, 5), st.integers(0, 99))
def test_dialogue_and_what_refers_back_stay_with_what_they_follow(chosen, distance, seed):
    before = numbered(chosen)
    (after,) = reorder(["\n".join(before)], False, distance, random.Random(seed))
    place = {line: at for at, line in enumerate(after.split("\n"))}
    for first, second in pairwise(before):
        together = is_speech(first) and is_speech(second)
        if together or second.startswith(("他", "于是", "次日")) or first.endswith("，"):
            assert place[second] == place[first] + 1


@given(texts, st.integers(1, 5), st.integers(0, 99))
def test_no_block_moves_farther_than_the_distance(chosen, distance, seed):
    before = numbered(chosen)
    groups = ["\n".join(before[i] for i in group) for group in blocks(before)]
    (after,) = reorder(["\n".join(before)], False, distance, random.Random(seed))
    moved = sorted(groups, key=after.index)
    assert all(abs(moved.index(group) - at) <= distance for at, group in enumerate(groups))


def test_the_seed_decides_and_where_something_can_move_something_does():
    scene = "\n".join(numbered(["雨停了。", "山路很长。", "远处有狗叫。", "雨停了。", "山路很长。"]))
    made = [reorder([scene], False, 3, random.Random(seed))[0] for seed in range(40)]
    assert made == [reorder([scene], False, 3, random.Random(seed))[0] for seed in range(40)]
    assert scene not in made
    assert len(set(made)) > 3


def test_paragraphs_do_not_leave_their_scene():
    scenes = ["".join(f"{name}{i}。\n" for i in range(8)) for name in ("甲", "乙")]
    first, second = reorder(scenes, False, 3, random.Random(1))
    assert set(re.findall(r"[甲乙]", first)) == {"甲"}
    assert set(re.findall(r"[甲乙]", second)) == {"乙"}
    assert (first, second) != tuple(scenes)


def test_in_a_text_with_blank_lines_a_paragraph_keeps_its_lines():
    assert has_blank_lines(ENGLISH)
    (after,) = reorder([ENGLISH], True, 2, random.Random(3))
    assert after != ENGLISH
    assert sorted(after.split("\n\n")) == sorted(ENGLISH.split("\n\n"))
    assert "“Where are you going?”\nhe asked.\n\n“Home,” she said." in after


@pytest.mark.novels
def test_real_novels_keep_every_character_and_every_conversation(novels):
    text = (novels / "zh" / "红楼梦.txt").read_text("utf-8").replace("\r\n", "\n")[200_000:320_000]
    paragraphs = split_paragraphs(text, has_blank_lines(text))[0]
    (after,) = reorder([text], has_blank_lines(text), 3, random.Random(1))
    assert after != text
    assert sorted(after) == sorted(text)
    talk = [(a, b) for a, b in pairwise(paragraphs) if is_speech(a) and is_speech(b)]
    assert len(talk) > 20
    assert all(re.search(rf"{re.escape(a)}\s+{re.escape(b)}", after) for a, b in talk[:40])
