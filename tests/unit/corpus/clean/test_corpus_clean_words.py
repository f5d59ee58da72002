"""Corrections of words: the confusion set, the user's tables, the script, English spelling; and what names are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelray.corpus.clean import clean
from novelray.corpus.clean.confusion_table import TABLE
from novelray.corpus.clean.spelling_table import pairs
from novelray.corpus.clean.tables import table_digests
from novelray.errors import CorpusError
from novelray.recipe.clean import CleanSection


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_each_phrase_of_the_confusion_set_is_corrected_for_good_and_counted(row):
    wrong, right = row[:2]
    text, changes = clean(f"他想，{wrong}，便说。")
    assert (text, changes["confusions"]) == (f"他想，{right}，便说。", 1)
    assert clean(text) == (text, {})


def test_the_confusion_set_is_left_out_on_request():
    assert clean("他迫不急待", CleanSection(confusions=False)) == ("他迫不急待", {})


@pytest.mark.parametrize(
    "text",
    [
        "有时侯爷也来",
        "早年的时侯景已死", "气侯爷不过", "他知早己所为", "赌搏斗之力", "班驳回了他的话", "能自已的人",
        "修按装订的次序", "马松驰骋", "汉脉博大",
    ],
)  # fmt: skip
def test_a_phrase_that_is_right_where_it_stands_is_left_alone(text):
    assert clean(text) == (text, {})


def test_a_name_that_the_book_shows_to_be_one_is_kept_and_counted():
    text = "那人名叫粗旷。粗旷先生来了。粗旷道：“好。”他生得粗旷。"
    assert clean(text) == (text, {"names_kept": 4})
    assert clean("他生得粗旷。")[0] == "他生得粗犷。"


def test_the_users_names_are_never_corrected_nor_any_part_of_them(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("# 人名\n寒喧山\n", "utf-8")
    section = CleanSection(names=("赵陷井",), names_file=str(file))
    text = "赵陷井到了寒喧山，寒喧已毕。"
    assert clean(text, section) == ("赵陷井到了寒喧山，寒暄已毕。", {"confusions": 1, "names_kept": 2})


def test_the_users_corrections_go_before_ours(tmp_path):
    file = tmp_path / "table.tsv"
    file.write_text("\ufeff# wrong and right\n粗旷\t粗心旷达\n宝裕\t宝玉\n", "utf-8")
    text, changes = clean("宝裕生得粗旷。", CleanSection(corrections=str(file)))
    assert (text, changes) == ("宝玉生得粗心旷达。", {"confusions": 2})


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("宝裕 宝玉", "no correction"),
        ("裕\t玉", "no correction"),
        ("宝裕\t宝玉裕\n玉裕\t玉", "contains"),
        (None, "cannot be read"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_table_that_is_none_says_which_line_and_what_to_do(tmp_path, table, words):
    file = tmp_path / "table.tsv"
    if table is not None:
        file.write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(CorpusError, match=words) as raised:
        clean("宝裕", CleanSection(corrections=str(file)))
    assert raised.value.hint


@pytest.mark.parametrize(
    ("script", "before", "after"),
    [
        (
            "simplified",
            "乾隆皇帝的頭髮乾淨，他對後宮的皇后說：「發財！」",
            "乾隆皇帝的头发干净，他对后宫的皇后说：「发财！」",
        ),
        ("traditional", "干净的头发，皇后在后面发现了一里外的里面", "乾淨的頭髮，皇后在後面發現了一里外的裏面"),
        ("simplified", "楊聯陞收了束脩", "杨联陞收了束脩"),
        ("simplified", "其數不可貲計", "其数不可赀计"),  # OpenCC's phrase leaves 計
    ],
)
def test_a_script_is_converted_by_phrases_and_only_once(script, before, after):
    section = CleanSection(script=script)
    text, changes = clean(before, section)
    assert text == after
    assert changes["script"] > 0
    assert clean(text, section) == (after, {})


@pytest.mark.parametrize(
    ("script", "text"), [("simplified", "皇后在后面，打坏了云朵"), ("traditional", "皇后說：「雲裏」")]
)
def test_a_text_in_the_wanted_script_is_left_alone(script, text):
    assert clean(text, CleanSection(script=script)) == (text, {})


def test_english_is_written_in_one_spelling_with_its_case():
    text = "The colour of honour. COLOUR! Colour me grey, whilst travelling to the theatre."
    american = "The color of honor. COLOR! Color me gray, while traveling to the theater."
    assert clean(text, CleanSection(english_spelling="american")) == (american, {"spelling": 8})
    assert clean("a gray color", CleanSection(english_spelling="british")) == ("a grey colour", {"spelling": 2})
    assert clean(text) == (text, {})


def test_english_names_are_not_respelled():
    text = "Mr. Gray sailed from Pearl Harbor. Gray was tired, and the sky was gray."
    after, changes = clean(text, CleanSection(english_spelling="british"))
    assert after == "Mr. Gray sailed from Pearl Harbor. Gray was tired, and the sky was grey."
    assert changes == {"spelling": 1, "names_kept": 3}
    named = CleanSection(english_spelling="american", names=("Honour Blackwood",))
    assert clean("Honour Blackwood has honour.", named)[0] == "Honour Blackwood has honor."


def test_a_table_that_was_edited_is_read_again(tmp_path):
    file = tmp_path / "table.tsv"
    section = CleanSection(corrections=str(file))
    file.write_text("宝裕\t宝玉\n", "utf-8")
    first = table_digests(section)
    assert clean("宝裕", section)[0] == "宝玉"
    file.write_text("宝裕\t宝钗儿\n", "utf-8")
    assert clean("宝裕", section)[0] == "宝钗儿"
    assert table_digests(section) != first


@pytest.mark.parametrize("wanted", ["british", "american"])
def test_no_spelling_is_respelled_twice(wanted):
    table = pairs(wanted)
    assert len(table) > 300
    assert not set(table) & set(table.values())


PIECES = ["自已", "的时侯", "伺侯", "粗旷", "名叫", "先生", "於戲", "乾隆", "束脩", "後", "发", "colour", "Gray ",
          "Mr. ", "。", "“", "”", "\n", " ", ",",
          "...", "．", "Ã©", "ÖÐ¹ú", "锛", "屾", "\u200b", "e\u0301", "x"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join), st.sampled_from(["simplified", "traditional"]),
       st.sampled_from(["british", "american"]))  # fmt: skip
def test_cleaning_twice_is_cleaning_once_whatever_is_asked_for(text, script, spelling):
    section = CleanSection(script=script, english_spelling=spelling)
    once, _ = clean(text, section)
    assert clean(once, section)[0] == once
