"""Back-translation: what is translated and what stays, what counts as a rendering, and models of several families."""

from __future__ import annotations

import importlib.util
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seq2seq_models import marian, nllb
from support.augmenting import NARRATION, PIVOT, RETURNED, tiny_translators

from novelray.corpus.augment.backtranslation import back_translate, plausible
from novelray.corpus.augment.seq2seq import Translator
from novelray.errors import ModelError


def reworded(sentences):
    return [s.replace("清晨", "早晨").replace("The road", "The path") for s in sentences]


def same(sentences):
    return list(sentences)


def there_and_back(text, language="zh", forward=same, back=reworded, blank=False, limit=200):
    scenes, kept = back_translate([text], language, blank, forward, back, limit)
    return scenes[0], kept


@given(st.text(st.sampled_from("清晨雨停了。！？，“”「」…—— \n"), max_size=80), st.integers(3, 30))
def test_what_comes_back_unchanged_leaves_the_text_as_it_was(text, limit):
    assert there_and_back(text, back=same, limit=limit)[0] == text


def test_quotation_marks_and_line_ends_stay_and_what_is_between_them_is_translated():
    seen = []
    text = "清晨下雨。“清晨你去哪里？”她问。\n　　——清晨，没有人。\n"
    after, kept = there_and_back(text, forward=lambda s: seen.extend(s) or list(s))
    assert after == "早晨下雨。“早晨你去哪里？”她问。\n　　——早晨，没有人。\n"
    assert kept == 0
    assert seen == ["清晨下雨。", "清晨你去哪里？", "她问。", "清晨，没有人。"]


def test_a_sentence_that_is_said_often_is_translated_once():
    seen = []
    there_and_back("清晨下雨。\n" * 9, forward=lambda s: seen.extend(s) or list(s))
    assert seen == ["清晨下雨。"]


def test_a_long_sentence_is_cut_at_commas_and_what_is_still_too_long_stays():
    seen = []
    text = f"清晨下雨，{'路' * 40}，天晴了。"
    after, _ = there_and_back(text, limit=20, forward=lambda s: seen.extend(s) or list(s))
    assert seen == ["清晨下雨，", "天晴了。"]
    assert after == text.replace("清晨", "早晨")


def test_english_sentences_are_found_behind_titles_and_wrapped_lines_are_joined():
    seen = []
    text = "Mr. Bennet left. The road\nwas wet.\n\nNobody came."
    after, _ = there_and_back(text, "en", blank=True, forward=lambda s: seen.extend(s) or list(s))
    assert seen == ["Mr. Bennet left.", "The road was wet.", "Nobody came."]
    assert after == "Mr. Bennet left. The path was wet.\n\nNobody came."


def test_the_space_between_a_quotation_and_its_tag_stays():
    text = "“The road is long,” said Ann. “Come,” and she went."
    assert there_and_back(text, "en", back=lambda found: [f"{s} " for s in reworded(found)])[0] == text.replace(
        "The road", "The path"
    )


LONG = "清晨的雾气从河面上慢慢升起来，远处的山影渐渐露出了轮廓。"


@pytest.mark.parametrize(
    "returned",
    [
        "",
        "雾。",
        LONG * 4,
        "Mist rose slowly from the river this morning.",
        "雾气雾气雾气雾气雾气雾气雾气雾气雾气雾气雾气雾气",
    ],
)
def test_a_sentence_that_comes_back_as_no_rendering_stays_as_it_was_and_is_counted(returned):
    assert not plausible(LONG, returned)
    assert there_and_back(LONG, back=lambda sentences: [returned for _ in sentences]) == (LONG, 1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return tiny_translators(tmp_path_factory.mktemp("translators"))


@pytest.mark.slow
def test_a_local_folder_translates_in_batches_of_any_size_and_in_the_order_asked(folders):
    forward, back = (Translator(folder, "cpu", batch=5, beams=2) for folder in folders)
    sentences = [f"{s}。" for s in NARRATION]
    assert forward(sentences) == PIVOT
    assert forward(sentences[::-1]) == PIVOT[::-1]
    assert back(PIVOT) == [f"{s}。" for s in RETURNED]
    assert Translator(folders[0], "cpu", batch=1, beams=1)(sentences) == PIVOT
    assert forward([]) == []


@pytest.mark.slow
def test_a_sentence_of_more_tokens_than_the_limit_is_not_cut_but_given_back_empty(folders):
    assert Translator(folders[0], "cpu", max_tokens=8)([f"{NARRATION[0]}。", "".join(NARRATION) * 3]) == [PIVOT[0], ""]


def test_a_text_goes_there_and_back_in_other_words(folders):
    forward, back = (Translator(folder, "cpu") for folder in folders)
    text = f"“{NARRATION[0]}。”\n{NARRATION[1]}。{NARRATION[2]}。"
    after, kept = there_and_back(text, forward=forward, back=back)
    assert after == f"“{RETURNED[0]}。”\n{RETURNED[1]}。{RETURNED[2]}。"
    assert kept == 0


def test_a_model_of_one_pair_of_the_marian_family_is_loaded(tmp_path):
    translate = Translator(marian(tmp_path / "opus"), "cpu", beams=2, batch=2)
    first = translate([f"{s}。" for s in NARRATION[:3]])
    assert len(first) == 3
    assert first == translate([f"{s}。" for s in NARRATION[:3]])
    assert translate.max_tokens == 64  # as many positions as the model has


def test_a_model_of_many_languages_is_told_which_by_its_codes(tmp_path):
    folder = nllb(tmp_path / "nllb")
    there = Translator(folder, "cpu", ("zho_Hans", "eng_Latn"), beams=1)
    code = there.tokenizer.convert_tokens_to_ids
    assert there.tokenizer("清晨")["input_ids"][0] == code("zho_Hans")
    made = there.model.generate(**there.tokenizer(["清晨"], return_tensors="pt"), max_new_tokens=4, **there.options)
    assert made[0, 1] == code("eng_Latn")
    back = Translator(folder, "cpu", ("eng_Latn", "zho_Hans"), model=there.model)
    assert back.model is there.model
    assert back.tokenizer("Mist")["input_ids"][0] == code("eng_Latn")
    assert there.tokenizer("清晨")["input_ids"][0] == code("zho_Hans")  # the way back has not turned it round
    with pytest.raises(ModelError, match="knows no language 'klingon'"):
        Translator(folder, "cpu", ("klingon", "eng_Latn"))


def test_a_folder_with_another_kind_of_model_is_refused_in_words(folders, tmp_path):
    from support.tiny import tiny_llama

    with pytest.raises(ModelError, match="does not load"):
        Translator(tiny_llama(tmp_path / "llama"), "cpu")
    with pytest.raises(ModelError, match=r"tokenizer in .* cannot be read"):
        Translator(tmp_path, "cpu")


@pytest.mark.skipif(importlib.util.find_spec("sentencepiece") is not None, reason="sentencepiece is installed")
def test_a_vocabulary_that_needs_a_package_says_which(tmp_path):
    marian(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.json").write_text('{"</s>": 0, "<unk>": 1, "<pad>": 2}')
    for name in ("source.spm", "target.spm"):
        (tmp_path / name).write_bytes(b"\n")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "MarianTokenizer"}))
    with pytest.raises(ModelError, match="sentencepiece"):
        Translator(tmp_path, "cpu")
