"""What a book numbers wrongly is said, in lines that a person can read, and makes no false chapter."""

from __future__ import annotations

from novelray.corpus.split import split_book

BODY = "那一日天色将晚，众人各自散去，只有他一个人坐在灯下，翻看着旧日的书信，不觉已是三更。" * 12 + "\n\n"
HAN = "零一二三四五六七八九"


def book(*headings):
    return split_book("".join(f"{heading}\n\n{BODY}" for heading in headings))


def test_a_heading_with_a_wrong_number_is_still_a_chapter_and_is_reported():
    split = book(*(f"第{n}章" for n in "一二五四五六"))
    assert len(split.chapters) == 6
    assert split.numbering == ["第五章 stands where 3 is expected"]


def test_missing_chapters_are_reported():
    assert book(*(f"第{n}章" for n in "一二四五")).numbering == ["3 missing before 第四章"]
    assert book(*(f"第{n}章" for n in (1, 2, 5, 6))).numbering == ["3 to 4 missing before 第5章"]
    assert book(*(f"第{n}章" for n in "三四五六")).numbering == ["the numbering begins at 3"]
    holes = book(*(f"第{n}章" for n in range(1, 40) if n % 8))
    assert holes.numbering == ["4 numbers are missing in 4 places: 8, 16, 24, 32"]


def test_lost_zeros_are_one_line_however_many_they_are():
    numbers = [("".join(HAN[int(d)] for d in str(n))).replace("零", "") if n > 99 else str(n) for n in range(95, 116)]
    split = book(*(f"第{n}回" for n in numbers))
    assert len(split.chapters) == 21
    assert split.numbering[1:] == [
        "11 headings have lost a zero: 第一回 stands for 100, 第一一回 stands for 101, 第一二回 stands for 102, "
        "… 第一一回 stands for 110"
    ]


def test_a_heading_that_stands_twice_makes_no_empty_chapter():
    for between in (
        "",
        "\n后一页\n\n前一页\n\n",
        "\n首页|书库|排行|论坛，本站长期招收管理员，欢迎有时间的书友报名加入，点此察看详情。\n\n",
    ):
        text = f"第一回\n\n{BODY}第二回 风\n{between}\n第二回风——\n\n{BODY}第三回\n\n{BODY}"
        split = split_book(text)
        assert [p.title[:3] for p in split.chapters] == ["第一回", "第二回", "第三回"]
        assert "第二回" in split.numbering[0]
        assert split.numbering[0].endswith("stands twice")
        assert split.chapters[1].end - split.chapters[1].body >= len(BODY)
        assert "后一页" not in text[split.chapters[0].start : split.chapters[0].end]
        assert [p.kind for p in split.pieces].count("repeated") == ("首页" in between)


def test_a_chapter_that_stands_twice_is_two_chapters_and_is_reported():
    split = book(*(f"第{n}回" for n in "一二二三四"))
    assert len(split.chapters) == 5
    assert split.numbering == ["第二回 stands twice"]


def test_running_heads_make_no_chapters():
    pages = "".join(f"Chapter {n}\n\n" + ("他走了。" * 200 + f"\n\nChapter {n}\n\n") * 9 for n in range(1, 7))
    split = split_book(pages)
    assert len(split.chapters) == 6
    assert split.numbering[0] == "Chapter 1 stands again and again, as a running head does"


def test_a_chapter_without_text_is_reported_and_goes_with_the_next():
    split = split_book(f"第一章\n\n{BODY}第二章 缺\n\n第三章\n\n{BODY}第四章\n\n{BODY}第五章\n\n{BODY}")
    assert [p.title for p in split.chapters] == ["第一章", "第三章", "第四章", "第五章"]
    assert split.numbering == ["第二章 缺 has no text"]


def test_confidence_falls_with_missing_and_uneven_chapters():
    whole = book(*(f"第{n}章" for n in range(1, 21))).confidence
    holes = book(*(f"第{n}章" for n in range(1, 41) if n % 2)).confidence
    assert whole == 1.0
    assert holes < 0.6
