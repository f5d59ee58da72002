"""What becomes of personal data: masked, dropped with its line or sentence, or only counted; the rest stays."""

from __future__ import annotations

from random import Random

import pytest
from insertions import CHINESE
from planting import plant

from novelray.corpus.privacy import protect
from novelray.corpus.privacy.protect import WORDS
from novelray.recipe.privacy import PrivacySection

MASK, DROP, KEEP = (PrivacySection(data=data) for data in ("mask", "drop", "keep"))


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("phone", "电话13812345678给我", "电话【电话】给我"),
        ("phone", "電話13812345678給我，這是說好的", "電話【電話】給我，這是說好的"),
        ("phone", "打１３８１２３４５６７８找他", "打【电话】找他"),
        ("phone", "他念道：“幺三八零零一三八零零零。”", "他念道：“【电话】。”"),
        ("phone", "call (212) 555-0123 now", "call [phone] now"),
        ("email", "写信到li.lei@example.com吧", "写信到【邮箱】吧"),
        ("email", "写信到ｌｉ＠ｅｘａｍｐｌｅ．ｃｏｍ吧", "写信到【邮箱】吧"),
        ("id_number", "身份证11010519491231002X号", "身份证【证件号】号"),
        ("id_number", "身份证１１０１０５１９４９１２３１００２Ｘ号", "身份证【证件号】号"),
        ("id_number", "2019 11010519491231002X", "2019 [id number]"),
        ("id_number", "his number 536-22-5678 was", "his number [id number] was"),
        ("bank_card", "卡号6222 0212 3456 7894啊", "卡号【银行卡号】啊"),
        ("bank_card", "打给4111111111111111就行", "打给【银行卡号】就行"),
        ("address", "他住北京市海淀区中关村大街27号1205室，很远", "他住【地址】，很远"),
        ("address", "寄到河南省周口市沈丘县槐店镇东关村3组12号吧", "寄到【地址】吧"),
        ("address", "at 221B Baker Street, London NW1 6XE again", "at [address] again"),
        ("messenger", "加我微信xiaoming_88聊", "加我微信【账号】聊"),
        ("messenger", "加他QQ：123456789", "加他QQ：【账号】"),
        ("messenger", "加他VX：moonlight", "加他VX：【账号】"),
        ("passport", "护照号E12345678丢了", "护照号【护照号】丢了"),
        ("ip_address", "服务器192.168.11.20断了", "服务器【网络地址】断了"),
        ("ip_address", "服务器2001:db8:eb2::efcf断了", "服务器【网络地址】断了"),
    ],
)
def test_each_kind_is_masked_by_a_word_in_the_language_around_it(kind, before, after):
    assert protect(before, MASK) == (after, {kind: 1})


def test_at_the_very_beginning_and_end_of_a_text_it_is_found_as_well():
    for text, word in (("13812345678", "[phone]"), ("a@b.io", "[email]"), ("北京市海淀区学院路8号", "【地址】")):
        assert protect(text, MASK)[0] == word


def test_a_masked_text_has_nothing_more_to_mask(novels):
    novel = (novels / "zh" / "西游记.txt").read_text("utf-8")[:300_000]
    for of_kind in plant(novel, CHINESE, 30, Random(1), latin=False).values():
        for one in of_kind:
            masked, counts = protect(one.text, MASK)
            assert counts.total() >= 1
            assert protect(masked, MASK) == (masked, {})


def test_masking_changes_nothing_but_the_data():
    before = "“先生，”他说，「你的号码是13812345678？」\n\n　　第二天，他写信到li@example.com。\r\n"
    after = "“先生，”他说，「你的号码是【电话】？」\n\n　　第二天，他写信到【邮箱】。\r\n"
    assert protect(before, MASK)[0] == after


def test_keep_only_counts():
    text = "电话13812345678，邮箱li@example.com，QQ：123456789"
    assert protect(text, KEEP) == (text, {"phone": 1, "email": 1, "messenger": 1})


def test_drop_takes_the_line_and_leaves_the_lines_beside_it():
    text = "他走了。\n加我微信xiaoming_88，电话13812345678。\n她来了。\n"
    assert protect(text, DROP) == ("他走了。\n她来了。\n", {"messenger": 1, "phone": 1})


def test_of_a_long_line_drop_takes_the_sentence_and_leaves_no_quotation_open():
    before, after = "月色很好。" * 100, "“好！”他说。" * 100
    text = f"{before}“我的电话是13812345678，记住。我走了。”{after}"
    left, counts = protect(text, DROP)
    assert counts == {"phone": 1}
    assert left == f"{before}“我走了。”{after}"


def test_drop_goes_by_the_length_of_line_that_the_recipe_says():
    text = "他坐下。电话13812345678。她也坐下。"
    assert protect(text, PrivacySection(data="drop", drop_line=5))[0] == "他坐下。她也坐下。"
    assert protect(text, PrivacySection(data="drop", drop_line=50))[0] == ""


def test_of_a_heading_drop_takes_only_the_data():
    text = "\ue0001第一章 电话13812345678\n他走了。"
    assert protect(text, DROP)[0] == "\ue0001第一章 电话【电话】\n他走了。"


def test_a_single_line_of_many_megabytes_is_searched_as_any_other():
    novel = "他说：“好。”便走了。" * 500_000
    text = f"{novel}电话13812345678。{novel}"
    masked, counts = protect(text, MASK)
    assert counts == {"phone": 1}
    assert masked == f"{novel}电话【电话】。{novel}"


def test_every_kind_has_a_word_in_each_language_that_is_no_personal_data_itself():
    for words in WORDS.values():
        assert len(words) == 3
        for word in words:
            assert protect(word, MASK) == (word, {})
