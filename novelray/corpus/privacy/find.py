"""Where personal data stands in a text: structured data only, found by form, checksum and context.

Nothing here uses `\\b`: next to Hanzi it never matches (电话13812345678给我). Full-width digits are read as digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from novelray.corpus.privacy.addresses import addresses
from novelray.corpus.privacy.contacts import emails, messengers
from novelray.corpus.privacy.numbers import bank_cards, id_numbers, ip_addresses, passports
from novelray.corpus.privacy.phones import phones
from novelray.corpus.privacy.windows import NUMERALS, windows

_HALF_WIDTH = {**{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}, 0x3000: 0x20, 0x2010: 0x2D, 0x2011: 0x2D}
_HALF_WIDTH |= dict.fromkeys((0x2012, 0x2013, 0x2212), 0x2D)
for _mark in "，！？；（）：":  # these stay: they end what Latin punctuation could belong to
    del _HALF_WIDTH[ord(_mark)]

# Some books have this for their full stop: after Hanzi it is no point in a number or an address.
_STOP = re.compile("(?<=[\u3400-\u9fff”’」』）])．")

Detector = Callable[[str], Iterator[tuple[int, int]]]

# The first that finds something at a place decides what it is.
_DETECTORS: tuple[tuple[str, Detector], ...] = (
    ("email", emails),
    ("ip_address", ip_addresses),
    ("id_number", id_numbers),
    ("bank_card", bank_cards),
    ("passport", passports),
    ("messenger", messengers),
    ("phone", phones),
    ("address", addresses),
)
_WITHOUT_DIGITS = tuple(pair for pair in _DETECTORS if pair[0] in ("email", "messenger"))
_NUMBER = re.compile(rf"[\d{NUMERALS}两]|::")


@dataclass(frozen=True, order=True)
class Finding:
    """Personal data at text[start:end]."""

    start: int
    end: int
    kind: str


def find(text: str) -> list[Finding]:
    """All findings in order, none overlapping another."""
    found: list[Finding] = []
    for start, end in windows(text):
        part = _STOP.sub("。", text[start:end]).translate(_HALF_WIDTH)
        taken: list[Finding] = []
        for kind, detect in _DETECTORS if _NUMBER.search(part) else _WITHOUT_DIGITS:
            for a, b in detect(part):
                if all(b <= t.start or a >= t.end for t in taken):
                    taken.append(Finding(a, b, kind))
        found += [Finding(start + t.start, start + t.end, t.kind) for t in sorted(taken)]
    return found
