"""What is promised of text that has lost bytes: it goes, whole sentences of it, and nothing else does."""

from __future__ import annotations

import random

import pytest

from novelray.corpus.clean import clean
from novelray.corpus.clean.damaged import without_damage
from novelray.corpus.read import BookMeta, read_books
from novelray.recipe.clean import CleanSection
from novelray.recipe.read import ReadSection

SENTENCES = (
    "那一日天色将晚，众人各自散去，只有他一个人坐在灯下。",
    "她推开门，院子里静得很，雨还没有停。",
    "掌柜的抬起头来，问他要不要再添一壶酒。",
)
STORY = "".join(f"    {a}{b}{c}\n" for a in SENTENCES for b in SENTENCES for c in SENTENCES) * 20


def shifted(text: str) -> str:
    """Read one byte off and two bytes at a time, as GB behind a lost byte was; a question mark for what is none."""
    data = text.encode("gb2312")[1:-1]
    pairs = (data[i : i + 2].decode("gb2312", "replace") for i in range(0, len(data), 2))
    return "".join("?" if "\ufffd" in pair else pair for pair in pairs)


def test_sentences_behind_a_lost_byte_are_taken_out_and_their_neighbours_stay():
    lost = shifted("曹操见父亲被害，咬牙切齿，起大军洗荡徐州，为父报仇，众将无不领命，即日起行，杀奔前来")
    assert lost.count("?") >= 3
    before = STORY + f"    {SENTENCES[0]}特差都尉{lost}。{SENTENCES[1]}\n" + STORY
    assert without_damage(before) == STORY + f"    {SENTENCES[0]}{SENTENCES[1]}\n" + STORY


def test_the_characters_taken_out_are_counted_and_the_recipe_may_keep_them():
    lost = shifted("曹操见父亲被害，咬牙切齿，起大军洗荡徐州，为父报仇，众将无不领命，即日起行，杀奔前来")
    before = f"{STORY}    {lost}。\n{STORY}"
    after, changes = clean(before, CleanSection())
    assert changes["damaged"] == len(before) - len(without_damage(before)) > 30
    assert lost[:9] not in after
    assert "damaged" not in clean(before, CleanSection(damaged=False))[1]


@pytest.mark.parametrize(
    "text",
    [
        "他问：谁?你?还是他?都不是?那是谁?没有人回答?" * 30,  # a text whose question marks are ASCII
        "Who? Why? What? When? Nobody knew? " * 50,
        "?" * 500,
        "",
    ],
    ids=["ascii", "english", "marks", "nothing"],
)
def test_question_marks_alone_are_no_damage(text):
    assert without_damage(text) == text


def test_the_damage_in_real_novels_is_found_and_ordinary_novels_have_none(novels):
    found = {}
    for path in sorted(novels.glob("zh*/*.txt")):
        [book] = read_books(path, path.name, BookMeta(), ReadSection())
        found[path.stem] = len(book.text) - len(without_damage(book.text))
    assert {name for name, gone in found.items() if gone} == {"三国演义", "红楼梦"}
    assert 4_000 < found["三国演义"] < 6_000
    assert 200 < found["红楼梦"] < 600


def test_damage_is_found_in_time_in_proportion_to_the_text():
    chance = random.Random(1)
    noise = "".join(chance.choice("亓亍兀丐廿卅丕亘丞鬲孬噩丨禺丿匕乇夭爻?") for _ in range(400_000))
    assert len(without_damage(noise)) <= len(noise)
