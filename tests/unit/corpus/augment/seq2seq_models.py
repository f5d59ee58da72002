"""Tiny sequence-to-sequence models with random weights, as folders of the kinds that people have."""

from __future__ import annotations

import json
from pathlib import Path

from support.augmenting import NARRATION, PIVOT

SIZES = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 64,
}  # fmt: skip


def marian(folder: Path) -> Path:
    """A model for one pair of languages, as the opus-mt family has."""
    import torch
    from transformers import MarianConfig, MarianMTModel

    from novelray.shards.tokenizer import save_tokenizer, train_bpe

    tokenizer = train_bpe([*NARRATION, *PIVOT] * 4, 900)
    save_tokenizer(tokenizer, folder)
    pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
    ids = {"pad_token_id": pad, "eos_token_id": end, "decoder_start_token_id": pad, "forced_eos_token_id": end}
    torch.manual_seed(1)
    MarianMTModel(MarianConfig(vocab_size=len(tokenizer), **SIZES, **ids)).save_pretrained(folder)
    return folder


def nllb(folder: Path) -> Path:
    """A model for many languages, told by codes, as the NLLB and M2M100 families have."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    bpe.train_from_iterator([*NARRATION, *PIVOT] * 4, trainers.BpeTrainer(vocab_size=600, special_tokens=special))
    learnt = json.loads(bpe.to_str())["model"]
    tokenizer = NllbTokenizer(vocab=learnt["vocab"], merges=[tuple(pair) for pair in learnt["merges"]])
    tokenizer.save_pretrained(folder)
    ids = {"pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0, "decoder_start_token_id": 2}
    torch.manual_seed(1)
    M2M100ForConditionalGeneration(M2M100Config(vocab_size=len(tokenizer), **SIZES, **ids)).save_pretrained(folder)
    return folder
