"""The order of the corrections: what is broken is repaired first, then normalised, then single words are corrected."""

from __future__ import annotations

from collections import Counter

from novelray.corpus.alphabet import alphabet
from novelray.corpus.clean import mojibake, script
from novelray.corpus.clean.confusion import correct
from novelray.corpus.clean.damaged import without_damage
from novelray.corpus.clean.normalise import normalise
from novelray.corpus.clean.spelling import respell
from novelray.corpus.clean.tables import corrections_of, names_of
from novelray.recipe.clean import CleanSection

_DEFAULT = CleanSection()
_INSIDE_WORDS = {"mojibake", "line_ends", "control_characters", "special_spaces", "zero_width", "nfc"}


def clean(text: str, section: CleanSection = _DEFAULT) -> tuple[str, Counter[str]]:
    """The text of one whole book, cleaned, and how many changes of each kind were made.

    `names_kept` counts places that were left alone because they are names, `damaged` characters that were taken out. A
    clean text is not changed again. Marks of dialogue and the heading sentinels of the reader stay. Raises CorpusError
    for a table that cannot be read.
    """
    size = len(text)
    if section.damaged:  # before its question marks are made full-width
        text = without_damage(text)
    damaged = size - len(text)
    letters = alphabet(text)
    text, changes = _repaired_and_normal(text, letters, section.mojibake)
    changes["damaged"] = damaged
    if section.script != "keep":
        text, changes["script"] = script.convert(text, section.script, alphabet(text))
        letters = alphabet(text)
    names = names_of(section)
    corrections = corrections_of(section)
    if section.confusions or corrections:
        text, found = correct(text, letters, corrections, section.confusions, names)
        changes += found
    if section.english_spelling != "keep":
        text, found = respell(text, section.english_spelling, names)
        changes += found
    return text, +changes


def _repaired_and_normal(text: str, letters: set[str], mojibake_too: bool) -> tuple[str, Counter[str]]:
    changes: Counter[str] = Counter()
    while True:
        made: Counter[str] = Counter()
        if mojibake_too and mojibake.suspicious(letters):
            text, made["mojibake"] = mojibake.repair(text, letters)
            if made["mojibake"]:
                letters |= alphabet(text)
        text, normal = normalise(text, letters)
        made += normal
        changes += made
        # Taking a character out of a word can complete a broken sequence: look again, but only where there can be one.
        if (+made).keys().isdisjoint(_INSIDE_WORDS) or not (mojibake_too and mojibake.suspicious(letters)):
            return text, changes
