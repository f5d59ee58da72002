"""What one book's task promises: every character accounted for, sizes kept, ids that say where a chapter is from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelray.corpus.book import Origin, chapters_of, cut_at_paragraphs
from novelray.corpus.language import language_of
from novelray.corpus.read import BookMeta, read_book, read_books
from novelray.recipe.corpus import CorpusSection

SHA = "0123456789abcdef" * 4
SENTENCE = "那一日天色将晚，众人各自散去，只有他一个人坐在灯下。"


def _make(text, **section):
    book = read_book(text.encode(), "book")
    return chapters_of(book, Origin("book", "book.txt", SHA), CorpusSection.model_validate(section))


def test_ids_and_indices_follow_the_books_order():
    chapters, report = _make("".join(f"第{n}章 甲\n\n{SENTENCE * 10}{n}\n\n" for n in "一二三"))
    assert [c.chapter_id for c in chapters] == ["0123456789ab:00000", "0123456789ab:00001", "0123456789ab:00002"]
    assert [c.index for c in chapters] == [0, 1, 2]
    assert (report.chapters, report.rule, report.languages) == (3, "章 (line)", {"zh": 3})


def test_the_same_chapter_under_another_number_has_the_same_digest():
    one = _make(f"第一章 雨\n\n{SENTENCE * 10}\n\n第二章 雪\n\n{SENTENCE * 11}")[0]
    other = _make(f"第一章 山\n\n{SENTENCE * 12}\n\n第二章 雨\n\n{SENTENCE * 10}")[0]
    assert one[0].digest == other[1].digest
    assert len({c.digest for c in one + other}) == 3


def test_short_chapters_are_left_out_and_counted():
    chapters, report = _make(
        f"第一章\n\n{SENTENCE * 9}\n\n第二章\n\n{SENTENCE * 2}\n\n第三章\n\n{SENTENCE * 9}", min_chapter_chars=100
    )
    assert [c.title for c in chapters] == ["第一章", "第三章"]
    assert report.short_chapters == 1
    assert report.removed_chars["short"] > 0


def test_a_long_chapter_is_cut_at_paragraphs_and_a_book_without_marks_too():
    text = "\n\n".join([SENTENCE * 4] * 30)
    chapters, report = _make(text, max_chapter_chars=1000)
    assert all(len(c.text) <= 1000 and c.text.endswith("。") for c in chapters)
    assert report.cut == len(chapters) > 3
    assert "".join("".join(c.text.split()) for c in chapters) == "".join(text.split())


def test_one_endless_line_is_cut_at_sentences():
    parts = list(cut_at_paragraphs(SENTENCE * 500, 1000))
    assert all(len(p) <= 1000 and p.endswith("。") for p in parts)
    assert "".join(parts) == SENTENCE * 500


@given(st.text(alphabet="一。\n a.", max_size=300), st.integers(1, 50))
def test_cutting_loses_nothing_and_keeps_the_limit(text, limit):
    parts = list(cut_at_paragraphs(text, limit))
    assert "".join(parts) == text
    assert all(0 < len(p) <= limit for p in parts)


@pytest.mark.parametrize("name", ["zh/红楼梦.txt", "zh-hant/儒林外史.txt", "en/war-of-the-worlds.utf8.txt"])
def test_every_character_of_a_real_book_is_accounted_for(novels, name):
    path, section = novels / name, CorpusSection()
    [book] = read_books(path, path.name, BookMeta(), section.read)
    chapters, report = chapters_of(book, Origin(path.stem, path.name, SHA), section)
    assert report.kept_chars == sum(len(c.text) for c in chapters)
    assert report.chars == report.kept_chars + sum(report.removed_chars.values())
    assert report.kept_chars > 0.9 * (report.chars - report.removed_chars.get("gutenberg", 0))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (SENTENCE, "zh"),
        ("He had not said a word to her in the house, and it was late.", "en"),
        ("彼はその日、何も言わずに家を出た。", "ja"),
        ("그는 아무 말도 하지 않고 집을 나섰다.", "ko"),
        ("Он вышел из дома, не сказав ни слова.", "ru"),
        ("Il ne dit pas un mot dans la maison et elle est partie pour la ville.", "fr"),
        ("12345 ...", "und"),
    ],
)
def test_the_language_of_a_chapter_is_told(text, language):
    assert language_of(text) == language


@pytest.mark.slow
@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "filler", [" " * 1_000_000, "1\n" * 500_000, "。" * 1_000_000, "第一" * 500_000, "I. A" + " " * 1_000_000 + "x"]
)
def test_a_pathological_file_takes_time_in_proportion_to_its_size(filler):
    chapters, report = _make(filler + SENTENCE * 10, max_chapter_chars=10_000)
    assert chapters
    assert report.chars == len(filler) + len(SENTENCE) * 10
