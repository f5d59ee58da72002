"""Token ids to text, one by one, with no broken character: bytes of an unfinished character wait for the rest.

The pieces put together are the tokenizer's own decoding of all ids (special tokens skipped, spaces left as they are)
without its U+FFFD marks: bytes that are no character, which a young model writes now and then, are left out, and so is
an unfinished character at the very end. Nobody wants to find them in a story.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from tokenizers import AddedToken, decoders

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BROKEN = "�"
WORD_START = "▁"
"""How tokenizers of the SentencePiece kind write a space."""
BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
"""How they write a byte that no token has."""
LONGEST_WAIT = 16
"""Tokens that a tokenizer without byte-level tokens may hold back; a character has four bytes at most."""


class Detokeniser(Protocol):
    """One answer's decoder."""

    def push(self, token_id: int) -> str:
        """The whole characters that this token completes; often empty, sometimes several."""
        ...

    def peek(self, token_id: int) -> str:
        """What `push` would give, with nothing changed."""
        ...

    @property
    def waits(self) -> bool:
        """Whether an unfinished character is held."""
        ...


class Vocabulary:
    """What all answers of one model share: the tokenizer, its special ids and the bytes of each token."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._backend = getattr(tokenizer, "backend_tokenizer", None)
        self._tokenizer = tokenizer
        added: dict[int, AddedToken] = tokenizer.added_tokens_decoder
        self._special = {i for i, token in added.items() if token.special} | set(tokenizer.all_special_ids)
        self._byte_level = self._backend is not None and isinstance(self._backend.decoder, decoders.ByteLevel)
        self._bytes: dict[int, bytes] = {}
        self._containing: dict[str, frozenset[int]] = {}

    @property
    def size(self) -> int:
        """One more than the tokenizer's largest id."""
        return len(self._tokenizer)

    def detokeniser(self) -> Detokeniser:
        """A decoder for a new answer."""
        return ByteDetokeniser(self) if self._byte_level else WindowDetokeniser(self)

    def bytes_of(self, token_id: int) -> bytes:
        """A byte-level token's bytes; none for special tokens and for ids beyond the tokenizer."""
        found = self._bytes.get(token_id)
        if found is None:
            found = self._bytes[token_id] = self._look_up(token_id)
        return found

    def decode(self, token_ids: list[int]) -> str:
        """Text of several tokens, special ones skipped."""
        if self._backend is not None:
            return str(self._backend.decode(token_ids, skip_special_tokens=True))
        return str(self._tokenizer.decode(token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def show(self, token_id: int) -> str:
        """A token on its own, for log-probabilities: special tokens by their name, bytes that are no text as U+FFFD."""
        if token_id in self._special or not self._byte_level:
            return str(self._tokenizer.convert_ids_to_tokens(token_id) or "")
        return self.bytes_of(token_id).decode("utf-8", "replace")

    def piece(self, token_id: int) -> bytes:
        """What a token adds to a text, as bytes: none for special tokens, perhaps a part of a character."""
        if self._byte_level or token_id in self._special:
            return self.bytes_of(token_id)
        token = str(self._tokenizer.convert_ids_to_tokens(token_id) or "")
        if byte := BYTE_TOKEN.fullmatch(token):
            return bytes([int(byte[1], 16)])
        return token.replace(WORD_START, " ").encode("utf-8", "replace")

    def containing(self, text: str) -> frozenset[int]:
        """The tokens with `text` in them, found once and kept."""
        if text not in self._containing:
            wanted, ids = text.encode("utf-8"), range(len(self._tokenizer))
            self._containing[text] = frozenset(i for i in ids if wanted in self.piece(i))
        return self._containing[text]

    def is_special(self, token_id: int) -> bool:
        return token_id in self._special

    def _look_up(self, token_id: int) -> bytes:
        token = None if token_id in self._special else self._tokenizer.convert_ids_to_tokens(token_id)
        if not token:
            return b""
        table = _byte_of_letter()
        if all(letter in table for letter in token):
            return bytes(table[letter] for letter in token)
        return str(token).encode("utf-8")  # an added token stands for itself


class ByteDetokeniser:
    """For byte-level tokenizers (Llama 3, Qwen, DeepSeek, ours): exact, and constant time per token."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._bytes_of = vocabulary.bytes_of
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")

    def push(self, token_id: int) -> str:
        return self._decoder.decode(self._bytes_of(token_id))

    def peek(self, token_id: int) -> str:
        state = self._decoder.getstate()
        text = self._decoder.decode(self._bytes_of(token_id))
        self._decoder.setstate(state)
        return text

    @property
    def waits(self) -> bool:
        return bool(self._decoder.getstate()[0])


class WindowDetokeniser:
    """For any other tokenizer: decodes the last tokens with and without the new ones and gives the difference."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._window: list[int] = []  # tokens already shown, as context (spaces depend on it), then those that wait
        self._shown = 0  # how many of them are context

    def push(self, token_id: int) -> str:
        if self._vocabulary.is_special(token_id):
            return ""
        self._window.append(token_id)
        before = self._vocabulary.decode(self._window[: self._shown])
        now = self._vocabulary.decode(self._window)
        waiting = len(self._window) - self._shown
        if len(now) <= len(before) or (now.endswith(BROKEN) and waiting < LONGEST_WAIT):
            return ""
        self._window = self._window[self._shown :]
        self._shown = waiting
        return now[len(before) :].replace(BROKEN, "")

    def peek(self, token_id: int) -> str:
        window, shown = list(self._window), self._shown
        text = self.push(token_id)
        self._window, self._shown = window, shown
        return text

    @property
    def waits(self) -> bool:
        return len(self._window) > self._shown


@lru_cache(maxsize=1)
def _byte_of_letter() -> dict[str, int]:
    """The alphabet of byte-level BPE: printable Latin-1 letters stand for themselves, other bytes for 256 and up."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    other = [byte for byte in range(256) if byte not in plain]
    return {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(other)}
