"""How hard a chapter is to read: longer sentences and more varied words, compared within a language."""

import numpy as np
import pytest

from novelray.corpus.quality.readability import Readability, difficulties, readability

PLAIN_ZH = "他来了。她走了。他又来了。" * 40
LONG_ZH = "他来了，她走了，他又来了，" * 40 + "。"
RICH_ZH = "".join(chr(0x4E00 + 7 * i) + ("。" if i % 4 == 3 else "") for i in range(480))


def test_longer_sentences_and_more_different_characters_are_harder():
    plain, long, rich = (readability(text, "zh") for text in (PLAIN_ZH, LONG_ZH, RICH_ZH))
    assert long.sentence > plain.sentence
    assert long.variety == pytest.approx(plain.variety, abs=0.01)
    assert rich.variety > plain.variety
    easiest = difficulties([plain, long, rich])
    assert easiest[0] < min(easiest[1:])


def test_variety_does_not_depend_on_how_long_a_chapter_is():
    once, often = readability(RICH_ZH[:260] * 2, "zh"), readability(RICH_ZH[:260] * 40, "zh")
    assert once.variety == pytest.approx(often.variety, abs=0.02)


def test_english_is_counted_in_words():
    assert readability("The cat sat. The cat sat. The cat sat.", "en").variety == pytest.approx(3 / 9)


def test_chapters_are_compared_with_those_of_their_language():
    found = difficulties([Readability("zh", 2.0, 0.5), Readability("zh", 3.0, 0.6), Readability("en", 4.0, 0.7),
                          Readability("en", 5.0, 0.8)])  # fmt: skip
    assert found == pytest.approx([-1, 1, -1, 1])


@pytest.mark.parametrize("text", ["", "。。。", "\n\n"])
def test_a_text_without_letters_has_finite_measures(text):
    assert np.isfinite(difficulties([readability(text, "zh"), readability(PLAIN_ZH, "zh")])).all()
    assert difficulties([]) == []
