"""Bytes to text: the encodings in which novels are found, tried in the order that does not mistake one for another.

Byte-order marks, strict UTF-8 (also cut inside its last character), UTF-16 without a mark, GB18030 and Big5 scored by
how many of their characters are common ones, then single-byte encodings and whatever charset-normalizer proposes.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

from novelray.corpus.native import compiled

_native = compiled("lines")

SAMPLE = 20_000  # characters looked at in each of three places when a candidate is scored
PLAUSIBLE = 0.85  # share of the non-ASCII characters that are common ones, below which a candidate is not believed
STRANGE = 0.02  # share of private-use characters above which a sample is no text
DAMAGE = 0.001  # share of undecodable bytes up to which a file still counts as UTF-8

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a zip archive (EPUB, DOCX, ...)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
)
_MULTIBYTE = ("gb18030", "cp950", "big5hkscs", "utf-16-le", "utf-16-be")
_ASCII = bytes(range(0x80))
_CONTROLS = bytes([*range(9), *range(0x0E, 0x1B), *range(0x1C, 0x20)])
_IS_CONTROL = bytes(code in _CONTROLS for code in range(256))
_FILLED = re.compile("[^\ufeff\ufffd \t\r\n\u3000]")
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_FREQUENT = frozenset("的一是不了在人有我他这這来來说說道那之个個子大上下也中天")
_HANZI = re.compile(r"[\u3400-\u9fff]")
_NO_LETTER = bytes([*range(0x80), 0x85, *range(0x91, 0x98)])  # ASCII, and cp1252's quotes and dashes
_FIRST_PRIVATE, _LAST_PRIVATE = 0xE000, 0xF8FF
_PRIVATE = re.compile(f"[{chr(_FIRST_PRIVATE)}-{chr(_LAST_PRIVATE)}]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class Unreadable(Exception):
    """A file that is no readable text, which is quarantined; no error of the stage. `reason` is one line for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Decoded:
    """A file's text. `tail_bytes`: bytes of a last character cut off; `replaced`: undecodable places, now U+FFFD.

    `parts`: stretches in different encodings that were put together.
    """

    text: str
    encoding: str
    tail_bytes: int = 0
    replaced: int = 0
    parts: int = 1

    def changes(self) -> Counter[str]:
        """Stretches in another encoding than the one before, as a count of changes."""
        return Counter({"mixed_encodings": self.parts - 1} if self.parts > 1 else {})


def decode(data: bytes, encoding: str = "auto") -> Decoded:
    """Text of `data`. Raises Unreadable with the reason; LookupError when `encoding` is no encoding's name."""
    if not data or data.isspace():
        raise Unreadable("the file is empty")
    for magic, what in _BINARY:
        if data.startswith(magic):
            raise Unreadable(f"the file is {what}, not text")
    found = _detect(data) if encoding == "auto" else _forced(data, encoding)
    return _checked(found, data)


def _checked(found: Decoded, data: bytes) -> Decoded:
    """Refuse what decodes but is no text."""
    is_utf8 = found.encoding.startswith("utf-8")  # bytes are then looked at, which is faster
    if (b"\x00" in data) if is_utf8 else ("\x00" in found.text):
        raise Unreadable(f"the file has NUL characters (read as {found.encoding})")
    controls = _controls(data) if is_utf8 else len(_CONTROL.findall(found.text))
    if controls > 8 + len(found.text) // 1000:
        raise Unreadable(f"the file is binary: {controls} control characters (read as {found.encoding})")
    if any(_private(part) > STRANGE * len(part) for part in _samples(found.text)):
        raise Unreadable(f"a part of the file is in another encoding than {found.encoding}, or no text")
    if not _FILLED.search(found.text):
        raise Unreadable("the file is empty")
    return found


def _private(part: str) -> int:
    """How many characters are private-use ones."""
    if _native is not None:
        return int(_native.within(part, _FIRST_PRIVATE, _LAST_PRIVATE))
    return len(_PRIVATE.findall(part))


def _controls(data: bytes) -> int:
    """How many bytes are control characters."""
    if _native is not None:
        return int(_native.flagged_bytes(data, _IS_CONTROL, 0x20))
    return len(data) - len(data.translate(None, _CONTROLS))


def _forced(data: bytes, encoding: str) -> Decoded:
    name = codecs.lookup(encoding).name
    try:
        return Decoded(data.decode(name).removeprefix("\ufeff"), name)
    except UnicodeDecodeError as error:
        if _is_cut(data, error):
            return Decoded(data[: error.start].decode(name).removeprefix("\ufeff"), name, len(data) - error.start)
        raise Unreadable(f"the file is not {encoding}: byte {error.start} cannot be decoded") from None


def _is_cut(data: bytes, error: UnicodeDecodeError) -> bool:
    """Whether decoding failed only because the last character is incomplete."""
    return len(data) - error.start < 4 and error.end == len(data) and error.start > 0


def _detect(data: bytes) -> Decoded:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _forced(data, encoding)
    found = _utf8(data) or _wide(data) or _best_multibyte(data) or _mixed(data) or _damaged_utf8(data)
    if found is None and b"\x00" in data:
        raise Unreadable("the file is binary: it has NUL bytes and is not UTF-16")
    found = found or _single_byte(data)
    if found is None:
        raise Unreadable("the encoding could not be recognised; set corpus.read.encoding if you know it")
    return found


def _utf8(data: bytes) -> Decoded | None:
    if b"\x00" in data:
        return None
    try:
        return Decoded(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        if _is_cut(data, error):
            return Decoded(data[: error.start].decode("utf-8"), "utf-8", len(data) - error.start)
    return None


def _wide(data: bytes) -> Decoded | None:
    """UTF-16 without a mark, where NUL bytes speak for it: the byte order whose characters are more plausible."""
    if b"\x00" not in data:
        return None
    options = [found for order in ("utf-16-le", "utf-16-be") if (found := _strict(data, order))]
    options = [found for found in options if "\x00" not in found.text and plausibility(found.text) >= PLAUSIBLE]
    return max(options, key=lambda found: plausibility(found.text), default=None)


def _best_multibyte(data: bytes) -> Decoded | None:
    """The most plausible of the two-byte encodings, if any is plausible at all."""
    if data.isascii() or b"\x00" in data:
        return None
    best, best_score = None, PLAUSIBLE
    is_western = len(data.translate(None, _ASCII)) < 0.02 * len(data)  # half of UTF-16's bytes are others
    for encoding in ("gb18030", "cp950", "big5hkscs") if is_western else _MULTIBYTE:
        found = _strict(data, encoding)
        if found is None or not _is_chinese(found.text):
            continue
        score = plausibility(found.text)
        if score > best_score:
            best, best_score = found, score
    return best


def _strict(data: bytes, encoding: str) -> Decoded | None:
    name = "big5" if encoding == "cp950" else encoding
    try:
        return Decoded(data.decode(encoding), name)
    except UnicodeDecodeError as error:
        if _is_cut(data, error):
            return Decoded(data[: error.start].decode(encoding), name, len(data) - error.start)
    return None


def _damaged_utf8(data: bytes) -> Decoded | None:
    """UTF-8 with a few bad bytes; taken only when the good characters outnumber them by far."""
    if b"\x00" in data:
        return None
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = len(text) - len(text.encode("ascii", "ignore")) - bad
    return Decoded(text, "utf-8", replaced=bad) if bad <= max(4, DAMAGE * len(text)) and good >= 20 * bad else None


def _mixed(data: bytes) -> Decoded | None:
    """Lines in UTF-8 beside lines in other encodings, as where chapters of several sites were put together."""
    if b"\x00" in data:
        return None
    stretches = _stretches(data)
    found = [Decoded(part.decode(), "utf-8") if is_utf8 else _other(part) for is_utf8, part in stretches]
    whole = [part for part in found if part is not None]
    if len(found) < 2 or len(whole) < len(found) or any(part.tail_bytes for part in whole[:-1]):
        return None
    longest = max(whole, key=lambda part: len(part.text))
    return Decoded("".join(p.text for p in whole), longest.encoding, whole[-1].tail_bytes, parts=len(whole))


def _stretches(data: bytes) -> list[tuple[bool, bytes]]:
    """Consecutive lines that are UTF-8, or that are not; those of ASCII alone go with the ones before."""
    found: list[tuple[bool, list[bytes]]] = []
    ascii_first: list[bytes] = []
    for line in data.splitlines(keepends=True):
        if line.isascii():
            (found[-1][1] if found else ascii_first).append(line)
            continue
        kind = _is_utf8(line)
        if not found or found[-1][0] is not kind:
            found.append((kind, ascii_first if not found else []))
        found[-1][1].append(line)
    return [(kind, b"".join(lines)) for kind, lines in found]


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _other(data: bytes) -> Decoded | None:
    """Lines that are not UTF-8; None also where they are, with some bytes damaged."""
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    if len(_NON_ASCII.findall(text)) - bad > bad:
        return None
    return _best_multibyte(data) or _western(data)


def _western(data: bytes) -> Decoded | None:
    """Mostly ASCII with some accents or curly quotes: cp1252 or Latin-1."""
    if len(data.translate(None, _NO_LETTER)) > len(data) // 20:
        return None
    name = "latin-1" if not re.search(rb"[\x80-\x9f]", data) else "cp1252"
    try:
        return Decoded(data.decode(name), name)
    except UnicodeDecodeError:
        return None


def _single_byte(data: bytes) -> Decoded | None:
    """What is left: Western, or whatever charset-normalizer proposes."""
    if found := _western(data):
        return found
    from charset_normalizer import from_bytes

    start = next(i for i in range(len(data)) if data[i] > 127)
    guess = from_bytes(data[max(0, start - 1000) : start + 100_000]).best()
    return _strict(data, guess.encoding) if guess is not None else None


def _is_chinese(text: str) -> bool:
    """Whether Hanzi are frequent, and among them those that every Chinese text is full of (Korean bytes lack these)."""
    sample = _sample(text)
    hanzi = _HANZI.findall(sample)
    return len(hanzi) >= 0.1 * len(sample) and sum(c in _FREQUENT for c in hanzi) >= 0.03 * len(hanzi)


def plausibility(text: str) -> float:
    """Share of the sampled non-ASCII characters that a Chinese or Western text is likely to have."""
    strange = _NON_ASCII.findall(_sample(text))
    return sum(c in common_characters() for c in strange) / len(strange) if strange else 1.0


def _sample(text: str) -> str:
    return "".join(_samples(text))


def _samples(text: str) -> list[str]:
    if len(text) <= 3 * SAMPLE:
        return [text]
    middle = len(text) // 2
    return [text[:SAMPLE], text[middle : middle + SAMPLE], text[-SAMPLE:]]


@cache
def common_characters() -> frozenset[str]:
    """The first levels of GB 2312 (simplified) and Big5 (traditional), which hold the common Hanzi, and punctuation."""
    found = set(map(chr, range(0xA0, 0x180)))
    found |= set(map(chr, [*range(0x2010, 0x2040), *range(0x3000, 0x3020), *range(0xFF01, 0xFF5F)]))
    for high in range(0xB0, 0xD8):
        for low in range(0xA1, 0xFF):
            found.update(bytes((high, low)).decode("gb2312", "ignore"))
    for high in range(0xA4, 0xC7):
        for low in (*range(0x40, 0x7F), *range(0xA1, 0xFF)):
            found.update(bytes((high, low)).decode("big5", "ignore"))
    return frozenset(found)
