"""English word forms, as far as rules give them with certainty: plural, third person, past and present participle."""

from __future__ import annotations

from functools import lru_cache

VOWELS = "aeiou"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


IRREGULAR = dict(
    pair.split("/")
    for pair in sorted(
        _words(
            """
            say/said make/made think/thought tell/told find/found feel/felt leave/left bring/brought
            hold/held stand/stood hear/heard mean/meant meet/met pay/paid sit/sat lead/led read/read
            lose/lost send/sent build/built understand/understood catch/caught buy/bought sell/sold win/won
            keep/kept sleep/slept teach/taught seek/sought fight/fought bend/bent lend/lent spend/spent
            creep/crept sweep/swept weep/wept deal/dealt kneel/knelt feed/fed flee/fled bleed/bled
            breed/bred speed/sped cling/clung fling/flung sling/slung sting/stung swing/swung string/strung
            wring/wrung hang/hung dig/dug stick/stuck strike/struck bind/bound grind/ground wind/wound
            shine/shone shoot/shot slide/slid light/lit lay/laid have/had hit/hit hurt/hurt cut/cut put/put
            set/set shut/shut split/split spread/spread cast/cast cost/cost burst/burst thrust/thrust
            let/let quit/quit rid/rid shed/shed
            """
        )
    )
)
"""Verbs whose past is their past participle too, and is not regular."""

UNSURE = _words(
    """
    be do go see come take give get know become begin break choose draw drink drive eat fall fly forget forgive
    freeze grow hide lie ride ring rise run shake sing sink speak spring steal swear swim tear throw wake wear
    write awake arise bear beat bid bite blow forbid forsake mistake overcome shrink slay sow strive swell tread
    undertake weave withdraw undergo overthrow foresee partake burn dream learn leap lean smell spell spill spoil
    dwell bet wed sew saw mow hew prove shear show shave cleave dive thrive behold overhear man child woman foot
    tooth goose mouse louse ox person die leaf life wife knife wolf half self shelf calf loaf thief sheaf elf hoof
    roof scarf wharf sheep deer fish series species news means people cattle police analysis crisis basis thesis
    phenomenon datum
    """
)
"""Words whose other forms no rule here gives."""

PASTS = frozenset(IRREGULAR.values()) | _words(
    """
    saw came took gave knew became began broke chose drew drank drove fell flew forgot froze grew rode rang rose
    sang sank spoke sprang stole swore swam tore threw woke wore wrote arose bore blew forbade mistook shrank
    strove trod wove withdrew underwent overcame overthrew foresaw slain sown seen taken given known begun broken
    chosen drawn driven eaten fallen flown forgotten frozen grown hidden lain ridden risen shaken sung sunk spoken
    stolen sworn torn thrown worn written born borne beaten bitten blown
    """
)
"""Forms that look like a base and may be the past of another word."""

_AN = ("hour", "honest", "honour", "honor", "heir")
_A = ("uni", "use", "usu", "uti", "eu", "one", "once", "ewe", "uto", "ura")


@lru_cache(maxsize=1 << 16)
def inflect(base: str, ending: str) -> str:
    """The form of a word with `s`, `ed` or `ing`; empty where the rules are not sure."""
    if base in UNSURE or len(base) < 3:
        return ""
    if ending == "s":
        return _with_s(base)
    if ending == "ed" and base in IRREGULAR:
        return IRREGULAR[base]
    return _with_ed_or_ing(base, ending)


def _with_s(base: str) -> str:
    if base.endswith(("s", "x", "z", "ch", "sh")):
        return f"{base}es"
    if base.endswith("y") and base[-2] not in VOWELS:
        return f"{base[:-1]}ies"
    return "" if base.endswith(("o", "f", "fe")) else f"{base}s"


def _with_ed_or_ing(base: str, ending: str) -> str:
    if base.endswith("e"):
        if ending == "ed":
            return f"{base}d"
        return "" if base.endswith(("ie", "ee", "oe", "ye")) else f"{base[:-1]}ing"
    if base.endswith("y") and base[-2] not in VOWELS and ending == "ed":
        return f"{base[:-1]}ied"
    if _doubles(base):
        return f"{base}{base[-1]}{ending}" if _syllables(base) == 1 else ""
    return f"{base}{ending}"


def _doubles(base: str) -> bool:
    """Ends in one vowel and one consonant, which is then doubled when the syllable has the stress."""
    return (
        base[-1] not in "aeiouwxy" and base[-2] in VOWELS and (base[-3] not in VOWELS or base[-3:-1] == "ui")
        and not (_syllables(base) > 1 and base.endswith(("en", "er", "on", "el", "it", "et")) and base not in _STRESSED)
    )  # fmt: skip


_STRESSED = _words(
    """
    admit commit permit submit omit emit refer prefer defer confer infer transfer regret forget upset reset compel
    expel propel rebel excel
    """
)


def _syllables(base: str) -> int:
    return sum(a in "aeiouy" and b not in "aeiouy" for a, b in zip(base, base[1:] + " ", strict=True))


def bases(form: str) -> list[tuple[str, str]]:
    """(base, ending) pairs that may have given a form; `inflect` tells which of them did."""
    found = []
    if form.endswith("s") and not form.endswith("ss"):
        found += [(form[:-1], "s")]
        found += [(form[:-2], "s")] if form.endswith("es") else []
        found += [(f"{form[:-3]}y", "s")] if form.endswith("ies") else []
    for ending in ("ed", "ing"):
        stem = form.removesuffix(ending)
        if stem != form and len(stem) > 2:
            found += [(stem, ending), (f"{stem}e", ending)]
            found += [(stem[:-1], ending)] if stem[-1] == stem[-2] else []
            found += [(f"{stem[:-1]}y", ending)] if stem[-1] == "i" else []
    return [(base, ending) for base, ending in found if inflect(base, ending) == form]


def article_for(word: str) -> str:
    """`a` or `an`."""
    vowel = word.startswith(_AN) or (word[:1] in VOWELS and not word.startswith(_A))
    return "an" if vowel else "a"
