"""Volumes, prologues, notes, contents and markup: what a piece is, and which volume it belongs to."""

from __future__ import annotations

import pytest

from novelray.corpus.split import split_book

BODY = "那一日天色将晚，众人各自散去，只有他一个人坐在灯下，翻看着旧日的书信，不觉已是三更。" * 12 + "\n\n"
PROSE = ("It was late when the carrier came down from the hill, and he had not a word to say to anyone. " * 12) + "\n\n"
H1, H2, H3 = "\ue0001", "\ue0002", "\ue0003"


def outline(text):
    return [(p.kind, p.title, p.volume) for p in split_book(text).pieces]


def chapters(*headings, body=BODY):
    return "".join(f"{heading}\n\n{body}" for heading in headings)


def test_a_table_of_contents_is_no_chapter():
    titles = [f"第{n}章 题目之{n}" for n in "一二三四五六"]
    text = "书名\n\n目录\n\n" + "\n".join(titles) + "\n\n" + chapters(*titles)
    split = split_book(text)
    assert [p.title for p in split.chapters] == titles
    assert [p.kind for p in split.pieces[:3]] == ["front", "contents", "chapter"]


def test_prologue_and_epilogue_are_chapters_and_a_volumes_heading_goes_with_the_chapter_after_it():
    text = f"楔子\n\n{BODY}第一卷 春\n\n第一章 雨\n\n{BODY}第二章 雪\n\n{BODY}"
    text += f"第二卷 秋\n\n第一章 风\n\n{BODY}尾声\n\n{BODY}"
    split = split_book(text)
    assert [p.title for p in split.chapters] == ["楔子", "第一章 雨", "第二章 雪", "第一章 风", "尾声"]
    assert [p.volume for p in split.chapters] == ["", "第一卷 春", "第一卷 春", "第二卷 秋", "第二卷 秋"]
    assert text[split.chapters[1].start :].startswith("第一卷 春")
    assert split.numbering == []


def test_numbering_may_go_on_through_the_volumes():
    text = "第一部\n\n" + chapters("第一章", "第二章") + "第二部\n\n" + chapters("第三章", "第四章")
    assert [p.volume for p in split_book(text).chapters] == ["第一部"] * 2 + ["第二部"] * 2
    english = "VOLUME I\n\n" + chapters("CHAPTER I", "CHAPTER II", body=PROSE)
    english += "VOLUME II\n\n" + chapters("CHAPTER I", "CHAPTER II", body=PROSE)
    assert [p.volume for p in split_book(english).chapters] == ["VOLUME I"] * 2 + ["VOLUME II"] * 2


def test_volumes_inside_volumes_are_both_named():
    text = "VOLUME I\n\nBOOK FIRST\n\n" + chapters("CHAPTER I", "CHAPTER II", body=PROSE)
    text += "BOOK SECOND\n\n" + chapters("CHAPTER I", "CHAPTER II", body=PROSE)
    text += "VOLUME II\n\nBOOK FIRST\n\n" + chapters("CHAPTER I", "CHAPTER II", body=PROSE)
    assert [p.volume for p in split_book(text).chapters] == [
        "VOLUME I / BOOK FIRST",
        "VOLUME I / BOOK FIRST",
        "VOLUME I / BOOK SECOND",
        "VOLUME I / BOOK SECOND",
        "VOLUME II / BOOK FIRST",
        "VOLUME II / BOOK FIRST",
    ]


def test_a_volume_in_the_same_line_as_its_chapter_is_its_volume():
    text = chapters("第一卷 少年 第一章 雨", "第一卷 少年 第二章 雪", "第二卷 江湖 第一章 风", "第二卷 江湖 第二章 月")
    assert outline(text) == [
        ("chapter", "第一章 雨", "第一卷 少年"),
        ("chapter", "第二章 雪", "第一卷 少年"),
        ("chapter", "第一章 风", "第二卷 江湖"),
        ("chapter", "第二章 月", "第二卷 江湖"),
    ]


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("番外一 旧事", "chapter"),
        ("番外：旧事", "chapter"),
        ("番外篇", "chapter"),
        ("外传", "chapter"),
        ("大结局", "chapter"),
        ("尾声", "chapter"),
        ("终章 归来", "chapter"),
        ("后记", "notes"),
        ("译后记", "notes"),
        ("作者的话", "notes"),
        ("上架感言", "notes"),
        ("请假条", "notes"),
        ("请假一天", "notes"),
        ("完本感言！", "notes"),
        ("新书已发，求支持", "notes"),
        ("附录", "notes"),
        ("跋", "notes"),
    ],
)
def test_a_heading_without_number_says_whether_story_follows(heading, kind):
    text = chapters("第一章 雨", "第二章 雪", "第三章 风", heading)
    assert outline(text)[-1] == (kind, heading, "")
    assert [p.kind for p in split_book(text).pieces] == ["chapter"] * 3 + [kind]


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("EPILOGUE", "chapter"),
        ("Epilogue: Home", "chapter"),
        ("INTERLUDE", "chapter"),
        ("AFTERWORD", "notes"),
        ("Author's Note", "notes"),
        ("ACKNOWLEDGMENTS", "notes"),
        ("Transcriber’s Notes", "notes"),
        ("FOOTNOTES:", "notes"),
        ("[Transcriber's Note: two misprints were mended.]", "notes"),
    ],
)
def test_an_english_heading_without_number_says_whether_story_follows(heading, kind):
    text = chapters("Chapter 1", "Chapter 2", "Chapter 3", heading, body=PROSE)
    assert [p.kind for p in split_book(text).pieces] == ["chapter"] * 3 + [kind]


def test_a_numbered_chapter_that_only_announces_something_is_a_note():
    titles = [
        "第一章 雨",
        "第二章 请假一天",
        "第三章 推荐一本好书",
        "第四章 求月票！",
        "第五章 上架感言",
        "第六章 请假回家的人",
    ]
    assert [p.kind for p in split_book(chapters(*titles)).pieces] == ["chapter"] + ["notes"] * 4 + ["chapter"]
    long = split_book(chapters("第一章 雨", "第二章 请假", "第三章 雪", body=BODY * 10))
    assert [p.kind for p in long.pieces] == ["chapter"] * 3


def test_a_preface_is_a_note_an_unmarked_opening_is_story_and_a_title_page_is_neither():
    page, opening = "书名\n\n某某 著\n\n", BODY + BODY
    story = chapters("第一章", "第二章", "第三章")
    assert [p.kind for p in split_book(page + story).pieces] == ["front"] + ["chapter"] * 3
    assert [p.kind for p in split_book(page + opening + story).pieces] == ["chapter"] * 4
    assert [p.kind for p in split_book("自序\n\n" + opening + story).pieces] == ["notes"] + ["chapter"] * 3
    english = chapters("PREFACE", "PROLOGUE", "Chapter 1", "Chapter 2", body=PROSE)
    assert [p.kind for p in split_book(english).pieces] == ["notes"] + ["chapter"] * 3


def test_what_stands_after_the_end_is_no_story():
    text = (
        chapters(*(f"Chapter {n}" for n in range(1, 9)), body=PROSE) + "THE END\n\nPrinted by the press of the town.\n"
    )
    pieces = split_book(text).pieces
    assert [p.kind for p in pieces] == ["chapter"] * 8 + ["notes"]
    assert text[pieces[-1].start :] == "\nPrinted by the press of the town.\n"
    assert [p.kind for p in split_book(text.replace("Printed", "EPILOGUE\n\nPrinted" + PROSE)).pieces] == [
        "chapter"
    ] * 9


def test_prose_that_begins_with_a_headings_word_is_prose():
    words = [
        "Introduction that I had brought with me was useless.",
        "Part I played in it was small,",
        "序中写道：书是好书。",
    ]
    words += [
        "后记得他说过的话。",
        "第三回来的时候，他没有说话。",
        "Book I wrote was lost.",
        "第一节课上完了。",
        "抱歉。",
        "通知",
        "推荐一本书给他。",
    ]
    text = chapters("第一章", "第二章", "第三章", body=BODY + "\n\n".join(words) + "\n\n" + BODY)
    assert [p.title for p in split_book(text).pieces] == ["第一章", "第二章", "第三章"]


def test_headings_that_the_format_marks_are_chapters_where_numbers_are_not():
    text = f"{H1}The Book\n\n" + chapters(f"{H2}Ash", f"{H2}Birch", f"{H2}Cedar", body=PROSE)
    split = split_book(text)
    assert (split.rule, [p.title for p in split.chapters]) == ("heading 2 (line)", ["Ash", "Birch", "Cedar"])
    parts = f"{H1}Trees\n\n{H2}Ash\n\n{PROSE}{H2}Birch\n\n{PROSE}{H1}Flowers\n\n{H2}Rose\n\n{PROSE}{H2}Iris\n\n{PROSE}"
    assert [(p.title, p.volume) for p in split_book(parts).chapters] == [
        ("Ash", "Trees"),
        ("Birch", "Trees"),
        ("Rose", "Flowers"),
        ("Iris", "Flowers"),
    ]


def test_marked_up_and_plain_text_give_the_same_chapters():
    plain = (
        "书名\n\n第一卷 春\n\n" + chapters("第一章 雨", "第二章 雪") + "第二卷 秋\n\n" + chapters("第三章 风", "后记")
    )
    marked = plain
    for heading, sign in (
        ("书名", H1),
        ("第一卷", H1),
        ("第二卷", H1),
        ("第一章", H2),
        ("第二章", H2),
        ("第三章", H2),
        ("后记", H2),
    ):
        marked = marked.replace(f"{heading}", f"{sign}{heading}", 1)
    assert outline(marked) == outline(plain)
    assert split_book(marked).rule == split_book(plain).rule


def test_a_heading_that_the_format_marks_is_believed_where_its_looks_are_doubted():
    lines = [f"第{n}章 他走了，她也走了，灯灭了，门关了" for n in "一二三四"]
    plain, marked = split_book(chapters(*lines)), split_book(chapters(*(f"{H2}{line}" for line in lines)))
    assert (marked.rule, len(marked.chapters)) == ("章 (line)", 4)
    assert marked.confidence > plain.confidence


def test_a_number_and_its_title_in_two_marked_headings_are_one_heading():
    names = ["THE EVE", "THE STAR", "THE COMMON"]
    text = f"{H2}BOOK ONE\n\n{H2}THE COMING\n\n" + "".join(
        f"{H3}CHAPTER {number}\n\n{H3}{name}\n\n{PROSE}"
        for number, name in zip(("ONE", "TWO", "THREE"), names, strict=True)
    )
    assert outline(text) == [
        ("chapter", f"CHAPTER {number} {name}", "BOOK ONE THE COMING")
        for number, name in zip(("ONE", "TWO", "THREE"), names, strict=True)
    ]
    unnumbered = "".join(f"{H2}{name}\n\n{H2}A Tale\n\n{PROSE}" for name in names)
    assert [p.title for p in split_book(unnumbered).chapters] == names


def test_an_epigraph_below_a_chapters_heading_takes_no_story_away():
    text = chapters("第一章", "第二章\n\n题记", "第三章")
    assert outline(text) == [("chapter", title, "") for title in ("第一章", "第二章", "第三章")]


def test_a_note_between_chapters_that_is_as_long_as_chapters_is_kept_as_story():
    notes = [f"作者的话\n\n{BODY * times}" for times in (1, 20)]
    kinds = [
        [p.kind for p in split_book(chapters("第一章", "第二章") + note + chapters("第三章")).pieces] for note in notes
    ]
    assert [found[2] for found in kinds] == ["notes", "chapter"]
