"""Text that was decoded wrongly once is repaired where it is, and text that was not is never touched."""

from __future__ import annotations

from random import Random

import ftfy.bad_codecs  # noqa: F401  registers sloppy-windows-1252, what Windows makes of bytes
import pytest

from novelray.corpus.clean import clean
from novelray.recipe.clean import CleanSection

NOVELS = ("zh/红楼梦.txt", "zh/西游记.txt", "zh-hant/兒女英雄傳.txt")
ACCIDENTS = {"UTF-8 as Latin-1": ("utf-8", "latin-1"), "GB18030 as Latin-1": ("gb18030", "latin-1")}


def passages(novels, file, count):
    text, _ = clean((novels / file).read_text("utf-8")[:600_000])
    lines = [
        part for line in text.split("\n") for part in (line[i : i + 200].strip() for i in range(0, len(line), 200))
    ]
    return Random(2).sample([clean(line)[0] for line in lines if len(line) > 15], count)


@pytest.mark.parametrize("file", NOVELS)
@pytest.mark.parametrize("accident", ACCIDENTS)
def test_broken_lines_of_chinese_novels_are_repaired_and_the_lines_beside_them_stay(novels, file, accident):
    encoding, wrong = ACCIDENTS[accident]
    repaired = 0
    for passage in passages(novels, file, 100):
        text = f"好的一行。\n{passage.encode(encoding).decode(wrong)}\n又是好的一行。"
        after, changes = clean(text)
        repaired += after == f"好的一行。\n{passage}\n又是好的一行。"
        assert after.startswith("好的一行。\n")
        assert after.endswith("\n又是好的一行。")
        assert changes["mojibake"] == 1
    assert repaired >= 98


def test_broken_quotes_and_dashes_of_english_novels_are_repaired(novels):
    text = clean((novels / "en" / "pride-and-prejudice.utf8.txt").read_text("utf-8"))[0]
    lines = [line.strip() for line in text.split("\n") if not line.isascii() and len(line) > 20][:200]
    for line in lines:
        for wrong in ("latin-1", "sloppy-windows-1252"):
            assert clean(line.encode().decode(wrong))[0] == line


@pytest.mark.parametrize(
    ("broken", "right"),
    [
        ("他说锛屾垜鏉ヤ簡", "他说锛屾垜鏉ヤ簡"),  # half a line is good: nothing is known of it
        ("â€œHello,â€\x9d he said.", "“Hello,” he said."),
        ("cafÃ© et thÃ©", "café et thé"),
        ("µÚÒ»»Ø ÕçÊ¿Òþ", "第一回 甄士隐"),
        ("他说：“ÎÒÀ´ÁË¡£”", "他说：“我来了。”"),
    ],
)
def test_known_accidents(broken, right):
    assert clean(broken)[0] == right


@pytest.mark.parametrize(
    "text",
    [
        "L'été où j'étais déjà là-bas, à côté du château, ça m'a plu: «Où êtes-vous?»",
        "ÉTÉ À LA MÉDITERRANÉE, ÊTRE NÉ À CÔTÉ", "Übergrößenträger müßten äußerst öfter üben", "ÄÖÜäöüß ÄÖÜ",
        "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿ", "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ",
        "Þórður Þorláksson sá ævintýrið",
        "“¿Qué? ¡Señor Ñuñoa! Año, está aquí”", "São João não é só coração: ações, lições", "它的价格是£20×3÷2±1°C",
        "“‘…’” — – ™ € ·×÷ ©®", "他姓锛，名銆。", "Āíéóúü lǚ xíng nǚ hái", "naïve façade, coöperate, Brontë",
        "ναι, όχι· и так далее", "¼ ½ ¾ ² ³ ¹ º ª",
    ],
)  # fmt: skip
def test_text_in_other_languages_and_signs_is_not_taken_for_broken(text):
    assert "mojibake" not in clean(text)[1]


def test_nothing_is_repaired_where_the_recipe_says_so():
    assert clean("cafÃ© et thÃ©", CleanSection(mojibake=False)) == ("cafÃ© et thÃ©", {})
