"""Whether a piece still means what its source means: by TF-IDF, or by an embedding model from a folder."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.augmenting import HANZI, NARRATION, chapter, stranger

from novelray.corpus.augment.check import fault_of_copy, fault_of_translation, limits_of
from novelray.corpus.augment.embed import Embedding
from novelray.corpus.augment.heldout import NEAR, is_near, traces
from novelray.corpus.augment.similarity import Tfidf, copied
from novelray.errors import ModelError
from novelray.recipe.augment import AugmentMethod

ONE, OTHER = chapter(1)["text"], stranger(2)["text"]


def test_the_cosine_is_one_for_the_same_text_and_falls_with_what_is_changed():
    measure = Tfidf([(ONE, "zh"), (OTHER, "zh")])
    assert measure(ONE, ONE, "zh") == pytest.approx(1.0)
    few, many = (
        ONE.replace("雾气", "夜色"),
        ONE.replace("。", "，他想。").replace("雾气", "夜色").replace("河面", "海面"),
    )
    assert 1 > measure(few, ONE, "zh") > measure(many, ONE, "zh") > measure(OTHER, ONE, "zh")


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(("zh", "en", "und")))
def test_the_cosine_of_any_two_texts_is_between_0_and_1_and_the_same_both_ways(one, other, language):
    measure = Tfidf([(ONE, "zh")])
    assert 0 <= measure(one, other, language) <= 1
    assert measure(one, other, language) == pytest.approx(measure(other, one, language))


def test_words_that_every_chapter_has_weigh_less():
    texts = [(f"{s}。她说。她说。", "zh") for s in NARRATION]
    one, other = NARRATION[0], NARRATION[1]
    assert Tfidf(texts)(f"{one}她说", f"{other}她说", "zh") < Tfidf([(ONE, "zh")])(f"{one}她说", f"{other}她说", "zh")


def test_a_copy_and_a_change_of_meaning_are_rejected_each_with_its_reason():
    limits = limits_of(AugmentMethod(method="back_translation"), False, "zh")
    assert fault_of_copy(0.8, 0.9, limits) == "too much like its source"
    assert fault_of_copy(0.99, 0.1, limits) == "too much like its source"
    assert fault_of_copy(0.2, 0.1, limits) == "its meaning changed"
    assert fault_of_copy(0.6, 0.1, limits) == ""


def test_the_recipes_own_limits_win():
    own = AugmentMethod(method="synonyms", min_similarity=0.2, max_similarity=0.9, max_copied=0.5)
    assert vars(limits_of(own, False, "zh")) == {"min_similarity": 0.2, "max_similarity": 0.9, "max_copied": 0.5}
    default = AugmentMethod(method="synonyms")
    assert limits_of(default, True, "zh") != limits_of(default, False, "zh")


def test_a_translation_that_loops_or_stays_in_the_pivot_is_no_text():
    assert fault_of_translation(ONE, ONE, "zh") == ""
    assert fault_of_translation("The mist rose from the river and it was cold.", ONE, "zh") == "in another language"
    assert (
        fault_of_translation(stranger(3)["text"] + "雾气升起来了。" * 200, stranger(3)["text"], "zh")
        == "repeats itself"
    )


def test_what_stands_so_in_its_source_is_counted_by_neighbouring_paragraphs():
    paragraphs = [f"{s}。" for s in NARRATION]
    assert copied(paragraphs, paragraphs) == 1.0
    assert copied(paragraphs[::-1], paragraphs) == 0.0
    half = paragraphs[:6] + paragraphs[6:][::-1]
    assert 0.4 < copied(half, paragraphs) < 0.6
    assert copied(["甲。乙。丙。"], ["甲。乙。丙。"]) == 1.0
    assert copied(["丙。乙。甲。"], ["甲。乙。丙。"]) == 0.0


def test_a_held_out_chapter_in_the_other_script_is_near_it():
    from opencc import OpenCC

    traditional = OpenCC("s2t").convert("\n".join(HANZI)).split("\n")
    simplified = "".join(one for one, other in zip(HANZI, traditional, strict=True) if one != other)
    text = stranger(1, hanzi=simplified)["text"]
    assert len(simplified) > 50
    assert is_near(OpenCC("s2t").convert(text), "zh", traces([(text, "zh")]))


def test_another_edition_of_a_held_out_chapter_is_near_it():
    held = traces([(stranger(1)["text"], "zh"), (stranger(2)["text"], "zh")])
    edition = stranger(1, changed=0.05)["text"].replace("。", "．")
    assert is_near(edition, "zh", held)
    assert not is_near(stranger(3)["text"], "zh", held)
    assert not is_near("", "zh", held)
    assert not is_near(edition, "zh", traces([]))


def test_a_chapter_that_shares_a_page_with_a_held_out_one_is_near_it():
    mine, page = stranger(3)["text"], stranger(1)["text"][200:500]
    assert is_near(mine[:700] + page, "zh", traces([(stranger(1)["text"], "zh")]))
    assert 0 < NEAR < 0.3


@pytest.mark.novels
def test_chapters_of_one_novel_are_not_near_each_other_and_its_other_edition_is(novels):
    one, other = (
        [part for part in text.split("Chapter ") if len(part) > 3000]
        for text in (
            (novels / "en" / "pride-and-prejudice.utf8.txt").read_text("utf-8-sig"),
            (novels / "en" / "pride-and-prejudice.edition12.txt").read_text("latin-1"),
        )
    )
    held = traces([(one[i], "en") for i in (4, 20, 40)])
    assert [i for i, text in enumerate(one) if is_near(text, "en", held)] == [4, 20, 40]
    assert sum(is_near(text, "en", held) for text in other) == 3


@pytest.fixture(scope="module")
def embedding(tmp_path_factory):
    """A tiny BERT, as a plain folder and as sentence-transformers lay one out, with first-token pooling."""
    import torch
    from transformers import BertConfig, BertModel

    from novelray.shards.tokenizer import save_tokenizer, train_bpe

    root = tmp_path_factory.mktemp("embedding")
    tokenizer = train_bpe(NARRATION * 4, 500)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(1)
    model = BertModel(config)
    for folder in (root / "plain", root / "sentence"):
        save_tokenizer(tokenizer, folder)
        model.save_pretrained(folder)
    modules = [
        {"path": "", "type": "sentence_transformers.models.Transformer"},
        {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (root / "sentence" / "modules.json").write_text(json.dumps(modules))
    (root / "sentence" / "1_Pooling").mkdir()
    (root / "sentence" / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    return root


def test_an_embedding_model_by_path_measures_meaning_instead(embedding):
    measure = Embedding(embedding / "plain", "cpu")
    texts = [ONE, "".join(random.Random(1).sample(ONE, len(ONE))), OTHER]
    same, shuffled, other = (measure(ONE, text, "zh") for text in texts)
    assert same == pytest.approx(1.0, abs=1e-5)
    assert same > shuffled
    assert same > other
    assert measure(ONE, "", "zh") == 0.0


def test_the_pooling_that_the_folder_names_is_used(embedding):
    plain, first = (Embedding(embedding / name, "cpu").encode([ONE[:40]]) for name in ("plain", "sentence"))
    assert plain.shape == first.shape == (1, 32)
    assert not (plain == first).all()


def test_texts_of_any_length_and_batch_give_the_same_vectors(embedding):
    small, large = (Embedding(embedding / "plain", "cpu", batch=n) for n in (1, 8))
    texts = [ONE[:n] for n in (3, 40, 400, 12)]
    assert small.encode(texts) == pytest.approx(large.encode(texts), abs=1e-5)
    assert small(ONE * 3, ONE * 3, "zh") == pytest.approx(1.0, abs=1e-5)


def test_a_folder_that_holds_no_embedding_model_is_refused_in_words(tmp_path):
    with pytest.raises(ModelError, match="does not load"):
        Embedding(tmp_path, "cpu")
    (tmp_path / "modules.json").write_text("[{}]")
    with pytest.raises(ModelError, match="does not describe an embedding model"):
        Embedding(tmp_path, "cpu")
