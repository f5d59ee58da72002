"""From what a client sends to token ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from novelray.generate.protocol import RequestError
from novelray.shards.encode import Encoder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Prompts:
    """Encodes texts exactly as training did, and chats by the tokenizer's template when it has one."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._encoder = Encoder.of(tokenizer)  # type: ignore[arg-type]

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of a text; the names of special tokens in it are text like any other."""
        return tuple(next(iter(self._encoder.encode([text]))).tolist())

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> tuple[int, ...]:
        """Token ids of a chat. Without a template the messages are one text, a line each: a model that was trained on
        novels goes on with it. Raises RequestError when the template refuses the messages."""
        if not getattr(self._tokenizer, "chat_template", None):
            return self.encode("\n".join(m.get("content", "") for m in messages))
        from jinja2 import TemplateError

        try:
            text = self._tokenizer.apply_chat_template(
                [dict(m) for m in messages], tokenize=False, add_generation_prompt=True
            )
        except (TemplateError, TypeError, ValueError) as error:
            raise RequestError(
                f"The model's chat template does not take these messages: {error}",
                "Many templates want user and assistant in turns, and a system message only first.",
            ) from error
        # The template writes the special tokens itself, BOS included.
        ids: list[int] = self._tokenizer(str(text), add_special_tokens=False)["input_ids"]
        return tuple(ids)

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of token ids, special tokens left out."""
        return str(self._tokenizer.decode(list(token_ids), skip_special_tokens=True))
