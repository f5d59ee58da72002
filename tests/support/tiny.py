"""A tiny Llama with random weights and a tokenizer trained on a few lines: a real model folder in a second."""

from __future__ import annotations

from pathlib import Path

LINES = ["山雨欲来风满楼，江湖夜雨十年灯。", "The rain fell on the river town, and she wrote a letter."]


def tiny_llama(folder: Path, context: int = 4096) -> Path:
    """Write the model to `folder`, unless it is there, and return it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from novelray.shards.tokenizer import save_tokenizer, train_bpe

    if (folder / "config.json").is_file():
        return folder
    tokenizer = train_bpe(LINES * 20, 400)
    save_tokenizer(tokenizer, folder)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=context, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
