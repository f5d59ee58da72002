"""How an answer looks on the wire: the choices of the completions API and those of the chat API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan
from typing import Any, Protocol

from novelray.generate.protocol import Chunk, TokenLogprob

Choice = dict[str, Any]

LEAST_LOGPROB = -9999.0
"""Stands for minus infinity, which JSON cannot say."""

RUNNING = {"finish_reason": None, "stop_reason": None}
"""How a choice ends that has not ended. `stop_reason` is vLLM's."""


class Shape(Protocol):
    """The choices of one answer. `name` and `piece_name` are the values of `object`, whole and streamed."""

    id_prefix: str
    name: str
    piece_name: str

    def opening(self, index: int) -> Choice | None:
        """What a stream says before the first text of a choice, if anything."""
        ...

    def piece(self, index: int, chunk: Chunk) -> Choice:
        """One chunk of a stream."""
        ...

    def whole(self, index: int, chunks: Sequence[Chunk]) -> Choice:
        """All chunks of a choice as one answer."""
        ...


class CompletionShape:
    """Choices with `text`, and logprobs as four lists. `echoed[i]` is what choice i repeats before its own text.

    `scores`: what it repeats comes with log-probabilities too, so it waits until they are there.
    """

    id_prefix, name, piece_name = "cmpl", "text_completion", "text_completion"

    def __init__(self, echoed: Sequence[str], scores: bool = False) -> None:
        self._echoed, self._scores = echoed, scores
        self._offsets = [0 if scores else len(text) for text in echoed]

    def opening(self, index: int) -> Choice | None:
        text = self._echoed[index]
        return {"index": index, "text": text, "logprobs": None, **RUNNING} if text and not self._scores else None

    def piece(self, index: int, chunk: Chunk) -> Choice:
        return self._choice(index, [chunk], self._echoed[index] if chunk.prompt_logprobs else "")

    def whole(self, index: int, chunks: Sequence[Chunk]) -> Choice:
        return self._choice(index, chunks, self._echoed[index])

    def _choice(self, index: int, chunks: Sequence[Chunk], before: str) -> Choice:
        text = before + "".join(c.text for c in chunks)
        entries = [entry for c in chunks for entry in (*c.prompt_logprobs, *c.logprobs)]
        return {"index": index, "text": text, "logprobs": self._lists(index, entries), **_end(chunks[-1])}

    def _lists(self, index: int, entries: Iterable[TokenLogprob]) -> dict[str, list[Any]] | None:
        lists: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for entry in entries:
            first = isnan(entry.logprob)
            lists["tokens"].append(entry.text)
            lists["token_logprobs"].append(None if first else _finite(entry.logprob))
            lists["top_logprobs"].append(None if first else {text: _finite(logprob) for _, text, logprob in entry.top})
            lists["text_offset"].append(self._offsets[index])
            self._offsets[index] += len(entry.text)
        return lists if lists["tokens"] else None


class ChatShape:
    """Choices with a `message`, streamed as `delta`s."""

    id_prefix, name, piece_name = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def opening(self, index: int) -> Choice | None:
        return {"index": index, "delta": {"role": "assistant", "content": ""}, "logprobs": None, **RUNNING}

    def piece(self, index: int, chunk: Chunk) -> Choice:
        delta = {"content": chunk.text} if chunk.text else {}
        return {"index": index, "delta": delta, "logprobs": _contents(chunk.logprobs), **_end(chunk)}

    def whole(self, index: int, chunks: Sequence[Chunk]) -> Choice:
        message = {"role": "assistant", "content": "".join(c.text for c in chunks)}
        logprobs = _contents([entry for c in chunks for entry in c.logprobs])
        return {"index": index, "message": message, "logprobs": logprobs, **_end(chunks[-1])}


def _end(chunk: Chunk) -> dict[str, Any]:
    return {"finish_reason": chunk.finish_reason, "stop_reason": chunk.stop_reason}


def _contents(entries: Sequence[TokenLogprob]) -> dict[str, Any] | None:
    if not entries:
        return None
    content = [
        {**_token(e.text, e.logprob), "top_logprobs": [_token(text, logprob) for _, text, logprob in e.top]}
        for e in entries
    ]
    return {"content": content, "refusal": None}


def _token(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": _finite(logprob), "bytes": list(text.encode("utf-8", "replace"))}


def _finite(logprob: float) -> float:
    return LEAST_LOGPROB if isnan(logprob) else max(logprob, LEAST_LOGPROB)
