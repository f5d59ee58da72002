"""Tiny models with random weights, and a real byte-level BPE tokenizer trained on a few sentences."""

from __future__ import annotations

SENTENCES = [
    "话说天下大势，分久必合，合久必分。",
    "满纸荒唐言，一把辛酸泪！都云作者痴，谁解其中味？",
    "大闹天宫的猴子笑道：“俺老孙去也。”",
    "The river carried the lamp away, and nobody spoke until morning.",
    "She folded the letter twice. 🙂🚣 “Not yet,” she said.",
]


def make_tokenizer():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=384, initial_alphabet=alphabet, special_tokens=["<|endoftext|>", "<|pad|>"], show_progress=False
    )
    backend.train_from_iterator(SENTENCES * 4, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|endoftext|>", pad_token="<|pad|>")


def make_model(tokenizer, kind="llama", seed=0, **changes):
    import torch
    from transformers import AutoModelForCausalLM, DeepseekV2Config, LlamaConfig, Qwen2Config

    shape = {
        "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "eos_token_id": 0,
        "bos_token_id": None, "pad_token_id": 1, "initializer_range": 0.3,
    } | changes  # fmt: skip
    if kind == "deepseek":
        config = DeepseekV2Config(
            **shape | {"num_key_value_heads": 4}, kv_lora_rank=16, q_lora_rank=None, qk_nope_head_dim=16,
            qk_rope_head_dim=8, v_head_dim=16, n_routed_experts=4, num_experts_per_tok=2, n_shared_experts=1,
            moe_intermediate_size=32, first_k_dense_replace=1, n_group=1, topk_group=1,
        )  # fmt: skip
    else:
        config = {"llama": LlamaConfig, "qwen2": Qwen2Config}[kind](**shape)
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config).eval()


def sentencepiece_like():
    """A tokenizer of the kind that Llama 2 has: words, and single bytes for all else."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    words = ["<unk>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), "▁", "a", "▁a", "r", "i", "v", "e"]
    model = models.BPE(
        vocab={w: i for i, w in enumerate(words)}, merges=[("▁", "a")], byte_fallback=True, unk_token="<unk>",
        fuse_unk=True,
    )  # fmt: skip
    backend = Tokenizer(model)
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", eos_token="</s>")
