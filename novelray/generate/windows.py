"""A text that is longer than the context: what the model reads when the context is full and the text goes on.

The beginning of the prompt stays, up to a quarter of the context: who tells, to whom, about what. The newest text
follows it, up to half of the context, so that at least a quarter is free for what comes. Both are cut where a paragraph
ends, else where a sentence ends, else between two characters. All of it depends on the tokens alone, so a text that is
gone on with elsewhere slides at the same places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Ids = tuple[int, ...]
Piece = Callable[[int], bytes]
"""The bytes that a token adds to a text."""

_SENTENCE_ENDS = tuple(mark.encode() for mark in '。！？…；”」』.!?;"')

_MARK = 4
"""Tokens that a mark may be cut into, a space after it included."""


def window(prompt: Sequence[int], output: Sequence[int], context: int, piece: Piece) -> Ids:
    """What the model reads of prompt and output, at most three quarters of the context."""
    whole = (*prompt, *output)
    head = _beginning(tuple(prompt), max(1, context // 4), piece)
    return head + _newest(whole[len(head) :], max(1, context // 2), piece)


def reading(prompt: Ids, output: Ids, context: int, piece: Piece) -> Ids:
    """What the model reads to go on after `output`, which was written with windows of this context from the start."""
    base, start = prompt, 0
    while len(output) - start >= context - len(base):
        start += context - len(base)
        base = window(prompt, output[:start], context, piece)
    return base + output[start:]


def _beginning(tokens: Ids, most: int, piece: Piece) -> Ids:
    """As many of the first tokens as fit, cut in their second half."""
    return tokens if len(tokens) <= most else tokens[: _cut(tokens, range(most, most // 2, -1), piece)]


def _newest(tokens: Ids, most: int, piece: Piece) -> Ids:
    """As many of the last tokens as fit, cut in their first quarter."""
    first = len(tokens) - most
    return tokens if first <= 0 else tokens[_cut(tokens, range(first, first + max(1, most // 4)), piece) :]


def _cut(tokens: Ids, places: range, piece: Piece) -> int:
    """The first of these places before which a paragraph ends, or a sentence, or a character; else the very first."""
    before = [b"".join(map(piece, tokens[max(0, at - _MARK) : at])).rstrip(b" ") for at in places]
    whole = [not _continues(piece(tokens[at])) for at in places]
    for ends in ((b"\n",), _SENTENCE_ENDS, (b"",)):
        for at, text, fits in zip(places, before, whole, strict=True):
            if fits and text.endswith(ends):
                return at
    return places[0]


def _continues(text: bytes) -> bool:
    """Whether a token begins inside a character."""
    return bool(text) and text[0] & 0xC0 == 0x80
