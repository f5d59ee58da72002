"""Examples of changes: taken from the cleaner's own diff, each another kind of change."""

from __future__ import annotations

import time

from novelray.corpus.clean import clean
from novelray.corpus.clean.difference import difference
from novelray.corpus.report import shown_changes


def test_examples_show_the_changes_that_cleaning_made():
    before = "他说,走吧.\n" + "夜深了。\n" * 3 + "她问:谁?\n" + "灯还亮着。\n" + "门外--有人。\n"
    after, _ = clean(before)
    found = shown_changes(difference(before, after, "长夜"), "长夜")
    assert found
    assert all(example["book"] == "长夜" and example["before"] != example["after"] for example in found)
    assert any("他说," in example["before"] and "他说，" in example["after"] for example in found)


def test_each_example_is_another_change():
    before = "".join(f"第{i}个人说,好。\n第{i}天过去了。\n" for i in range(50)) + "谁?\n"
    after = before.replace(",", "，").replace("?", "？")
    assert len(shown_changes(difference(before, after, "b"), "b")) == 2


def test_changes_that_cannot_be_seen_are_no_examples():
    before = "夜深了。  \n\n\n\n灯还亮着。\u200b\n"
    assert shown_changes(difference(before, "夜深了。\n\n灯还亮着。\n", "b"), "b") == []


def test_equal_texts_have_no_examples():
    assert shown_changes(difference("夜深了。", "夜深了。", "b"), "b") == []


def test_one_line_of_a_million_characters_is_looked_at_quickly():
    before = "夜,深了" * 250_000
    start = time.perf_counter()
    found = shown_changes(difference(before, before.replace(",", "，"), "b"), "b")
    assert time.perf_counter() - start < 5
    assert all(len(example["before"]) <= 300 for example in found)
