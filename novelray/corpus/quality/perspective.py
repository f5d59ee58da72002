"""Who tells a chapter: rules over its narration, its lines and the marks of letters and diaries.

In this order: several voices (parts under the names of different people, each in the first person), letters and diaries
(salutations, dates, signatures), second person, first person, and among the third persons omniscient (a teller who
speaks for himself, or sees into several people) or limited (into one).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from novelray.corpus.quality.narration import Narration, narration, sample

FIRST, SECOND, LIMITED = "first person", "second person", "limited third"
OMNISCIENT, VOICES, LETTERS = "omniscient third", "several voices", "letters and diaries"
PERSPECTIVES = (FIRST, SECOND, LIMITED, OMNISCIENT, VOICES, LETTERS)

FIRST_RATE = {"zh": 0.012, "en": 0.006}
SECOND_RATE = {"zh": 0.02, "en": 0.03}
"""Pronouns per Hanzi or word of narration from which it is in that person."""

_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?"
_MARKS = {
    "en": {
        "salutation": re.compile(
            r"(?:my )?(?:very )?dear(?:est)?\b.{0,30}[,:;—-]+$|to (?:mr|mrs|miss|lady|sir)\b|(?:from|to|subject): ?\S",
            re.I,
        ),
        "date": re.compile(
            r"(?:[\w. ]{0,30}, ){0,2}"
            rf"(?:\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of )?{_MONTH}|{_MONTH}\s+\d{{1,2}}(?:st|nd|d|rd|th)?)\b",
            re.I,
        ),
        "signature": re.compile(
            r"(?:yours?(?: \w+){0,4},?$|"
            r"your (?:affectionate|obedient|loving|humble|devoted|faithful|friend|brother|sister)|"
            r"love,$|sincerely|i (?:am|remain),? (?:\w+ ?){0,4},|with love|ever yours|adieu)",
            re.I,
        ),
        "title": re.compile(r"\W*(?:letter|diary|journal)\b", re.I),
    },
    "zh": {
        "salutation": re.compile(
            r"(?:亲爱的|親愛的|尊敬的|敬愛的|敬爱的)[^。，]{1,15}[：:，,]|"
            r"[^。，：:]{1,10}(?:如晤|如面|台鉴|台鑒|足下|鈞鑒|钧鉴|大鉴|大鑒|惠鉴|惠鑒|見字)"
        ),
        "date": re.compile(
            r"(?:[〇零一二三四五六七八九十\d]{2,4}年)?[正元一二三四五六七八九十冬腊臘\d]{1,3}月(?:初|廿)?"
            r"[一二三四五六七八九十\d]{1,3}日?(?=\s|$|[，,])"
        ),
        "signature": re.compile(
            r"此致|敬礼|敬禮|敬颂|敬頌|即颂|即頌|顺颂|順頌|盼复|盼覆|近安|"
            r"[^。，]{0,12}(?:顿首|頓首|谨启|謹啟|敬上|手书|手書|谨上|謹上)"
        ),
        "title": re.compile(r".{0,8}(?:日记|日記|书信|書信|来信|來信|手记|手記)"),
    },
}
_DATED = frozenset(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
_LINE = 60  # characters of a line that is a mark; a diary's date may also begin a longer one
_ENTRIES_EVERY = {"en": 6_000, "zh": 2_500}  # characters between a diary's dates, at most

_LETTERS_READ = 200_000  # characters of a longer chapter, half from either end, in which letters are looked for

_LEAST = {"en": 40, "zh": 24}  # characters of a part in one voice

_NUMBERED = re.compile(
    r"^\W*(?:(?:第[一二三四五六七八九十百\d]+[章节節回部篇卷]|其[一二三四五六七八九十])|"
    r"(?:chapter|part|book)\s+(?:[ivxlc\d]+|one|two|three|four|five|six|seven|eight|nine|ten)\b|[ivxlc\d]{1,4}(?=[.、\s]))",
    re.IGNORECASE,
)
_EN_VOICE = re.compile(
    r"^(?:(?i:(?:as )?told by |narrated by )(?P<teller>[\w .'’]{2,30})|"
    r"(?P<owner>[\w .’']{2,30}['’]s?) (?i:account|story|tale|narrative|testimony|statement)|"
    r"(?P<caps>[A-Z][A-Z .'’-]{1,24})|(?P<name>[A-Z][a-z]+(?: [A-Z][a-z]+)?))$"
)
_ZH_VOICE = re.compile(r"^[\u3400-\u9fff·]{1,8}$")
_LABEL = re.compile(r"^\W{0,2}(?P<label>[A-Z][A-Za-z .'’]{1,20}|[\u3400-\u9fff·]{1,6})[：:]\s*(?=[^\s“「\"])")


def perspective_of(text: str, title: str, language: str) -> str:
    """One of PERSPECTIVES for a chapter's text without its heading; "" in other languages and for scraps."""
    if language not in FIRST_RATE or len(text) < 80:
        return ""
    read = sample(text, language)
    whole = narration(read, language)
    told_by_one = whole.first >= FIRST_RATE[language] / 2
    if told_by_one and several_voices(read, language):
        return VOICES
    if letters(text, title, language, told_by_one or whole.second > 0):
        return LETTERS
    return person(whole, language)


def person(told: Narration, language: str) -> str:
    """First, second or one of the third persons."""
    if told.unmarked:  # some speech is left in the narration: only a clear voice counts
        return FIRST if told.first >= 3 * FIRST_RATE[language] and told.first > 3 * told.second else _third(told)
    if told.second >= SECOND_RATE[language] and told.second > 1.5 * told.first:
        return SECOND
    if told.first >= FIRST_RATE[language] and told.first * told.units >= 2:  # a teller may say "let us" once
        return FIRST
    return _third(told)


def _third(told: Narration) -> str:
    if told.intrusions >= 2 or told.unmarked:
        return OMNISCIENT
    minds = Counter({"he": told.minds["he"] + told.minds["他"], "she": told.minds["she"] + told.minds["她"]})
    names = Counter({who: n for who, n in told.minds.items() if who not in ("he", "she", "他", "她")})
    seen = minds.total() + names.total()
    if seen < 2:  # hardly a look inside anyone: told from one person's side only where it is about that person alone
        return LIMITED if seen and max(told.he, told.she) >= 0.75 * (told.he + told.she) > 0 else OMNISCIENT
    # The name that is most in view is taken for the person behind the pronoun that is.
    focal = max(minds.values()) + max(names.values(), default=0)
    return LIMITED if focal >= 0.7 * seen else OMNISCIENT


def letters(text: str, title: str, language: str, personal: bool) -> bool:
    """Whether the chapter as a whole is a letter, several letters or a diary. `personal`: it says I or you."""
    marks = _MARKS[language]
    if len(text) > _LETTERS_READ:
        text = f"{text[: _LETTERS_READ // 2]}\n{text[-_LETTERS_READ // 2 :]}"
    lines = [line.strip(" \t　_*([{'\"“‘") for line in text.split("\n")]
    lines = [line for line in lines if line]
    dated = [line for line in lines if len(line) <= _LINE or line[:3].lower() in _DATED or "月" in line[:9]]
    dates = sum(marks["date"].match(line) is not None for line in dated)
    if personal and dates >= 3 and len(text) <= dates * _ENTRIES_EVERY[language]:
        return True
    edge = max(4, len(lines) // 10)
    headed = any(marks["date"].match(line) for line in (*lines[:edge], *lines[-edge:]) if len(line) <= _LINE)
    begins = any(marks["salutation"].match(line) for line in lines[:edge] if len(line) <= _LINE)
    ends = any(marks["signature"].match(line) for line in lines[-edge:] if len(line) <= _LINE)
    named = marks["title"].match(title) is not None
    return (begins and ends) or (personal and begins + ends + headed + named >= 2)


def several_voices(text: str, language: str) -> bool:
    """Whether parts of the text stand under the names of different people and are each told in the first person."""
    parts = _parts(text, language)
    labels = Counter(label for label, _ in parts)
    if len(labels) < 2 or not (len(labels) >= 3 or labels.total() > len(labels)):
        return False
    own = {label for label, body in parts if narration(body, language).first >= FIRST_RATE[language]}
    return len(own) >= 2 and sum(labels[label] for label in own) >= 0.7 * labels.total()


def _parts(text: str, language: str) -> list[tuple[str, str]]:
    """(who, text) of each part that begins with a name: a line of its own, or a name and a colon."""
    parts: list[tuple[str, list[str]]] = []
    for line in map(str.strip, text.split("\n")):
        found = _LABEL.match(line) if ":" in line[:24] or "：" in line[:10] else None
        if found and len(line) >= _LEAST[language]:
            parts.append((found["label"], [line[found.end() :]]))
        elif line and len(line) <= _LINE and (who := _heading(line, language)):
            parts.append((who, []))
        elif parts:
            parts[-1][1].append(line)
    return [(who, "\n".join(lines)) for who, lines in parts if sum(map(len, lines)) >= _LEAST[language]]


def _heading(line: str, language: str) -> str:
    bare = _NUMBERED.sub("", line).strip(" 　.:：,，、-—【】[]()（）")
    if language == "zh":
        return bare if _ZH_VOICE.match(bare) else ""
    found = _EN_VOICE.match(bare)
    return next((group for group in found.groups() if group), "") if found else ""


def of_book(chapters: Sequence[tuple[str, int]]) -> str:
    """The perspective of a book from (perspective, characters) of its chapters."""
    sizes: Counter[str] = Counter()
    for name, chars in chapters:
        sizes[name] += chars if name else 0
    if not sizes.total():
        return ""
    kinds = Counter(name for name, _ in chapters)
    # Letters round another person's tale.
    if kinds[LETTERS] >= 2 and sizes[LETTERS] >= 0.05 * sizes.total() and sizes[FIRST] >= 0.5 * sizes.total():
        return VOICES
    return max(sorted(sizes), key=lambda name: sizes[name])
