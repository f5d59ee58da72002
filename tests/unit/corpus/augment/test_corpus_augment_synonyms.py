"""Synonyms: only words of the table change, never names, speech or what says who speaks; the seed decides."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.augmenting import synonyms

from novelray.corpus.augment.synonyms import replace_words
from novelray.corpus.augment.thesaurus import load_thesaurus
from novelray.errors import CorpusError

ZH = {"慢慢": ("缓缓", "徐徐"), "声音": ("声响",), "开始": ("着手",), "平安": ("安宁",), "高兴": ("欢喜",)}
CLAUSES = [
    "雨慢慢停了。", "远处有声音传来。", "“慢慢说，声音小些。”", "她高兴地笑道：“开始吧。”", "平安冷笑道：“走。”",
    "门前十分平安，", "「開始罷」，他慢慢地說。", "船家开始收拾。", "玄德曰：慢慢商议。", "\n", "众人都很高兴。",
]  # fmt: skip
EN = [
    "He walked slowly toward the garden.", "“Speak slowly,” she whispered slowly.", "Grace had a garden.", "\n\n",
    "It was a quick walk, and grace in every step.", "The old man said, “A garden!” and began to laugh.",
]  # fmt: skip
ENGLISH_LIST = (
    "slowly/r\tunhurriedly\ngarden/n\torchard\ngrace/n\televelegance charm\nwalk/v\tstroll\nwalk/n\tstroll\n"
    "quick/a\trapid\nlaugh/v\tchuckle\nwhisper/v\tmurmur\nbegin/v\tstart\n"
)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    lines = [f"{word}\t{' '.join(found)}" for word, found in ZH.items()]
    (folder / "zh.txt").write_text("\n".join(lines), "utf-8")
    (folder / "en.txt").write_text(ENGLISH_LIST, "utf-8")
    return {"zh": load_thesaurus((str(folder / "zh.txt"),)), "en": load_thesaurus((str(folder / "en.txt"),))}


def replaced(text, thesaurus, language="zh", rate=0.5, dialogue=False, seed=1):
    return replace_words([text], language, thesaurus, rate, dialogue, random.Random(seed))[0]


@given(st.lists(st.sampled_from(CLAUSES), max_size=12), st.integers(0, 99))
def test_only_words_of_the_table_change_and_only_into_their_synonyms(tables, chosen, seed):
    text = "".join(chosen)
    after = replaced(text, tables["zh"], seed=seed)
    pattern = re.escape(text)
    for word, found in tables["zh"].zh.items():
        pattern = pattern.replace(re.escape(word), f"(?:{word}|{'|'.join(found)})")
    assert re.fullmatch(pattern, after)


@given(st.lists(st.sampled_from(CLAUSES), max_size=12), st.integers(0, 99))
def test_speech_and_what_says_who_speaks_stay_as_they_are(tables, chosen, seed):
    after = replaced("".join(chosen), tables["zh"], seed=seed)
    for clause in (
        "“慢慢说，声音小些。”",
        "她高兴地笑道：“开始吧。”",
        "「開始罷」，他慢慢地說。",
        "玄德曰：慢慢商议。",
    ):
        assert after.count(clause) == "".join(chosen).count(clause)


@given(st.lists(st.sampled_from(EN), max_size=8), st.integers(0, 99))
def test_in_english_too_speech_its_tags_and_names_stay(tables, chosen, seed):
    text = " ".join(chosen)
    after = replaced(text, tables["en"], "en", seed=seed)
    for clause in ("“Speak slowly,” she whispered slowly.", "said, “A garden!” and began to laugh.", "Grace had"):
        assert after.count(clause) == text.count(clause)
    known = {w for line in ENGLISH_LIST.split() for w in (line, line.partition("/")[0])} | {"walked", "strolled"}
    words = zip(re.findall(r"\w+", text), re.findall(r"\w+", after), strict=True)
    assert all({one, other} <= known | {"a", "an"} for one, other in words if one != other)


def test_a_word_that_is_somebodys_name_here_is_not_replaced_anywhere_in_the_chapter(tables):
    scenes = ["平安冷笑道：“走。”", "路上都是平安的脚印，声音很大，雨慢慢停了，船家开始收拾。"]
    after = replace_words(scenes, "zh", tables["zh"], 0.5, False, random.Random(1))
    assert after[0] == scenes[0]
    assert "平安的脚印" in after[1]
    assert after[1] != scenes[1]
    for name in ("他名叫平安。平安走了。", "平安姑娘走了。门口站着平安。"):
        assert replaced(name, tables["zh"]) == name
    assert replaced("门前十分平安，他很高兴。门前十分平安，他很高兴。", tables["zh"]) != "门前十分平安，他很高兴。" * 2


def test_the_words_of_speech_are_replaced_only_when_asked_for_and_its_tags_even_then_not(tables):
    text = "他慢慢地说：“声音小些，慢慢来，开始吧。”\n"
    assert replaced(text, tables["zh"]) == text
    opened = {replaced(text, tables["zh"], dialogue=True, seed=seed) for seed in range(20)}
    assert all(one.startswith("他慢慢地说：“") for one in opened)
    assert any("声响" in one for one in opened)


def test_the_seed_decides_and_the_rate_is_kept(tables):
    text = "雨慢慢停了，声音传来，船家开始收拾，众人都很高兴。" * 20
    made = [replaced(text, tables["zh"], rate=0.1, seed=seed) for seed in range(5)]
    assert made == [replaced(text, tables["zh"], rate=0.1, seed=seed) for seed in range(5)]
    assert len(set(made)) == 5
    import rjieba

    words = [w for w in rjieba.cut(text) if w.isalnum()]
    changed = sum(a != b for a, b in zip(rjieba.cut(text), rjieba.cut(made[0]), strict=True))
    assert 0 < changed <= 0.1 * len(words)


def test_english_words_keep_their_form_and_the_article_follows(tables):
    text = "He walked on. There was a garden, and he was walking past it slowly, laughing at a quick dog. " * 3
    found = {replaced(text, tables["en"], "en", seed=seed) for seed in range(30)}
    together = " ".join(found)
    assert "strolled" in together
    assert "strolling" in together
    assert "chuckling" in together
    assert "an orchard" in together
    assert "a orchard" not in together


def test_words_of_the_other_script_are_found_too(tables):
    assert replaced("遠處有聲音傳來，船家開始收拾。" * 3, tables["zh"]) != "遠處有聲音傳來，船家開始收拾。" * 3


def test_names_of_persons_and_places_in_a_list_are_left_out(tmp_path):
    (tmp_path / "list.txt").write_text("北京\t首都\n刘备\t玄德\n漂亮\t好看\n", "utf-8")
    assert set(load_thesaurus((str(tmp_path / "list.txt"),)).zh) & {"北京", "刘备", "漂亮"} == {"漂亮"}


CILIN = "Aa01A01= 人士 人物 人选\nAa01A02= 人类 生人 全人类\nBb02B02# 桌子 椅子\nCa01A01= 人物 角色\nDa01A01@ 独一\n"
OMW = "# Chinese Open Wordnet\tcmn\n00001740-n\tcmn:lemma\t实体+物\n00002137-v\tlemma\t呼吸\n00002137-v\tlemma\t喘息\n"


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-8-sig"])
def test_cilin_is_read_where_a_word_has_one_meaning(tmp_path, encoding):
    (tmp_path / "cilin.txt").write_bytes(CILIN.encode(encoding))
    table = load_thesaurus((str(tmp_path / "cilin.txt"),)).zh
    assert table["人士"] == ("人物", "人选")
    assert {"人物", "桌子", "独一"}.isdisjoint(table)  # two meanings; related only; alone


def test_an_open_multilingual_wordnet_is_read(tmp_path):
    (tmp_path / "cmn.tab").write_text(OMW, "utf-8")
    assert load_thesaurus((str(tmp_path / "cmn.tab"),)).zh["呼吸"] == ("喘息",)


def wordnet(folder):
    """The folder of WordNet with one verb of two senses, as wndb(5WN) lays it out."""
    licence = "  1 This software and database is being provided\n"
    data = f"{licence}00000100 30 v 02 begin 0 start 0 000 01 + 02 00 | first\n"
    data += "00000200 30 v 02 begin 1 originate 0 000 | x\n"
    index = f"{licence}begin v 2 1 @ 2 1 00000100 00000200  \nstart v 1 0 1 1 00000100  \n"
    for part in ("noun", "verb", "adj", "adv"):
        (folder / f"data.{part}").write_text(data if part == "verb" else licence, "utf-8")
        (folder / f"index.{part}").write_text(index if part == "verb" else licence, "utf-8")


def test_the_dict_folder_of_wordnet_is_read_with_each_words_commonest_sense(tmp_path):
    wordnet(tmp_path)
    table = load_thesaurus((str(tmp_path),)).en
    assert table == {"begin": {"v": ("start",)}, "start": {"v": ("begin",)}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"word synonym\n", "has no tab"),
        (b"\xff\xfe\x00\xd8\xff", "is no text"),
        (b"# nothing\n", "no synonyms in"),
        (None, "no synonym file"),
    ],
)
def test_a_file_that_holds_no_synonyms_is_refused_with_why(tmp_path, content, said):
    if content is not None:
        (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(CorpusError, match=said):
        load_thesaurus((str(tmp_path / "list.txt"),))


def test_several_files_are_joined(tmp_path):
    (tmp_path / "more.txt").write_text("声音\t音响\n", "utf-8")
    table = load_thesaurus((str(synonyms(tmp_path)), str(tmp_path / "more.txt")))
    assert table.zh["声音"] == ("声响", "音响")
    assert table.languages == ("zh",)
