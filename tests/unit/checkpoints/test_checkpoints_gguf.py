"""GGUF files: every weight, the tokenizer and the numbers come back, read by transformers and by llama.cpp itself."""

import json

import pytest
import torch
from support.delivering import FAMILIES, shelf, tokenizer_like

from novelray.checkpoints.compare import TEXT
from novelray.checkpoints.delivery import Delivery, deliver
from novelray.checkpoints.gguf import tensors
from novelray.checkpoints.gguf.architecture import check_architecture
from novelray.checkpoints.gguf.rules import HARD, RULES, nearest_rule
from novelray.errors import DamagedError, ModelError
from novelray.shards.tokenizer import train_bpe

gguf = pytest.importorskip("gguf", reason="pip install novelray[gguf]")

CUTS = {
    "llama": "llama-bpe", "llama3": "smaug-bpe", "linear": "deepseek-llm", "qwen2": "qwen2", "qwen2-yarn": "qwen2",
    "qwen3": "qwen2",
}  # fmt: skip
PROSE = [
    TEXT,
    HARD,
    "第一回　风雪山神庙\n\n话说当日林冲正闲走间，",
    "Call me Ishmael. Some years ago—never mind how long.",
]


@pytest.fixture(scope="module")
def shelves(tmp_path_factory):
    """family → shelf, made when it is asked for."""
    found = {}

    def get(family):
        if family not in found:
            found[family] = shelf(tmp_path_factory.mktemp(family), family, tokenizer_like(CUTS[family]))
        return found[family]

    return get


def write(made, model, to, dtype):
    lines = []
    deliver(made.artifacts, Delivery(model.id, "tale@0123456789ab", "gguf", to, dtype), lines.append)
    (path,) = to.iterdir()
    return path, lines


def ours(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_says_of_the_model_what_its_configuration_says(shelves, tmp_path, family):
    from transformers import AutoConfig

    made = shelves(family)
    path, _ = write(made, made.full, tmp_path / "out", "f32")
    assert path.name == "tale-0123456789ab-f32.gguf"
    read = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    source = AutoConfig.from_pretrained(made.base)
    for key in (
        "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "intermediate_size", "max_position_embeddings", "tie_word_embeddings", "eos_token_id",
    ):  # fmt: skip
        assert getattr(read, key) == getattr(source, key), key
    assert read.rms_norm_eps == pytest.approx(source.rms_norm_eps)
    assert read.rope_parameters["rope_theta"] == pytest.approx(source.rope_parameters["rope_theta"])
    fields = gguf.GGUFReader(path).fields
    assert fields["tokenizer.ggml.pre"].contents() == CUTS[family]
    assert fields["tokenizer.chat_template"].contents().startswith("{% for m")
    assert len(fields["tokenizer.ggml.tokens"].contents()) == source.vocab_size


@pytest.mark.parametrize("dtype", ["f16", "bf16", "q8_0"])
def test_each_number_format_is_read_back_within_what_it_can_hold(shelves, tmp_path, dtype):
    made = shelves("llama")
    path, lines = write(made, made.lora, tmp_path / "out", dtype)
    assert "logits differ by" in lines[-1]
    kinds = {tensor.tensor_type.name for tensor in gguf.GGUFReader(path).tensors}
    assert kinds == {"F32", dtype.upper()}


def test_rows_of_heads_in_the_wrong_order_are_found_by_a_reader_that_is_not_ours(shelves, tmp_path, monkeypatch):
    monkeypatch.setattr(tensors, "permuted", lambda weight, heads: weight)
    with pytest.raises(DamagedError, match="gives other logits"):
        write(shelves("llama"), shelves("llama").full, tmp_path / "out", "f32")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_number_in_the_file_is_found(shelves, tmp_path, monkeypatch):
    stored = tensors.Piece.stored

    def wrong(piece):
        data = stored(piece).copy()
        if piece.name == "blk.1.ffn_down.weight":
            data[0, 0] += 1e-3
        return data

    monkeypatch.setattr(tensors.Piece, "stored", wrong)
    with pytest.raises(DamagedError, match=r"other values in blk\.1\.ffn_down\.weight"):
        write(shelves("llama"), shelves("llama").full, tmp_path / "out", "f32")
    assert list(tmp_path.iterdir()) == []


def test_a_weight_that_f16_cannot_hold_is_named_with_formats_that_can(tmp_path):
    from novelray.checkpoints.gguf.file import check_gguf, write_gguf

    made = shelf(tmp_path, "llama", tokenizer_like("gpt-2"))
    model, tokenizer = ours(made.base)
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[0, 0] = 1e6
    weights, config = model.state_dict(), model.config.to_dict()
    words = write_gguf(tmp_path / "x.gguf", weights, config, tokenizer, "f16", "x")
    with pytest.raises(ModelError, match=r"blk\.0\.ffn_up\.weight has a weight of 1e\+06") as caught:
        check_gguf(tmp_path / "x.gguf", weights, config, words, "f16")
    assert "bf16" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model_type": "deepseek_v2", "n_routed_experts": 64}, "mixture of experts"),
        ({"model_type": "gemma"}, "architecture is 'gemma'"),
        ({"rope_parameters": {"rope_type": "dynamic", "factor": 2.0}}, "no position scaling 'dynamic'"),
        ({"use_sliding_window": True}, "sliding window"),
        ({"novelray_attention": {"type": "sparse"}}, "sparse attention"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0, "attention_factor": 1.0}}, "its usual attention_factor only"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0, "beta_fast": 16}}, "its usual beta_fast only"),
    ],
)
def test_what_llama_cpp_would_compute_otherwise_is_refused_with_the_reason(change, says):
    with pytest.raises(ModelError, match=says) as caught:
        check_architecture({"model_type": "llama", **change})
    assert "--format merged" in caught.value.hint


def test_an_experts_model_is_refused_before_it_is_loaded_and_leaves_nothing(tmp_path, monkeypatch):
    from novelray.checkpoints import delivery

    made = shelf(tmp_path / "shelf", "deepseek_v2", tokenizer_like("deepseek-llm"), hidden_size=32)
    monkeypatch.setattr(delivery, "load_model", None)
    with pytest.raises(ModelError, match="mixture of experts"):
        write(made, made.full, tmp_path / "out", "f16")
    assert [p.name for p in tmp_path.iterdir()] == ["shelf"]


def test_a_sentencepiece_tokenizer_is_refused_with_another_way(tmp_path):
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    from novelray.checkpoints.gguf.vocabulary import vocabulary_of

    backend = Tokenizer(models.BPE(vocab={"<s>": 0, "▁a": 1}, merges=[], byte_fallback=True))
    backend.decoder = decoders.Replace("▁", " ")
    with pytest.raises(ModelError, match="SentencePiece") as caught:
        vocabulary_of(PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<s>"), 2)
    assert "convert_hf_to_gguf" in caught.value.hint


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_by_which_a_tokenizer_cuts_words_is_recognised(rule):
    found, unlike = nearest_rule(tokenizer_like(rule).backend_tokenizer)
    assert unlike == 0
    assert RULES[found] == RULES[rule]


def test_our_own_tokenizer_has_no_rule_there_and_the_nearest_differs_in_few_tokens():
    from novelray.checkpoints.gguf.rules import probe

    _, unlike = nearest_rule(train_bpe(probe(), 2000).backend_tokenizer)
    assert 0 < unlike < 0.005


@pytest.fixture(scope="module")
def llama_cpp():
    return pytest.importorskip("llama_cpp", reason="needs llama-cpp-python")


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_llama_cpp_gives_the_ids_the_logits_and_the_text_that_transformers_gives(llama_cpp, shelves, tmp_path, family):
    made = shelves(family)
    path, _ = write(made, made.full, tmp_path / "out", "f32")
    model, tokenizer = ours(made.base)
    run = llama_cpp.Llama(str(path), n_ctx=256, logits_all=True, verbose=False, n_threads=2, use_mmap=False)
    for text in PROSE:
        assert run.tokenize(text.encode(), add_bos=False, special=False) == tokenizer(text)["input_ids"], text
    ids = tokenizer(TEXT)["input_ids"]
    run.eval(ids)
    theirs = torch.tensor(run.scores[: len(ids)])
    with torch.no_grad():
        mine = model(torch.tensor([ids])).logits[0]
    difference = (mine - theirs).pow(2).mean().sqrt() / mine.std()
    assert difference < 5e-3, float(difference)
    prompt = ids[:20]
    run.reset()
    greedy = [
        token for token, _ in zip(run.generate(prompt, temp=0.0, top_k=1, repeat_penalty=1.0), range(16), strict=False)
    ]
    wanted = model.generate(torch.tensor([prompt]), max_new_tokens=16, do_sample=False)[0, 20:].tolist()
    assert greedy[: len(wanted)] == wanted
    assert json.loads(json.dumps(run.metadata))["general.architecture"] == model.config.model_type


@pytest.mark.slow
def test_a_tokenizer_that_llama_cpp_has_no_rule_for_differs_there_in_just_the_tokens_that_were_told(
    llama_cpp, tmp_path
):
    from novelray.checkpoints.gguf.rules import _changed, probe

    made = shelf(tmp_path / "shelf", "llama", train_bpe(probe(), 3000), vocab_size=3000)
    path, lines = write(made, made.full, tmp_path / "out", "f32")
    _, tokenizer = ours(made.base)
    run = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    own = [tokenizer(text)["input_ids"] for text in probe()]
    theirs = [run.tokenize(text.encode(), add_bos=False, special=False) for text in probe()]
    share = sum(map(_changed, own, theirs)) / sum(map(len, own))
    assert 0 < share < 0.005
    assert f"{share:.2%} of the tokens" in lines[0]
