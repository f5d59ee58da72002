"""Real persons' names in metadata and notes get a pseudonym, the same everywhere; a novel's characters keep theirs."""

from __future__ import annotations

import pytest

from novelray.corpus.book import Origin, chapters_of
from novelray.corpus.privacy import people_of, protect_meta, protect_notes, pseudonym
from novelray.corpus.read import BookMeta, BookText
from novelray.recipe.corpus import CorpusSection
from novelray.recipe.privacy import PrivacySection

MASK, DROP, KEEP = (PrivacySection(people=people) for people in ("mask", "drop", "keep"))


def masked(text, people=()):
    return protect_notes(text, people, MASK, key=1)[0]


def test_a_person_has_one_pseudonym_in_all_books_scripts_and_orders_of_the_name():
    assert pseudonym("魯迅", 1) == pseudonym("鲁迅", 1) == pseudonym(" 鲁 迅", 1)
    austen = [protect_meta(BookMeta(author=a), MASK, 1).author for a in ("Jane Austen", "Austen, Jane", "JANE AUSTEN")]
    assert len(set(austen)) == 1
    assert pseudonym("鲁迅", 1) != pseudonym("鲁迅", 2)
    assert len({pseudonym(f"张三{n}", 1) for n in range(2000)}) == 2000


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("鲁迅", ["鲁迅"]), ("(清) 曹雪芹", ["曹雪芹"]), ("[英]狄更斯 著", ["狄更斯"]),
        ("曹雪芹、高鹗 著", ["曹雪芹", "高鹗"]),
        ("张译", ["张译"]), ("杨绛 译", ["杨绛"]), ("佚名", []), ("Anonymous", []), ("Various Authors", []),
        ("Jane Austen and H. G. Wells", ["Jane Austen", "H. G. Wells"]),
        ("Austen, Jane", ["Austen, Jane"]),
    ],
)  # fmt: skip
def test_names_are_told_from_where_persons_come_from_and_what_they_did(field, names):
    assert list(people_of(BookMeta(author=field))) == names


def test_metadata_is_masked_dropped_or_kept_and_the_title_with_it():
    meta = BookMeta(title="The Works of Jane Austen", author="Jane Austen", translator="杨绛", genre="novel")
    kept, dropped, hidden = (protect_meta(meta, section, 1) for section in (KEEP, DROP, MASK))
    assert kept == meta
    assert (dropped.title, dropped.author, dropped.translator, dropped.genre) == ("The Works of", "", "", "novel")
    assert hidden.author == pseudonym("Jane Austen", 1)
    assert hidden.title == f"The Works of {pseudonym('Jane Austen', 1)}"
    assert hidden.translator == pseudonym("杨绛", 1)


@pytest.mark.parametrize(
    ("note", "name"),
    [
        ("（译者注：此处王道乾有误。）", "王道乾"),
        ("（指巴黎的一条街。王道乾另译作别名。——译者注）", "王道乾"),
        ("译者注：此句王道乾译得好。", "王道乾"),
        ("作者有话说：感谢王道乾。", "王道乾"),
        ("［編者按：王道乾先生。］", "王道乾"),
        ("① 王道乾曾改过此句。", "王道乾"),
        ("译者：王道乾", "王道乾"),
        ("王道乾 译", "王道乾"),
        ("王道乾", "王道乾"),
        ("[Translator's note: Constance Garnett left this out.]", "Constance Garnett"),
        ("Translated by Constance Garnett", "Constance Garnett"),
        ("by Constance Garnett", "Constance Garnett"),
    ],
)
def test_a_real_name_in_a_note_is_masked_and_the_same_name_in_the_story_stays(note, name):
    story = f"那天{name}走进来，说：“好。”" if name == "王道乾" else f"That day {name} came in."
    text = f"{story}\n{note}\n{story}\n"
    after, counts = protect_notes(text, [name], MASK, 1)
    assert after == f"{story}\n{note.replace(name, pseudonym(name, 1))}\n{story}\n"
    assert counts == {"people": 1}


def test_a_translator_whom_only_the_notes_name_is_masked_in_all_of_them():
    text = "译者：傅惟慈\n\n他来了（傅惟慈按原文改。——译者注）。\n傅惟慈是书里的人物。"
    hidden = pseudonym("傅惟慈", 1)
    assert masked(text) == f"译者：{hidden}\n\n他来了（{hidden}按原文改。——译者注）。\n傅惟慈是书里的人物。"


def test_the_last_name_alone_and_the_other_script_are_known_too():
    assert masked("Author's note: Wells, H. G., or Wells.", ["H. G. Wells"]).count(pseudonym("H. G. Wells", 1)) == 2
    assert masked("作者注：魯迅", ["鲁迅"]) == f"作者注：{pseudonym('鲁迅', 1)}"


@pytest.mark.parametrize("text", ["译者：王道乾\n", "王道乾 译\n", "Translated by Howard Goldblatt\n"])
def test_what_is_masked_is_not_masked_again(text):
    once = masked(text)
    assert once != text
    assert protect_notes(once, [], MASK, key=1) == (once, {})
    meta = protect_meta(BookMeta(author="王道乾", translator="Howard Goldblatt"), MASK, 1)
    assert protect_meta(meta, MASK, 1).author == meta.author


def test_drop_takes_the_line_of_a_note_and_the_bracket_in_a_line_of_the_story():
    text = "译者：王道乾\n他来了（译者注：王道乾删。）又走了。\n王道乾笑了。\n"
    assert protect_notes(text, ["王道乾"], DROP, 1) == ("\n他来了又走了。\n王道乾笑了。\n", {"people": 2})


def test_keep_changes_nothing():
    text = "译者：王道乾\n（译者注：王道乾。）"
    assert protect_notes(text, ["王道乾"], KEEP, 1) == (text, {})


def test_novels_lose_no_character_to_it(novels):
    """The authors' names are met in metadata; the stories stay to the letter but for the title pages."""
    for file, author, lines in (("zh/红楼梦.txt", "贾宝玉", 0), ("zh-hant/三俠五義.txt", "展昭", 0),
                                ("en/war-of-the-worlds.utf8.txt", "H. G. Wells", 2)):  # fmt: skip
        text = (novels / file).read_text("utf-8")
        after, _ = protect_notes(text, [author], MASK, 1)
        changed = [a for a, b in zip(text.splitlines(), after.splitlines(), strict=True) if a != b]
        assert len(changed) <= lines, changed


def test_a_build_masks_persons_in_the_notes_that_stay_in_its_chapters():
    story = "鲁迅先生的一生很长，他在街上走着，天色渐渐暗了下来。" * 8
    text = "\n\n".join(f"第{n}章 夜\n\n{story}\n（译者注：杨绛改。）" for n in "一二三四五六")
    section = CorpusSection(privacy=MASK, min_chapter_chars=10)
    meta = BookMeta(title="夜", author="鲁迅", translator="杨绛")
    book = BookText(meta=protect_meta(meta, MASK, 3), text=text, chars=len(text))
    chapters, report = chapters_of(book, Origin("夜", "夜.txt", "0" * 64), section, people_of(meta), 3)
    assert len(chapters) == 6
    for chapter in chapters:
        assert "杨绛" not in chapter.text
        assert pseudonym("杨绛", 3) in chapter.text
        assert chapter.text.count("鲁迅") == 8
        assert chapter.author == pseudonym("鲁迅", 3)
    assert report.privacy == {"people": 6}
    assert report.chars == report.kept_chars + sum(report.removed_chars.values())
