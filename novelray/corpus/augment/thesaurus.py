"""Synonym files: a plain list, Cilin, an Open Multilingual Wordnet `.tab` file, or the `dict` folder of WordNet.

The plain form is one line for a word, `word<TAB>synonym synonym`; `#` begins a comment, and `word/n` (n, v, a, r) says
which part of speech is meant, without which an English word is replaced in this very form only. In the other three a
word is used where its meaning is clear: in Cilin and .tab files when it stands in one group of synonyms only, in
WordNet in its most frequent sense.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath

from novelray.errors import CorpusError
from novelray.storage import Store

Entry = tuple[str, str, tuple[str, ...]]  # word, part of speech ("" where not said), synonyms

_CILIN = re.compile(r"[A-Z][a-z]\d\d[A-Z]\d\d[=#@]\s")
_OMW = re.compile(r"\d{8}-([a-z])\t(?:[a-z]+:)?lemma\t")
_HAN = re.compile(r"[㐀-鿿豈-﫿]+")
_LATIN = re.compile(r"[a-z]+")
_PLAIN = re.compile(r"[\s,，;；、|]+")
NAMES = ("nr", "ns", "nt", "nz")  # how the segmenter tags names
POS_FILES = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
HINT = (
    "Each line is a word, a tab, and its synonyms between spaces; or give Cilin, a wordnet .tab file, WordNet's dict."
)


@dataclass(frozen=True)
class Thesaurus:
    """Synonyms of Chinese words, and of English words by part of speech ("" where it is not known)."""

    zh: dict[str, tuple[str, ...]] = field(default_factory=dict)
    en: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    forms: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict, compare=False)
    """What was looked up before: the synonyms of English word forms."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages it has words of."""
        return tuple(name for name, table in (("zh", self.zh), ("en", self.en)) if table)


@lru_cache(maxsize=2)
def load_thesaurus(files: tuple[str, ...], endpoint: str | None = None, stamp: str = "") -> Thesaurus:
    """Read synonym files. A word's synonyms are those of all of them. `stamp`: digest of the files, if it is known.


    Raises CorpusError for a file that is not there, cannot be read or is in none of the forms.
    """
    zh: dict[str, list[str]] = {}
    en: dict[str, dict[str, list[str]]] = {}
    for location in files:
        for word, pos, synonyms in _entries(location, endpoint):
            if _HAN.fullmatch(word) and len(word) > 1:
                zh.setdefault(word, []).extend(s for s in synonyms if _HAN.fullmatch(s) and len(s) > 1)
            elif _LATIN.fullmatch(word):
                known = en.setdefault(word, {}).setdefault(pos, [])
                known.extend(s for s in synonyms if _LATIN.fullmatch(s))
    flat = {w: u for w, found in zh.items() if (u := _others(w, found))}
    table = {w: {p: u for p, found in by.items() if (u := _others(w, found))} for w, by in en.items()}
    table = {w: by for w, by in table.items() if by}
    if not flat and not table:
        raise CorpusError(f"There are no synonyms in {', '.join(files)}.", HINT)
    return Thesaurus(_without_names(_in_both_scripts(flat)), table)


def files_of(location: str, endpoint: str | None = None) -> list[str]:
    """What a synonym location consists of: the file, or the files of WordNet's `dict` folder.

    Raises CorpusError when it is not there.
    """
    store, name = _at(location, endpoint)
    if store.exists(name):
        return [location]
    names = [f"{location.rstrip('/')}/{kind}.{part}" for part in POS_FILES for kind in ("index", "data")]
    if all(_at(n, endpoint)[0].exists(_at(n, endpoint)[1]) for n in names):
        return names
    raise CorpusError(f"There is no synonym file {location}.", f"Check corpus.augment.synonyms.files. {HINT}")


def _at(location: str, endpoint: str | None) -> tuple[Store, str]:
    folder, _, name = location.rstrip("/").rpartition("/")
    return Store(folder or ("/" if location.startswith("/") else "."), endpoint), name


def read_location(location: str, endpoint: str | None = None) -> bytes:
    """The bytes of one file. Raises CorpusError when it is not there."""
    store, name = _at(location, endpoint)
    try:
        return store.read(name)
    except FileNotFoundError:
        raise CorpusError(f"There is no synonym file {location}.", "Check corpus.augment.synonyms.files.") from None


def _entries(location: str, endpoint: str | None) -> Iterator[Entry]:
    files = files_of(location, endpoint)
    texts = [_text(read_location(f, endpoint), f) for f in files]
    if len(files) > 1:
        for part, index, data in zip(POS_FILES.values(), texts[::2], texts[1::2], strict=True):
            yield from _wordnet(index, data, part)
        return
    lines = [line for line in texts[0].splitlines() if line.strip() and not line.startswith("#")]
    first = lines[0] if lines else ""
    if _CILIN.match(first):
        groups = (("", line.split()[1:]) for line in lines if _CILIN.match(line) and line[7:8] == "=")
        yield from _unambiguous(groups)
    elif _OMW.match(first):
        yield from _unambiguous(_tab_groups(lines))
    else:
        yield from _plain(lines, location)


def _text(data: bytes, location: str) -> str:
    for encoding in ("utf-8-sig", "gb18030"):  # Cilin is passed on as GBK
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CorpusError(f"{location} is no text: neither UTF-8 nor GB18030.", HINT)


def _plain(lines: Sequence[str], location: str) -> Iterator[Entry]:
    for line in lines:
        word, tab, rest = line.partition("\t")
        if not tab:
            raise CorpusError(f"{PurePosixPath(location).name}: the line {line[:40]!r} has no tab.", HINT)
        word, _, pos = word.strip().partition("/")
        yield word, pos if pos in POS_FILES.values() else "", tuple(s for s in _PLAIN.split(rest.strip()) if s)


def _tab_groups(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for line in lines:
        if _OMW.match(line):
            key, _, word = line.split("\t")[:3]
            groups.setdefault(key, []).append(word.strip().replace("+", ""))
    for key, words in groups.items():
        yield key[-1].replace("s", "a"), words


def _unambiguous(groups: Iterator[tuple[str, list[str]]]) -> Iterator[Entry]:
    """Words that stand in one group of their part of speech only."""
    found: dict[tuple[str, str], list[list[str]]] = {}
    for pos, words in groups:
        for word in words:
            found.setdefault((word, pos), []).append(words)
    for (word, pos), where in found.items():
        if len(where) == 1:
            yield word, pos, tuple(where[0])


def _wordnet(index: str, data: str, pos: str) -> Iterator[Entry]:
    """A part of speech of WordNet: each word's first synset is its most frequent sense."""
    synsets: dict[str, tuple[str, ...]] = {}
    for line in data.splitlines():
        fields = line.split(" ")
        if line[:2] != "  " and len(fields) > 4:
            words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            synsets[fields[0]] = tuple(w.partition("(")[0] for w in words)
    for line in index.splitlines():
        fields = line.split()
        if line[:2] != "  " and len(fields) > 6:
            first = fields[6 + int(fields[3])]  # after the pointer symbols and the two counts of senses
            yield fields[0], pos, synsets.get(first, ())


def _others(word: str, synonyms: Sequence[str]) -> tuple[str, ...]:
    return tuple(s for s in dict.fromkeys(synonyms) if s != word)


def _in_both_scripts(table: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The table with what each entry is in the other Chinese script; entries of the files themselves win."""
    if not table:
        return table
    from opencc import OpenCC

    lines = "\n".join(" ".join([word, *synonyms]) for word, synonyms in table.items())
    both = dict(table)
    for converter in ("s2t", "t2s"):
        for line in OpenCC(converter).convert(lines).split("\n"):
            word, *synonyms = line.split(" ")
            others = _others(word, synonyms)
            if others:
                both.setdefault(word, others)
    return both


def _without_names(table: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The table without words that the segmenter's dictionary knows as names of persons, places or other things."""
    import rjieba

    return {word: found for word, found in table.items() if not rjieba.tag(word)[0][1].startswith(NAMES)}
