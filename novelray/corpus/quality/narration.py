"""What the teller says, with what the people in the story say taken out, and counts over it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from novelray.corpus.quality import words as w
from novelray.corpus.quality.people import HE, SHE, both_cases, minds

SAMPLE = {"zh": 5_000, "en": 10_000}
"""Characters of a chapter that are read: of a longer one its opening, middle and end, a third each."""

# A speech ends at its closing mark, at the next opening mark or at a blank line: the opening mark of a paragraph inside
# a longer speech has no partner. Every class leaves out what may end it, so that each character is looked at once.
_INNER = re.compile(r"『[^「」『』“”\"]*』?")
_RUN = r"[^%s\n]*(?:\n(?![ \t]*\n)[^%s\n]*)*"
_QUOTED = {end: re.compile(rf"[“「]{_RUN}[”」\"]{end}".replace("%s", '“”「」"')) for end in ("", "?")}
_STRAIGHT = {end: re.compile(rf"\"{_RUN}\"{end}".replace("%s", '"')) for end in ("", "?")}
_SINGLE = {
    "": re.compile(r"(?<![A-Za-z])‘[^‘“”\n]*(?:\n(?![ \t]*\n)[^‘“”\n]*)*’(?![A-Za-z])"),
    "?": re.compile(r"(?<![A-Za-z])‘[^‘“”\n]*(?:\n(?![ \t]*\n)[^‘“”\n]*)*(?:’(?![A-Za-z]))?"),
}
_UNMARKED = re.compile(r"[道曰說说云問问答叫喊][：:][^。！？!?\n]{0,400}[。！？!?]?")
_QUOTE_MARKS = re.compile(r"[“「\"]")


_EN_I = both_cases("i me myself we us")  # not "my": who tells of "my brother" need not be in the story
_EN_YOU = both_cases("you your yours yourself")
_CASED = bytes(c if chr(c).isalpha() else 32 for c in range(256))
_ZH_MINDS = re.compile(f"(?:{'|'.join(sorted(w.ZH_MENTAL, key=len, reverse=True))})")
_ZH_CLAUSE = re.compile(r"[，。！？；：、…\s”」』]")
_ZH_SURNAMES = frozenset(w.ZH_SURNAMES)
LEAST_TOLD = 0.3
"""Share of a text outside quotation marks below which someone in the story is taken for its teller."""


@dataclass(frozen=True)
class Narration:
    """Counts over a passage's narration. Rates are per unit: a Hanzi, or an English word.

    `unmarked`: speech stands without quotation marks, so that some of it is still counted. `minds`: who is said to
    think or feel, by name or pronoun, with how often.
    """

    units: int
    first: float
    second: float
    he: float
    she: float
    intrusions: int
    unmarked: bool
    minds: Counter[str] = field(default_factory=Counter)


def sample(text: str, language: str) -> str:
    """The part of a chapter that is read."""
    limit = SAMPLE[language]
    if len(text) <= limit:
        return text
    third, middle = limit // 3, len(text) // 2
    return "\n".join((text[:third], text[middle - third // 2 : middle + third // 2], text[-third:]))


def narration(text: str, language: str) -> Narration:
    """Count over a passage (a sample, or a part of one)."""
    if language == "en":
        return _english(without_speech(text))
    marked, speech = len(_QUOTE_MARKS.findall(text)), len(_UNMARKED.findall(text))
    unmarked = speech >= 3 and marked < speech
    return _chinese(_UNMARKED.sub("\n", text) if unmarked else without_speech(text), unmarked)


def without_speech(text: str) -> str:
    """The text without what stands between quotation marks; where hardly anything is left, with long tales left in.

    Who tells a tale over many paragraphs is the teller: each paragraph opens with a mark and does not close it.
    """
    told = _take_out(text, "?")
    return told if len(told) >= LEAST_TOLD * len(text) else _take_out(text, "")


def _take_out(text: str, closed: str) -> str:
    text = _QUOTED[closed].sub("\n", _INNER.sub("", text) if "『" in text else text)
    text = _STRAIGHT[closed].sub("\n", text) if '"' in text else text
    return _SINGLE[closed].sub("\n", text) if "‘" in text else text


def _english(told: str) -> Narration:
    words = told.encode("latin-1", "replace").translate(_CASED).split()
    counts = Counter(words)
    units, lower = max(1, len(words)), told.lower().replace("\n", " ")
    return Narration(
        units, _share(counts, _EN_I, units), _share(counts, _EN_YOU, units), _share(counts, HE, units),
        _share(counts, SHE, units), sum(lower.count(phrase) for phrase in w.EN_INTRUSION), False,
        minds(words),
    )  # fmt: skip


def _share(words: Counter[bytes], of: frozenset[bytes], units: int) -> float:
    return sum(words[word] for word in of) / units


def _chinese(told: str, unmarked: bool) -> Narration:
    units = max(1, len(told) - sum(told.count(c) for c in "，。！？：；、\n 　"))
    first = sum(told.count(c) for c in "我俺咱") + sum(told.count(c) for c in ("余", "予", "吾")) / 2
    return Narration(
        units, first / units, (told.count("你") + told.count("您")) / units,
        told.count("他") / units, told.count("她") / units,
        sum(told.count(phrase) for phrase in w.ZH_INTRUSION), unmarked, _chinese_minds(told),
    )  # fmt: skip


def _chinese_minds(told: str) -> Counter[str]:
    """The subject of a clause with a word of inner life is how the clause begins: 他, 她, or a surname and the next."""
    found: Counter[str] = Counter()
    for match in _ZH_MINDS.finditer(told):
        clause = _ZH_CLAUSE.split(told[max(0, match.start() - 10) : match.start()])[-1].lstrip(
            "这那此时時只但可而且卻却"
        )
        if clause[:1] in ("他", "她"):
            found[clause[0]] += 1
        elif len(clause) >= 2 and clause[0] in _ZH_SURNAMES:
            found[clause[:2]] += 1
    return found
