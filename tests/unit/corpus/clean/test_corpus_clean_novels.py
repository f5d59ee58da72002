"""Real novels come out of cleaning as the novels they are: dialogue, names and places untouched, and clean for good."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from novelray.corpus.clean import DIALOGUE_MARKS, clean
from novelray.recipe.clean import CleanSection

CHINESE = ("zh/三国演义.txt", "zh/红楼梦.txt", "zh/西游记.txt", "zh-hant/三俠五義.txt", "zh-hant/三國志演義.txt",
           "zh-hant/儒林外史.txt", "zh-hant/兒女英雄傳.txt", "zh-hant/聊齋志異.txt", "zh-hant/鏡花緣.txt",
           "zh-hant/二刻拍案惊奇.txt", "zh-hant/二刻拍案驚奇.txt")  # fmt: skip
ENGLISH = ("en/pride-and-prejudice.utf8.txt", "en/frankenstein.txt", "en/time-machine.utf8.txt",
           "en/war-of-the-worlds.utf8.txt", "en/sherlock-holmes.latin1.txt")  # fmt: skip
SCRIPTS = ("keep", "simplified", "traditional")
SPELLINGS = ("keep", "british", "american")

NAMES = {
    "zh/三国演义.txt": (
        "刘备 关羽 张飞 诸葛亮 曹操 孙权 夏侯惇 夏侯渊 吕布 貂蝉 赵云 周瑜 陆逊 司马懿 荀彧 蒯越 沮授 郃 于禁 "
        "诸侯 洛阳 长安 荆州 许昌 成都 赤壁 街亭 白帝城 虎牢关 襄阳"
    ),
    "zh/红楼梦.txt": (
        "宝玉 黛玉 宝钗 王熙凤 贾母 袭人 晴雯 贾雨村 甄士隐 薛蟠 妙玉 史湘云 鸳鸯 焦大 忠靖侯 临安伯 大荒山 "
        "青埂峰 荣国府 宁国府 大观园 潇湘馆 怡红院 蘅芜 栊翠庵 姑苏 金陵"
    ),
    "zh/西游记.txt": (
        "孙悟空 猪八戒 沙僧 唐僧 观音 哪吒 牛魔王 红孩儿 太上老君 玉帝 花果山 水帘洞 火焰山 高老庄 流沙河 "
        "傲来国 车迟国 女儿 盘丝洞 狮驼 灵山"
    ),
    "zh-hant/三俠五義.txt": ("包公 展昭 白玉堂 蔣平 盧方 韓彰 徐慶 歐陽春 智化 艾虎 龐吉 陷空島 開封府 茉花村 襄陽"),
    "zh-hant/儒林外史.txt": ("范進 周進 匡超人 杜少卿 馬二先生 嚴 虞育德 王冕 南京 莫愁湖 秦淮"),
    "zh-hant/鏡花緣.txt": ("唐敖 林之洋 多九公 唐小山 武則天 百花仙子 陰若花 君子國 女兒國 黑齒國 小蓬萊"),
    "en/pride-and-prejudice.utf8.txt": (
        "Elizabeth Darcy Bingley Wickham Collins Longbourn Netherfield Pemberley Meryton Rosings Hunsford "
        "Lucas Gardiner Gracechurch Lambton Kitty Catherine Georgiana Forster"
    ),
    "en/sherlock-holmes.latin1.txt": (
        "Holmes Watson Adler Lestrade Clair Roylott Moran Rucastle Whitney Briony Leatherhead Kilburn Eyford "
        "Streatham Baker Norton Armitage"
    ),
    "en/war-of-the-worlds.utf8.txt": (
        "Ogilvy Henderson Woking Horsell Weybridge Shepperton Leatherhead Chertsey Byfleet Elphinstone Stent "
        "Kingston Maybury"
    ),
    "en/frankenstein.txt": (
        "Frankenstein Clerval Walton Justine Geneva Ingolstadt Chamounix Krempe Waldman Felix Agatha"
    ),
}


def text_of(novels: Path, file: str) -> str:
    return (novels / file).read_text("latin-1" if "latin1" in file else "utf-8")


@pytest.mark.parametrize("file", CHINESE + ENGLISH)
def test_the_dialogue_of_a_novel_keeps_each_of_its_marks(novels, file):
    text = text_of(novels, file)
    after, changes = clean(text, CleanSection(damaged=False))
    assert [c for c in after if c in DIALOGUE_MARKS] == [c for c in text if c in DIALOGUE_MARKS]
    assert all(after.count(mark) >= text.count(mark) for mark in "，！？。：；、（）《》")
    assert "mojibake" not in changes


@pytest.mark.parametrize("file", [*CHINESE[:2], CHINESE[3], CHINESE[9], *ENGLISH[2:]])
@pytest.mark.parametrize(("script", "spelling"), list(zip(SCRIPTS, SPELLINGS, strict=True)))
def test_a_cleaned_novel_is_not_changed_again(novels, file, script, spelling):
    section = CleanSection(script=script, english_spelling=spelling)
    once, _ = clean(text_of(novels, file), section)
    again, changes = clean(once, section)
    assert again == once
    assert set(changes) <= {"names_kept"}


@pytest.mark.parametrize("file", NAMES)
def test_names_of_persons_and_places_are_never_corrected(novels, file):
    text = text_of(novels, file)
    for spelling in ("american", "british") if file.startswith("en/") else ("keep",):
        after, _ = clean(text, CleanSection(english_spelling=spelling, damaged=False))
        for name in NAMES[file].split(" "):
            assert text.count(name) > 0, name
            assert after.count(name) == text.count(name), name


def test_the_words_of_a_chinese_novel_change_only_where_a_phrase_was_wrong(novels):
    """红楼梦 has 伺侯, 的时侯, 问侯了 and 烦燥; all its other Hanzi stay."""
    text = text_of(novels, "zh/红楼梦.txt")
    after, changes = clean(text, CleanSection(damaged=False))
    before, hanzi = (re.sub("[^\u4e00-\u9fff]", "", t) for t in (text, after))
    different = [(a, b) for a, b in zip(before, hanzi, strict=True) if a != b]
    assert set(different) == {("侯", "候"), ("燥", "躁")}
    assert len(different) == changes["confusions"] == 31
