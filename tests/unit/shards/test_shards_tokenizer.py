"""Tokenizers: nothing lost, the same every time, no network, clear words when one is not there."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelray.errors import CorpusError, ModelError
from novelray.shards.encode import Encoder
from novelray.shards.tokenizer import (
    EOS,
    PAD,
    as_pretrained,
    digest_of_tokenizer,
    load_tokenizer,
    pieces,
    save_tokenizer,
    train_backend,
    train_bpe,
)

STORY = (
    "第一回 山雨欲来\n\n老船夫把船系在柳树下，说：“今夜有雨。”女孩问他：“何以见得？”他笑而不答。\n"
    "The old man tied the boat to the willow. “It'll rain tonight,” he said; she didn't ask why.\n"
)
TEXTS = [STORY, STORY.replace("船", "马"), "雨下了三天三夜，河水涨了一尺。\n" * 5]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_bpe(TEXTS, 400), path)
    return path


@pytest.fixture(scope="module")
def loaded(folder):
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def encoder(loaded):
    return Encoder.of(loaded)


def test_the_special_tokens_are_end_and_padding_and_nothing_else(loaded):
    assert (loaded.eos_token, loaded.pad_token, loaded.bos_token) == (EOS, PAD, None)
    assert loaded.eos_token_id != loaded.pad_token_id
    assert len(loaded) <= 400
    assert loaded("雨")["input_ids"] == loaded("雨", add_special_tokens=False)["input_ids"]


texts = st.one_of(
    st.text(max_size=80),
    st.text(alphabet=st.sampled_from(list("雨船山，。“”！ \n\t\r　ab'’s7٣é́😀👨‍👩‍👧\x00<|endoftext|>")), max_size=80),
)


@given(texts)
@settings(max_examples=400, deadline=None)
def test_any_text_comes_back_unchanged(loaded, encoder, text):
    ids = next(encoder.encode([text]))
    assert loaded.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False) == text
    assert loaded.eos_token_id not in ids
    assert loaded.decode(loaded(text, split_special_tokens=True)["input_ids"]) == text


def test_a_book_that_quotes_the_end_token_does_not_end_a_document(loaded, encoder):
    assert loaded(EOS)["input_ids"] == [loaded.eos_token_id]
    ids = next(encoder.encode([f"他写道：{EOS}。"]))
    assert encoder.eos_id not in ids
    assert loaded.decode(ids) == f"他写道：{EOS}。"


def test_the_encoder_gives_the_ids_that_the_tokenizer_gives(loaded, encoder):
    assert [ids.tolist() for ids in encoder.encode(TEXTS)] == loaded(TEXTS)["input_ids"]


def test_many_texts_are_encoded_in_order_over_several_batches(encoder, monkeypatch):
    monkeypatch.setattr("novelray.shards.encode.BATCH_CHARS", 50)
    assert [a.tolist() for a in encoder.encode(TEXTS * 3)] == [next(encoder.encode([t])).tolist() for t in TEXTS * 3]


def test_a_tokenizer_that_opens_texts_with_a_token_keeps_doing_so(loaded, tmp_path):
    from tokenizers.processors import TemplateProcessing

    backend = train_backend(TEXTS, 300)
    backend.add_special_tokens(["<bos>"])
    bos = backend.token_to_id("<bos>")
    backend.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", bos)])
    tokenizer = as_pretrained(backend)
    tokenizer.bos_token = "<bos>"
    encoder = Encoder.of(tokenizer)
    assert encoder.bos_id == bos
    assert next(encoder.encode(["雨"])).tolist() == tokenizer("雨")["input_ids"]
    assert encoder.vocab_size == bos + 1


@pytest.mark.slow
def test_training_twice_in_different_processes_gives_the_same_tokenizer():
    program = (
        "import sys, hashlib; from novelray.shards.tokenizer import train_backend;"
        "t = train_backend(sys.stdin.read().split('\\0'), 500); print(hashlib.sha256(t.to_str().encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program], input="\0".join(TEXTS).encode(), check=True, capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "TOKENIZERS_PARALLELISM": parallel},
        ).stdout
        for seed, parallel in (("1", "true"), ("2", "false"), ("3", "true"))
    }  # fmt: skip
    assert len(digests) == 1


def test_hanzi_and_punctuation_are_never_one_token():
    backend = train_backend(["他说：“好。”\n" * 50], 400)
    tokens = [backend.decode([i]) for i in range(backend.get_vocab_size())]
    assert any("他说" in t for t in tokens)
    assert not any("。" in t and ("好" in t or "\n" in t) for t in tokens)


@pytest.mark.slow
def test_a_long_text_without_punctuation_is_learnt_from_in_linear_time():
    rng = np.random.default_rng(0)
    text = "".join(chr(0x4E00 + i) for i in rng.integers(0, 3000, 400_000))
    backend = train_backend([text], 2000)
    assert max(len(backend.decode([i])) for i in range(backend.get_vocab_size())) <= 32


@given(st.lists(st.text(alphabet="雨\n ab", max_size=60), max_size=5), st.integers(1, 20))
def test_pieces_are_the_text_and_never_long(given_texts, limit):
    found = list(pieces(given_texts, limit))
    assert "".join(found) == "".join(given_texts)
    assert all(0 < len(piece) <= 2 * limit for piece in found)


def test_no_text_is_an_error_that_says_so():
    with pytest.raises(CorpusError, match="no text to train a tokenizer on"):
        train_backend(["", ""], 300)


def test_the_digest_follows_the_content_and_not_the_layout_or_the_neighbours(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    file = copy / "tokenizer.json"
    content = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(content, indent=7), "utf-8")
    (copy / "model.safetensors").write_bytes(b"weights")
    assert digest_of_tokenizer(copy) == digest_of_tokenizer(folder)
    content["model"]["merges"].pop()
    file.write_text(json.dumps(content), "utf-8")
    assert digest_of_tokenizer(copy) != digest_of_tokenizer(folder)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    for ask in (load_tokenizer, digest_of_tokenizer):
        with pytest.raises(ModelError, match="There is no tokenizer in"):
            ask(tmp_path)


def test_a_damaged_tokenizer_is_refused_without_a_traceback(folder, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes()[:500])
    for ask in (load_tokenizer, digest_of_tokenizer):
        with pytest.raises(ModelError):
            ask(tmp_path)


def test_loading_never_touches_the_network(folder, monkeypatch):
    import socket

    def refuse(*_args, **_kwargs):
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert len(load_tokenizer(folder)) > 256
