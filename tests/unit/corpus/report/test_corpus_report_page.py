"""The page: complete, self-contained, escaped, in two languages, and bounded in size."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from support.corpus_report import HOSTILE, full_report

from novelray.corpus.report import page
from novelray.corpus.report.html import tag, text
from novelray.corpus.report.page import SECTIONS
from novelray.corpus.report.sections.removed import inline_diff
from novelray.corpus.report.words import Words


class Reader(HTMLParser):
    """Elements with their attributes, the visible words, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in ("meta", "input"):
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == name]


def in_language(html: str, language: str) -> str:
    """The part of the page that is shown in one language."""
    zh, en = html.index('class="in-zh"'), html.index('class="in-en"')
    return html[zh:en] if language == "zh" else html[en:]


def test_every_element_is_closed_and_every_id_is_used_once():
    read = Reader(page(full_report()))
    assert not read.open
    ids = [a["id"] for _, a in read.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"].removeprefix("#") for a in read.named("a")} <= set(ids)


def test_the_sections_come_in_the_order_in_which_they_are_read():
    ids = [a["id"] for a in Reader(page(full_report())).named("section")]
    order = ["verdict", "shelf", "removed", "changed", "duplicates", "quality", "excerpts", "augment", "labels",
             "volume", "quarantine", "heldout"]  # fmt: skip
    assert ids == [f"{key}-{language}" for language in ("zh", "en") for key in order]


@pytest.mark.parametrize("html", [page(full_report()), page({})])
def test_nothing_is_loaded_from_outside_and_nothing_runs(html):
    read = Reader(html)
    assert not {"script", "link", "img", "iframe", "object"} & {name for name, _ in read.elements}
    addresses = [v for _, a in read.elements for k, v in a.items() if k in ("src", "href", "action", "data", "srcset")]
    assert all(address.startswith("#") for address in addresses)
    assert not [a for _, a in read.elements if any(key.startswith("on") for key in a)]
    assert not re.search(r"url\(|@import|https?://", html)


def test_a_title_that_is_markup_is_shown_as_text():
    read = Reader(page(full_report()))
    assert "<script>document.title='owned'</script>" in "".join(read.words)
    assert "<script" not in page(full_report()).lower()


def test_markup_in_every_string_of_the_report_is_shown_as_text():
    def poison(value):
        if isinstance(value, dict):
            return {key + "<b>": poison(v) for key, v in value.items()} | {key: poison(v) for key, v in value.items()}
        if isinstance(value, list):
            return [poison(item) for item in value]
        return f'{value}"><script>1</script>' if isinstance(value, str) else value

    html = page(poison(full_report()))
    assert "<script" not in html
    assert not Reader(html).open
    assert "<b>" not in re.sub(r"<b>(?=[^<]*</b>)", "", html)


def test_characters_that_break_or_reorder_a_page_are_replaced():
    report = full_report()
    report["books"][0]["title"] = "a\x00b\ud800c\u202ed\ue0001"
    html = page(report)
    html.encode()
    assert "a�b�c�d�1" in html


@pytest.mark.parametrize("section", SECTIONS, ids=[s[0] for s in SECTIONS])
def test_an_absent_section_says_in_one_line_why_it_is_empty(section):
    key, _, _, make = section
    html = make({}, Words("en"))
    if key == "verdict":
        assert "cannot be said" in html
    else:
        assert "<" not in html
        assert html.endswith(".")


@pytest.mark.parametrize("key", sorted(full_report()))
def test_the_page_stands_without_any_one_part(key):
    report = full_report()
    del report[key]
    assert not Reader(page(report)).open


@pytest.mark.slow
def test_values_of_the_wrong_kind_do_not_break_the_page():
    for wrong in (None, "x", [None], {"a": None}, float("nan")):
        for key in full_report():
            assert not Reader(page({**full_report(), key: wrong})).open


def test_missing_or_wrong_fields_of_a_row_do_not_break_the_page():
    def spoil(value, wrong):
        if isinstance(value, dict):
            return {k: spoil(v, wrong) for k, v in value.items()}
        return [spoil(v, wrong) for v in value[:2]] if isinstance(value, list) else wrong

    for wrong in (None, float("inf"), "x", -1, [], {}):
        assert not Reader(page(spoil(full_report(), wrong))).open


def test_the_page_is_in_the_language_of_most_chapters():
    assert '<html lang="zh-Hans">' in page({"languages": {"zh": 10, "en": 2}})
    assert '<html lang="en">' in page({"languages": {"zh": 2, "en": 10}})
    assert '<html lang="zh-Hans">' in page({"languages": {"en": 10}}, "zh")
    with pytest.raises(ValueError, match="klingon"):
        page({}, "klingon")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_one_radio_button_is_chosen_and_it_is_the_shown_language(language):
    buttons = [a for a in Reader(page(full_report(), language)).named("input") if a["type"] == "radio"]
    assert [a["id"] for a in buttons if "checked" in a] == [f"show-{language}"]


def test_chinese_is_punctuated_as_chinese():
    html = in_language(page(full_report(), "zh"), "zh")
    ours = re.sub(r"<(blockquote|pre|small)[^>]*>.*?</\1>", "", html, flags=re.S)
    said = " ".join(Reader("<div " + ours.removesuffix("<div ")).words)
    assert not re.findall(r"[\u4e00-\u9fff][,;:!?(]|[,;:!?)][\u4e00-\u9fff]", said)


def test_figures_have_thousands_separators_and_steps_of_their_language():
    zh, en = Words("zh"), Words("en")
    assert zh.count(1_234_567) == en.count(1_234_567) == "1,234,567"
    assert (zh.big(80_000_000), en.big(80_000_000)) == ("8,000 万", "80 M")
    assert (zh.big(215_000_000), en.big(2_100)) == ("2.15 亿", "2.1 K")
    assert (en.count(1, en="book"), en.count(2, en="story")) == ("1 book", "2 stories")
    assert (en.share(0.00001), en.share(0), en.share(0.123)) == ("< 0.1 %", "0.0 %", "12.3 %")
    assert (en.share(None), en.score(float("nan")), zh.big("x")) == ("–", "–", "–")


def test_charts_have_names_and_tables_have_headings():
    read = Reader(page(full_report()))
    assert all(a.get("aria-label") and a.get("role") == "img" for a in read.named("svg"))
    assert len(read.named("title")) > len(read.named("svg"))
    assert len(read.named("caption")) == len(read.named("table"))
    assert all(a.get("scope") in ("col", "row") for a in read.named("th"))


def test_the_account_says_whether_it_adds_up():
    report = full_report()
    assert "adds up" in in_language(page(report), "en")
    report["accounting"]["kept"] -= 5
    assert "does not add up: 5 missing" in in_language(page(report), "en")
    assert "账目不符，差 5" in in_language(page(report), "zh")


def test_the_verdict_follows_the_objective_and_the_gates():
    report = {"objective": {"name": "style", "tokens": 90, "wanted": 80, "enough": True}, "gates": []}
    assert "This corpus is enough." in page(report)
    report["gates"] = [{"name": "arc", "value": 0.1, "target": 0.5, "passed": False, "explanation": "x", "detail": {}}]
    assert "Enough text, but not every gate is passed." in page(report)
    assert "Not enough yet." in page({"objective": {**report["objective"], "enough": False}})


def test_known_sentences_of_other_parts_are_said_in_chinese():
    html = in_language(page(full_report(), "zh"), "zh")
    for sentence in ("“第十四回”之前缺 13", "意思走样", "平均 κ 为 0.20，低于 0.60", "没有多数意见", "人工精选"):
        assert sentence in html


def test_a_diff_shows_what_went_and_what_came():
    assert (
        inline_diff("他说,好", "他说，好", "zh") == '<blockquote lang="zh">他说<del>,</del><ins>，</ins>好</blockquote>'
    )
    assert inline_diff("a<b", "a>b") == '<blockquote lang="en">a<del>&lt;</del><ins>&gt;</ins>b</blockquote>'


def test_markup_is_only_what_was_made_as_markup():
    assert tag("p", "<i>", tag("b", "x"), None, title='"') == '<p title="&quot;">&lt;i&gt;<b>x</b></p>'
    assert text(text("<")) == "&lt;"


def test_ten_thousand_books_fit_into_a_page_that_points_to_the_rest():
    report = full_report()
    report["books"] = [
        {**copy.deepcopy(report["books"][i % 6]), "book": f"b{i}", "look": [{"code": "style", "value": 0.2}]}
        for i in range(10_000)
    ]
    pairs = [{**report["duplicates"]["chapters"][0], "removed": f"x:{i}"} for i in range(20_000)]
    report["duplicates"]["chapters"] = pairs
    report["quarantine"] = report["quarantine"] * 2_000
    html = page(report)
    assert len(html.encode()) < 2_000_000
    assert "200 of 10,000 are shown; report.json has them all." in html
    assert "10,000 条中的 200 条" in html


def test_the_books_to_look_at_are_shown_even_where_not_all_books_are():
    report = full_report()
    plain = {**report["books"][0], "look": []}
    report["books"] = [{**plain, "title": f"t{i}"} for i in range(500)]
    report["books"][499]["look"] = [{"code": "arc", "value": 0.1}]
    english = in_language(page(report), "en")
    assert english.index(">t499<") < english.index(">t0<")


def test_the_page_is_the_same_for_the_same_report():
    assert page(full_report()) == page(full_report())


def test_nested_elements_stay_in_order():
    html = page(full_report())
    places = [html.index(f'id="{key}-zh"') for key, *_ in SECTIONS]
    assert all(a < b for a, b in pairwise(places))
    assert HOSTILE not in html
