"""What is no text of the book goes and is counted by its kind; a story that merely speaks of such things stays."""

from __future__ import annotations

import pytest
from book_files import pdf, read

from novelray.corpus.read import read_book
from novelray.corpus.read.boilerplate import without_boilerplate
from novelray.recipe.read import ReadSection

ZH = "却说那人推开门来，只见院里一片月光。众人都不言语，只听得远处有一声钟响。"
EN = "The door stood open, and nobody in the house had said a word about it since noon, not even to the cook."


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("site_notices", "请记住本站域名：www.abcxs.com，最新章节每日更新"),
        ("site_notices", "天才一秒记住本站地址：[飞鸟中文网]，手机用户请浏览m.feiniao.com"),
        ("advertising", "最新章节全文免费阅读，无弹窗广告，更新最快"),
        ("advertising", "手機用戶請到 m.example.com 閱讀，體驗更好"),
        ("page_turns", "（本章未完，请点击下一页继续阅读）"),
        ("page_turns", "上一章 返回目录 下一章"),
        ("author_asks", "求月票，求推荐票，求收藏！我今天三更！"),
        ("author_asks", "感谢书友夜行人打赏的五百点，感谢大家的月票支持"),
        ("licence", "本书由龙空电子书论坛整理制作，仅供试阅，请于24小时内删除"),
        ("licence", "声明：本书版权归原作者所有，本站只提供交流"),
        ("urls", "http://www.example.com/book/123.html"),
        ("licence", "更多好书尽在 www.example.net"),
        ("page_turns", "未完待續"),
    ],
)
def test_a_notice_of_a_chinese_site_goes_and_is_counted_by_its_kind(kind, line):
    text, removed = without_boilerplate(f"{ZH}\n{line}\n{ZH}\n")
    assert text == f"{ZH}\n{ZH}\n"
    assert dict(removed) == {kind: len(line) + 1}


@pytest.mark.parametrize(
    ("kind", "inside"),
    [
        ("urls", "（本书首发www.abcxs.com，请支持）"),
        ("page_turns", "（本章未完）"),
        ("site_notices", "【飞鸟小说网首发】"),
        ("author_asks", "（PS：求几张月票）"),
    ],
)
def test_a_notice_inside_a_line_goes_and_the_line_stays(kind, inside):
    text, removed = without_boilerplate(f"{ZH}{inside}{ZH}\n")
    assert text == f"{ZH}{ZH}\n"
    assert dict(removed) == {kind: len(inside)}


def test_an_address_that_comes_again_and_again_inside_lines_is_a_watermark():
    text, removed = without_boilerplate(f"{ZH}www.abcxs.com{ZH}\n" * 3)
    assert text == f"{ZH}{ZH}\n" * 3
    assert removed["urls"] == 3 * len("www.abcxs.com")


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("site_notices", "This story has been stolen from Royal Road. If you read it on Amazon, please report it."),
        (
            "site_notices",
            "Unauthorized usage: this tale is on Amazon without the author's consent. Report any sightings.",
        ),
        ("advertising", "Read latest chapters at novelbin.me, bookmark this site for up-to-date novels"),
        ("site_notices", "Downloaded from Planet eBook, more free eBooks at the site"),
        ("licence", "Scanned and proofread by Margaret Alder"),
        ("licence", "Copyright © 1998 Harbour Press. All rights reserved."),
        ("urls", "Visit https://www.example.com/novels for more"),
    ],
)
def test_a_notice_in_english_goes_and_is_counted_by_its_kind(kind, line):
    text, removed = without_boilerplate(f"{EN}\n\n{line}\n\n{EN}\n")
    assert text == f"{EN}\n\n\n{EN}\n"
    assert set(removed) <= {kind, "urls"}
    assert sum(removed.values()) == len(line) + 1


@pytest.mark.parametrize(
    "line",
    [
        "他在小说网上看了一夜的书，最新章节还没有更新，便把手机放下了。",
        "“求你投我一票！”那候选人喊道，台下的人都笑了起来。",
        "我把那本书的txt下载下来，读给祖母听。",
        "那掌柜的说，本店的书概不外借，请客官记住了。",
        "她指着墙上的版权声明，一个字一个字地念给我听。",
        "第12页上夹着一片枫叶。",
        "我收藏的古玩，都在那一场大火里没有了。",
        "众人散去，未完的话留到明日再说。",
    ],
)
def test_a_chinese_story_that_speaks_of_such_things_stays(line):
    assert without_boilerplate(f"{ZH}\n{line}\n{ZH}\n") == (f"{ZH}\n{line}\n{ZH}\n", {})


@pytest.mark.parametrize(
    "line",
    [
        "She told the story of how the rubber had been stolen from the Amazon and taken to Kew.",
        "The tale of the Amazon had been taken from an older novel, and nobody knew the author.",
        "“All rights reserved,” said the lawyer, and shut the folder.",
        "He had read the latest chapter of the affair in the morning paper.",
        "Scanned by the searchlight, he lay still among the reeds until it had passed.",
        "Downloaded from the probe in the night, the pictures showed only dust.",
        "Page 12 of the diary was missing.",
        "He walked from the station to Gutenberg square.",
    ],
)
def test_an_english_story_that_speaks_of_such_things_stays(line):
    assert without_boilerplate(f"{EN}\n{line}\n{EN}\n") == (f"{EN}\n{line}\n{EN}\n", {})


def test_nothing_of_the_real_novels_is_taken_for_a_notice(novels):
    for path in sorted(novels.glob("*/*.*")):
        for book in read(path):
            notices = {"site_notices", "advertising", "page_turns", "author_asks", "licence", "urls", "page_numbers"}
            assert not notices & set(book.removed), path.name


HEADED = """THE LAMP ON THE PIER

{body}

{number}
"""


def test_running_heads_and_page_numbers_go_and_paragraphs_run_over_the_page_s_edge():
    names = ["Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Gorse", "Hazel"]
    bodies = [
        f"{n} saw the boats lie still\nin the harbour and spoke to {m} who"
        for n, m in zip(names, names[::-1], strict=True)
    ]
    pages = [HEADED.format(body=body if i == 0 else f"had seen {body}", number=i + 7) for i, body in enumerate(bodies)]
    book = read_book("\f".join(pages).encode(), "lamp")
    assert "LAMP ON THE PIER" not in book.text
    assert "and spoke to Hazel who had seen Birch saw the boats" in " ".join(book.text.split())
    assert not any(line.strip().isdigit() for line in book.text.split("\n"))
    assert book.removed["running_heads"] == 8 * len("THE LAMP ON THE PIER\n")
    assert book.removed["page_numbers"] == sum(len(f"{n + 7}\n") for n in range(8))


def test_heads_with_the_chapter_and_the_page_of_a_pdf_go(tmp_path):
    line = "It was day {} and the boats lay still in the harbour, and nobody"
    pages = [
        [
            (60, 760, 10, f"The Lamp {n + 5}" if n % 2 else f"{n + 5} Mary Wollaton"),
            *((60, 730 - 16 * i, 10, line.format(n * 20 + i)) for i in range(5)),
        ]
        for n in range(8)
    ]
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf(pages))
    [book] = read(path)
    assert "Wollaton" not in book.text
    assert "Lamp" not in book.text
    assert book.removed["running_heads"] > 0
    kept = read(path, ReadSection(boilerplate=False))[0]
    assert "Wollaton" in kept.text


@pytest.mark.parametrize("form", ["- {} -", "— {} —", "Page {} of 300", "第{}页", "第 {} 頁 / 共 300 頁"])
def test_lines_that_are_page_numbers_go_where_they_rise(form):
    text = "".join(f"{EN if form.isascii() else ZH}\n{form.format(n)}\n" for n in range(10, 20))
    found, removed = without_boilerplate(text)
    assert found == f"{EN if form.isascii() else ZH}\n" * 10
    assert removed["page_numbers"] == len(text) - len(found)


def test_numbers_that_do_not_rise_are_no_page_numbers():
    text = "".join(f"{EN}\n- {n} -\n" for n in (40, 7, 93, 12, 5, 61))
    assert without_boilerplate(text) == (text, {})


def test_the_recipe_can_keep_everything(tmp_path):
    text = f"{ZH}\n请记住本站域名：www.abcxs.com\n{ZH}\n"
    path = tmp_path / "a.txt"
    path.write_text(text)
    assert read(path, ReadSection(boilerplate=False, unwrap=False))[0].text == text
    assert "www" not in read(path)[0].text
