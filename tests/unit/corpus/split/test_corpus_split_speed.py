"""No text is slow to split: a book that is one line, and texts made of what the rules look for."""

from __future__ import annotations

import time

import pytest

from novelray.corpus.split import scenes, split_book

LINE = "那一日天色将晚，众人各自散去，只有他一个人坐在灯下。"
SENTENCE = "It was late when the carrier came down from the hill, and he had not a word to say to anyone. "
SECONDS = 10.0  # of processor time; each takes less than four


def within_reason(text):
    started = time.process_time()
    split = split_book(text, "x")
    scenes(text)
    assert time.process_time() - started < SECONDS
    return split


@pytest.mark.slow
def test_a_line_of_20_megabytes_is_split():
    book = "".join(f"第{n}回{LINE * 260}" for n in range(1, 1001))
    assert len(book.encode()) > 20e6
    assert len(within_reason(book).chapters) == 1000
    assert within_reason(LINE * 270_000).rule == "none"
    assert within_reason(SENTENCE * 210_000).rule == "none"


@pytest.mark.parametrize(
    "text",
    [
        "第一回" * 500_000,
        "卷之一" * 500_000,
        "一" * 1_500_000,
        "第" * 1_500_000,
        "I" * 1_500_000,
        "*" * 1_500_000,
        " " * 1_500_000,
        "\n" * 1_000_000,
        (" " * 999 + "\n") * 1_500,
        "【" * 1_500_000,
        "* * *\n" * 200_000,
        "\ue0002A\n" * 200_000,
        "\n".join(map(str, range(100_000))),
        "\n".join(f"Chapter {n % 60 + 1}" for n in range(45_000)),
        "I.\n" * 200_000,
        (LINE + "\n") * 3 + "\n" * 500_000 + LINE,
    ],
    ids=lambda text: f"{text[:6]!r}",
)
def test_texts_of_nothing_but_marks_take_no_longer(text):
    within_reason(text)
