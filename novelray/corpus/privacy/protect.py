"""What becomes of the personal data that is found: a word in its place, the line without it, or only a count."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from novelray.corpus.privacy.find import Finding, find
from novelray.recipe.privacy import PrivacySection

WORDS: dict[str, tuple[str, str, str]] = {
    "phone": ("【电话】", "【電話】", "[phone]"),
    "email": ("【邮箱】", "【郵箱】", "[email]"),
    "id_number": ("【证件号】", "【證件號】", "[id number]"),
    "passport": ("【护照号】", "【護照號】", "[passport number]"),
    "bank_card": ("【银行卡号】", "【銀行卡號】", "[card number]"),
    "address": ("【地址】", "【地址】", "[address]"),
    "messenger": ("【账号】", "【帳號】", "[account]"),
    "ip_address": ("【网络地址】", "【網路地址】", "[ip address]"),
}
"""What stands in the place of data, in simplified Chinese, traditional Chinese and English."""

HEADING = "\ue000"
_HANZI = re.compile(r"[\u3400-\u9fff]")
_AROUND = 40  # characters on both sides that say in which language a place is
_SENTENCE_END = re.compile(r"[。！？!?…]+[”’」』）\"']*|\.+[”’\"')]*(?=\s)|\n")


def protect(text: str, section: PrivacySection) -> tuple[str, Counter[str]]:
    """The text after `section.data` was applied, and how much personal data of each kind was found."""
    findings = find(text)
    counts = Counter(f.kind for f in findings)
    if not findings or section.data == "keep":
        return text, counts
    if section.data == "mask":
        return _masked(text, findings), counts
    return _without_lines(text, findings, section.drop_line), counts


def _masked(text: str, findings: list[Finding]) -> str:
    traditional = _is_traditional(text)
    parts: list[str] = []
    done = 0
    for finding in findings:
        parts += [text[done : finding.start], _word(text, finding, traditional)]
        done = finding.end
    return "".join([*parts, text[done:]])


def _word(text: str, finding: Finding, traditional: bool) -> str:
    simplified, other, english = WORDS[finding.kind]
    around = text[max(0, finding.start - _AROUND) : finding.start] + text[finding.end : finding.end + _AROUND]
    if not _HANZI.search(around) and not _HANZI.search(text, finding.start, finding.end):
        return english
    return other if traditional else simplified


def _is_traditional(text: str) -> bool:
    sample = text[:200_000]
    return sum(map(sample.count, "這說們來個時為過國")) > sum(map(sample.count, "这说们来个时为过国"))


def _without_lines(text: str, findings: list[Finding], limit: int) -> str:
    parts: list[str] = []
    done = 0
    for start, end, instead in _cuts(text, findings, limit):
        if end > done:
            parts += [text[done : max(done, start)], instead if start >= done else ""]
            done = end
    return "".join([*parts, text[done:]])


def _cuts(text: str, findings: list[Finding], limit: int) -> Iterator[tuple[int, int, str]]:
    """(start, end, what stays) of what goes: the line; of a long line the sentence; of a heading only the data."""
    traditional = _is_traditional(text)
    for finding in findings:
        start = text.rfind("\n", max(0, finding.start - limit), finding.start) + 1
        end = text.find("\n", finding.end, finding.end + limit)
        at_start = start > 0 or finding.start <= limit
        at_end = end >= 0 or len(text) - finding.end < limit
        end = end + 1 if end >= 0 else len(text)
        if at_start and text.startswith(HEADING, start):
            yield finding.start, finding.end, _word(text, finding, traditional)
        elif at_start and at_end and end - start <= limit + 1:
            yield start, end, ""
        else:
            yield _sentence(text, finding, limit)


def _sentence(text: str, finding: Finding, limit: int) -> tuple[int, int, str]:
    """The sentence around a finding, at most `limit` characters to each side. A mark whose pair is outside it stays."""
    low = max(0, finding.start - limit)
    before = [m.end() for m in _SENTENCE_END.finditer(text, low, finding.start)]
    after = _SENTENCE_END.search(text, finding.end, min(len(text), finding.end + limit))
    start = before[-1] if before else low
    end = after.end() if after else min(len(text), finding.end + limit)
    if after and after.group() == "\n":
        end -= 1
    return start, end, _unpaired(text[start:end])


def _unpaired(sentence: str) -> str:
    pairs = {"”": "“", "’": "‘", "」": "「", "』": "『"}
    left: list[str] = []
    for mark in re.findall("[“”‘’「」『』]", sentence):
        if left and left[-1] == pairs.get(mark):
            left.pop()
        else:
            left.append(mark)
    return "".join(left) + '"' * (sentence.count('"') % 2)
