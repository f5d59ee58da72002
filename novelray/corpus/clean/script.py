"""Simplified or traditional characters, by OpenCC with its phrase tables (乾隆 stays, 乾淨 becomes 干净).

A text is converted only when it has a character that only the other script has. So a text in the wanted script is left
alone, which also makes a second conversion change nothing: the phrase tables go one way only.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from novelray.corpus.alphabet import alphabet, is_hanzi

_CONFIGURATION = {"simplified": "t2s", "traditional": "s2t"}
_OWN_ENCODING = {"simplified": "gb2312", "traditional": "big5"}
# What the phrase tables leave as it is in names and old words (楊聯陞, 束脩, 潭祉叶吉) does not show a text's script.
_OF_BOTH = {"simplified": frozenset("釐剋脩昇祕谿氾扞陞蒐濛劄苧"), "traditional": frozenset("广恒叶")}


def convert(text: str, script: str, letters: set[str]) -> tuple[str, int]:
    """The text in `script` (`simplified` or `traditional`), and how many characters are other ones than before."""
    if not any(is_foreign(c, script) for c in letters):
        return text, 0
    converted = str(converter(script).convert(text))
    for c in alphabet(converted):
        if is_foreign(c, script):  # left by a phrase; else the next conversion would find it
            converted = converted.replace(c, str(converter(script).convert(c)))
    if len(converted) == len(text):
        changed = sum(a != b for a, b in zip(text, converted, strict=True)) if converted != text else 0
        return converted, changed
    return converted, max(1, abs(len(converted) - len(text)))


@lru_cache(maxsize=20_000)
def is_foreign(character: str, script: str) -> bool:
    """Whether a Hanzi is written in the other script only: it has another form here, and no place in the encoding."""
    if (
        not is_hanzi(character)
        or character in _OF_BOTH[script]
        or str(converter(script).convert(character)) == character
    ):
        return False
    try:
        character.encode(_OWN_ENCODING[script])
    except UnicodeError:
        return True
    return False


@lru_cache(maxsize=2)
def converter(script: str) -> Any:
    """OpenCC to `simplified` or `traditional` characters."""
    import opencc

    return opencc.OpenCC(_CONFIGURATION[script])
