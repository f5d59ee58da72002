"""A few changes of a book's text for the report, chosen to differ from each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice

LONGEST = 300  # characters of either text; a longer passage is not shown
MOST_CHANGED = 24  # characters that went or came; beyond it the diff lost its way, or was cut off
LINES = 20_000  # of a diff that are looked at
_NOTHING = re.compile(r"(?:<empty line>|<U\+[0-9A-F]{4,}>|\s)+")


def shown_changes(diff: Iterable[str], book: str, most: int = 3) -> list[dict[str, str]]:
    """At most `most` pairs {book, before, after} out of a unified diff (`clean.difference`), each another change.

    Changes of blanks and of characters that cannot be seen are left out: there is nothing to look at.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for before, after in _pairs(islice(diff, LINES)):
        sign = _sign(before, after)
        if sign != ("", "") and sign not in found:
            found[sign] = {"book": book, "before": before, "after": after}
        if len(found) == most:
            break
    return list(found.values())


def _pairs(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What went and what came instead, per place."""
    gone: list[str] = []
    came: list[str] = []
    for line in lines:
        if line.startswith("-") and not came and not line.startswith("---"):
            gone.append(line[1:])
        elif line.startswith("+") and gone and not line.startswith("+++"):
            came.append(line[1:])
        else:
            if gone and came:
                yield _told(gone), _told(came)
            gone, came = ([line[1:]], []) if line.startswith("-") and not line.startswith("---") else ([], [])
    if gone and came:
        yield _told(gone), _told(came)


def _told(lines: Sequence[str]) -> str:
    return _NOTHING.sub(" ", "".join(lines)).strip()


def _sign(before: str, after: str) -> tuple[str, str]:
    """The characters that went and came, by which changes of one kind are told from those of another.

    Empty for what is not to be shown: nothing that can be seen changed, or too much did.
    """
    if max(len(before), len(after)) > LONGEST:
        return "", ""
    old, new = _NOTHING.sub("", before), _NOTHING.sub("", after)
    places = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    gone = [c for kind, i, j, _, _ in places if kind != "equal" for c in old[i:j]]
    came = [c for kind, _, _, k, m in places if kind != "equal" for c in new[k:m]]
    if len(gone) + len(came) > MOST_CHANGED:
        return "", ""
    return "".join(sorted(set(gone))), "".join(sorted(set(came)))
