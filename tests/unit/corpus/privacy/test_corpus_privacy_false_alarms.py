"""Novels have next to nothing that is taken for personal data, and what only looks like it is left alone."""

from __future__ import annotations

from random import Random

import pytest
import stdnum.cn.ric
import stdnum.isbn
import stdnum.luhn

from novelray.corpus.clean import clean
from novelray.corpus.privacy import find
from novelray.corpus.read import BookMeta, read_books
from novelray.recipe.read import ReadSection

MOST = 1 / 100_000
"""False alarms per character of novels."""


def alarms(text):
    return [(f.kind, text[max(0, f.start - 10) : f.end + 10]) for f in find(text)]


def test_chinese_novels_give_hardly_a_false_alarm(novels):
    found, size = [], 0
    for path in sorted(novels.glob("zh*/*.txt")):
        text = path.read_text("utf-8", errors="ignore")
        found, size = found + alarms(text), size + len(text)
    print(f"{len(found)} false alarms in {size} characters")
    assert size > 5_000_000
    assert len(found) <= MOST * size, found


@pytest.mark.slow
def test_all_the_books_give_at_most_one_false_alarm_in_100_000_characters(novels):
    found, size = [], 0
    for path in sorted(p for p in novels.rglob("*") if p.is_file() and p.name != "README.md"):
        for book in read_books(path, path.name, BookMeta(), ReadSection()):
            text, _ = clean(book.text)
            found, size = found + alarms(text), size + len(text)
    print(f"{len(found)} false alarms in {size} characters: {len(found) / size * 1e5:.3f} per 100,000")
    assert size > 11_000_000
    assert len(found) <= MOST * size, found


@pytest.mark.parametrize(
    "text",
    [
        "一九四九年十月一日，二○一二年十二月三十一日", "1861年、1862年、1863年，公元2019-2020年", "生于1881-1936年",
        "第1234567回 灵根育孕", "第13812345678章", "见第123-456页", "pp. 123-145, 201-210", "Chapter 12 The Storm",
        "一个筋斗便有十万八千里", "高经十二丈，方经二十四丈顽石三万六千五百零一块",
        "一二三四五六七八九十，十九八七六五四三二一", "一百零八将，三十六天罡，七十二地煞", "价格¥13812345678元",
        "共15000000000元", "他有13800000000块钱", "费银12345678两", "£1,000,000 a year", "5,000,000,000 souls",
        "in 1813 and 1815, 1816, 1817", "No. 221, 222, 223", "3.1415926535897932", "2019年12月31日23:59:59",
        "2024-01-15 10:30", "1600-1616-1643", "1 Corinthians 13:4-7", "版本1.2.3.4", "v10.20.30.40",
        "room 12, House of Commons", "He went to 12 Baker Street.", "221B Baker Street was cold that night.",
        "住在西门大街第三家", "南门外十字街口", "三更时分到了五里铺十八号船上", "第二号人物", "请到三楼二号房间",
        "微信里说得明白", "QQ车开过来了", "他在电报局里", "用一封电报：速归", "telegram from London at 1850",
        "Line: he wrote", "他的@不见了", "C# 4 语言", "12345678901234567890", "电话响了1234下",
        "一三五七九一三五七九一三五七",
    ],
)  # fmt: skip
def test_what_only_looks_like_personal_data_is_left_alone(text):
    assert alarms(text) == []
    assert alarms("他说" + text + "，便走了。") == []


def test_an_isbn_is_no_card_and_no_telephone_number():
    assert stdnum.isbn.is_valid("978-7-02-000220-7")
    for isbn in ("978-7-02-000220-7", "9787020002207", "ISBN 9787020002207", "7-02-000220-X", "书号：9787020002207"):
        assert alarms(f"人民文学出版社{isbn}") == []


def test_identity_numbers_with_a_wrong_check_digit_or_date_are_left_alone():
    random, tried = Random(5), 0
    for _ in range(300):
        number = f"110101{random.randint(1940, 2010)}{random.randint(1, 12):02}{random.randint(1, 28):02}"
        number += f"{random.randrange(1000):03}"
        right = stdnum.cn.ric.calc_check_digit(number + "0")
        wrong = random.choice([c for c in "0123456789X" if c != right])
        tried += bool(alarms(f"号{number}{right}呢"))
        assert alarms(f"号{number}{wrong}呢") == []
    assert tried == 300
    impossible = "11010119871345123"  # the thirteenth month
    assert alarms(impossible + stdnum.cn.ric.calc_check_digit(impossible + "0")) == []


def test_card_numbers_with_a_wrong_check_digit_are_left_alone():
    random = Random(6)
    for _ in range(300):
        number = random.choice(["622202", "4", "51", "6217"]) + "".join(random.choice("0123456789") for _ in range(15))
        number = number[:15]
        right = stdnum.luhn.calc_check_digit(number)
        wrong = random.choice([c for c in "0123456789" if c != right])
        assert [kind for kind, _ in alarms(f"卡号{number}{right}。")] == ["bank_card"]
        assert alarms(f"卡号{number}{wrong}。") == []
        assert alarms(" ".join((number + wrong)[i : i + 4] for i in range(0, 16, 4))) == []
