"""What is measured of a book: per chapter and book, in bounded memory, and None where nothing is known."""

from __future__ import annotations

import sys
import time
import tracemalloc

import pytest

from novelray.corpus.book import Chapter
from novelray.corpus.quality import measure
from novelray.corpus.quality.features import SEGMENTS, curve, features, joined
from novelray.corpus.quality.genre import genre_of
from novelray.corpus.read import BookMeta
from novelray.recipe.quality import QualitySection

SECTION = QualitySection()
MEGABYTE = 1e6


def chapter(index, text, language="zh"):
    return Chapter(f"a:{index:05d}", "book", "", "", "", f"第{index}章", index, text, language, "")


def chapters(count):
    """Chapters of about 150 characters, no two alike."""
    return [
        chapter(n, f"他在山中走了许久，心想{chr(0x4E00 + n % 9999)}{chr(0x4E00 + n * 7 % 9999)}为何不来。" * 8)
        for n in range(count)
    ]


def peak(book):
    tracemalloc.start()
    try:
        found = measure(book, BookMeta(), SECTION)
        return tracemalloc.get_traced_memory()[1], found
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_a_book_of_ten_thousand_chapters_is_measured_chapter_by_chapter():
    found = measure(chapters(10_000), BookMeta(), SECTION)
    assert [c.chapter_id for c in found.chapters] == [f"a:{n:05d}" for n in range(10_000)]
    assert found.arc is not None
    assert 0 <= found.arc.total <= 1
    assert found.style_distance is not None
    assert 0 <= found.style_distance <= 1


def test_ten_times_the_chapters_do_not_need_twice_the_memory(monkeypatch):
    monkeypatch.setattr(sys.modules[measure.__module__], "MOST", 64)
    few, many = peak(chapters(64))[0], peak(chapters(640))[0]
    assert many < 2 * few


@pytest.mark.parametrize(
    ("text", "language"), [("他走了。心想不对。", "zh"), ("He walked on. ", "en"), ("Il marchait. ", "fr")]
)
def test_a_chapter_of_millions_of_characters_needs_few_bytes_for_each(text, language):
    book = [chapter(0, text * (2_000_000 // len(text)), language)]
    used, found = peak(book)
    assert used < 4 * 2_000_000 + 12 * MEGABYTE
    assert (found.arc is None) == (language == "fr")


@pytest.mark.parametrize("language", ["fr", "ja", "und"])
def test_a_language_without_word_lists_gives_none_and_no_made_up_number(language):
    found = measure(
        [chapter(n, f"Il marchait dans la rue numéro {n}. " * 30, language) for n in range(10)], BookMeta(), SECTION
    )
    assert found.arc is None
    assert found.perspective == ""
    assert found.perspectives == {}
    assert found.genre.name == ""
    assert all(
        c.arc is None and c.setup is None and c.resolution is None and c.perspective == "" for c in found.chapters
    )
    assert found.style_distance is not None, "style needs no word lists"


def test_every_chapter_has_its_own_numbers():
    found = measure(chapters(12), BookMeta(curated=True), SECTION)
    assert len(found.chapters) == 12
    assert all(0 <= c.arc <= 1 and 0 <= c.style_distance <= 1 and c.perspective for c in found.chapters)
    assert found.curated is True
    assert found.characters == {"zh": sum(c.chars for c in found.chapters)}


def test_a_book_that_is_one_chapter_has_one_arc():
    found = measure([chapter(0, "第0章他走了很久，心想这人可怕。" * 400)], BookMeta(), SECTION)
    assert found.chapters[0].arc == found.arc.total
    assert found.chapters[0].setup == found.arc.setup
    assert found.chapters[0].style_distance is None


def test_the_chapters_of_a_second_language_stay_out_of_the_arc():
    zh = chapters(8)
    mixed = [*zh, chapter(8, "He was killed and buried and they lived happily ever after. " * 3, "en")]
    assert measure(mixed, BookMeta(), SECTION).arc == measure(zh, BookMeta(), SECTION).arc


def test_a_book_without_chapters_or_measuring_has_its_volume_only():
    assert measure([], BookMeta(), SECTION).arc is None
    found = measure(chapters(9), BookMeta(genre="武侠"), QualitySection(measure=False))
    assert (found.arc, found.style_distance, found.perspective, found.genre.name) == (None, None, "", "武侠")
    assert [c.arc for c in found.chapters] == [None] * 9
    assert sum(found.characters.values()) == sum(c.chars for c in found.chapters)


def test_long_text_in_blocks_has_the_numbers_of_text_in_one(monkeypatch):
    zh, en = "他走了很久，心想这人可怕，杀了他。" * 500, "He killed the old man and was afraid for ever. " * 500
    whole = [features(zh, "zh"), features(en, "en")]
    monkeypatch.setattr("novelray.corpus.quality.features.BLOCK", 997)
    for one, cut in zip(whole, [features(zh, "zh"), features(en, "en")], strict=True):
        assert (one.terms == cut.terms).all()
        assert (one.tension == cut.tension).all()
        assert (one.size, one.opening, one.closing) == (cut.size, cut.opening, cut.closing)


def test_joined_chapters_keep_their_terms_their_tension_and_both_ends():
    parts = [features("他走了很久。" * 50, "zh"), features("杀了他，且听下回分解。" * 50, "zh")]
    both = joined(parts)
    assert (both.terms == parts[0].terms + parts[1].terms).all()
    assert both.tension[: SEGMENTS // 3].max() == 0 < both.tension[-SEGMENTS // 3 :].min()
    assert both.hook
    assert both.opening == parts[0].opening
    assert len(curve(both.tension > 0)) == SEGMENTS


def test_a_genre_is_what_the_metadata_say_and_else_a_guess_that_says_so():
    assert genre_of("言情", ["剑侠"], "zh").guessed is False
    guess = genre_of("", ["他拔剑，江湖上的侠客都怕他的内力和招式。" * 20], "zh")
    assert (guess.name, guess.guessed) == ("武侠", True)
    assert 0 < guess.confidence <= 0.5
    assert genre_of("", ["Il marchait."], "fr").name == ""


@pytest.mark.slow
@pytest.mark.novels
def test_the_novels_are_measured_at_more_than_a_megabyte_a_second(shelf):
    """Nine at the time of writing; the bound is for a machine that does other things as well."""
    books = [shelf[name] for name in ("en/pride-and-prejudice.utf8.txt", "zh/红楼梦.txt", "zh-hant/三俠五義.txt")]
    size = sum(len(c.text.encode()) for book in books for c in book)
    began = time.process_time()
    for book in books:
        measure(book, BookMeta(), SECTION)
    assert size / (time.process_time() - began) > MEGABYTE


@pytest.mark.slow
@pytest.mark.novels
def test_the_frame_of_frankenstein_makes_it_a_book_of_several_voices(shelf):
    assert measure(shelf["en/frankenstein.txt"], BookMeta(), SECTION).perspective == "several voices"
    assert measure(shelf["zh/红楼梦.txt"], BookMeta(), SECTION).perspective == "omniscient third"
