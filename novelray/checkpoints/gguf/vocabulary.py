"""A byte-level BPE tokenizer as the keys of a GGUF file: tokens, merges, kinds, special tokens, how words are cut."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from novelray.checkpoints.gguf.rules import nearest_rule
from novelray.errors import ModelError

if TYPE_CHECKING:
    from gguf import GGUFWriter
    from transformers import PreTrainedTokenizerFast

TOO_MUCH = 0.01
"""Share of tokens that may be others in llama.cpp than in training, because it cuts words by fixed rules of its own."""

SPECIAL = {"eos": "eos_token_id", "pad": "pad_token_id", "unk": "unk_token_id"}


@dataclass(frozen=True)
class Vocabulary:
    """What a file says of a tokenizer. `unlike`: the share of tokens that are others under `rule`."""

    tokens: list[str]
    kinds: list[int]
    merges: list[str]
    rule: str
    unlike: float


def vocabulary_of(tokenizer: PreTrainedTokenizerFast, size: int) -> Vocabulary:
    """The vocabulary for a model with `size` rows of embeddings; rows without a token get unused ones.

    Raises ModelError for a tokenizer that is no byte-level BPE, has more tokens than the model, or whose words no rule
    of llama.cpp cuts alike.
    """
    backend = tokenizer.backend_tokenizer
    spec = json.loads(backend.to_str())
    _check_byte_level(spec)
    ids = {number: token for token, number in backend.get_vocab(with_added_tokens=True).items()}
    if max(ids) >= size:
        raise ModelError(
            f"The tokenizer has ids up to {max(ids)}, and the model {size} embeddings.",
            "Is the tokenizer the model's own?",
        )
    rule, unlike = nearest_rule(backend)
    if unlike > TOO_MUCH:
        raise ModelError(
            f"llama.cpp cuts text into words by fixed rules; the nearest to this tokenizer ({rule}) gives other ids "
            f"for {unlike:.1%} of the tokens of a sample.",
            "Export with --format merged: transformers and vLLM use the tokenizer itself.",
        )
    tokens = [ids.get(number, f"[PAD{number}]") for number in range(size)]
    kinds = _kinds(spec, set(ids), size)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in spec["model"]["merges"]]
    return Vocabulary(tokens, kinds, merges, rule, unlike)


def describe(writer: GGUFWriter, tokenizer: PreTrainedTokenizerFast, vocabulary: Vocabulary) -> None:
    """Add the tokenizer's keys."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(vocabulary.rule)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    writer.add_token_merges(vocabulary.merges)
    for name, key in SPECIAL.items():
        number = getattr(tokenizer, key)
        if number is not None:
            getattr(writer, f"add_{name}_token_id")(int(number))
    bos = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    writer.add_bos_token_id(int(bos))  # left out, it would be token 11, whatever that is
    before, after = _added(tokenizer)
    writer.add_add_bos_token(before)
    writer.add_add_eos_token(after)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _check_byte_level(spec: dict[str, Any]) -> None:
    model, decoder = spec["model"], json.dumps(spec.get("decoder") or {})
    if model.get("type") != "BPE" or model.get("byte_fallback") or "ByteLevel" not in decoder:
        raise ModelError(
            "The model's tokenizer is no byte-level BPE (it may be SentencePiece), and GGUF is written for those only.",
            "Export with --format merged, and convert that folder with llama.cpp's convert_hf_to_gguf.py.",
        )


def _kinds(spec: dict[str, Any], there: set[int], size: int) -> list[int]:
    """Per id: normal, control (special tokens), user defined (other added ones), or unused."""
    from gguf import TokenType

    kinds = [int(TokenType.NORMAL if number in there else TokenType.UNUSED) for number in range(size)]
    for added in spec.get("added_tokens") or ():
        kinds[added["id"]] = int(TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED)
    return kinds


def _added(tokenizer: PreTrainedTokenizerFast) -> tuple[bool, bool]:
    """Whether the tokenizer puts a token before a text, and one behind it."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    if len(whole) == len(plain):
        return False, False
    return whole[0] == tokenizer.bos_token_id, whole[-1] == tokenizer.eos_token_id
