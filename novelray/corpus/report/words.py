"""The page's language: which of two texts is shown, and how numbers look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from novelray.corpus.report.html import number

Language = Literal["zh", "en"]


@dataclass(frozen=True)
class Words:
    """Called with a Chinese and an English text, gives the one of its language."""

    language: Language

    def __call__(self, zh: str, en: str) -> str:
        return zh if self.language == "zh" else en

    @property
    def tag(self) -> str:
        """The language as HTML names it."""
        return self("zh-Hans", "en")

    def count(self, value: Any, zh: str = "", en: str = "") -> str:
        """A whole number with thousands separators, and its unit: `zh` is a measure word, `en` a singular noun."""
        found = number(value)
        if found is None:
            return "–"
        shown = f"{round(found):,}"
        if not (zh or en):
            return shown
        plural = en if found == 1 else en[:-1] + "ies" if en.endswith("y") else en + "s"
        return self(f"{shown} {zh}", f"{shown} {plural}")

    def big(self, value: Any) -> str:
        """A large number in the language's own steps: 万 and 亿, or K and M and B."""
        found = number(value)
        if found is None:
            return "–"
        steps: Sequence[tuple[float, str]] = ((1e8, " 亿"), (1e4, " 万"))
        if self.language == "en":
            steps = ((1e9, " B"), (1e6, " M"), (1e3, " K"))
        for step, unit in steps:
            if abs(found) >= step:
                scaled = found / step
                return f"{scaled:,.0f}{unit}" if abs(scaled) >= 100 else f"{scaled:,.3g}{unit}"
        return f"{found:,.0f}"

    def share(self, value: Any, digits: int = 1) -> str:
        """A share as a percentage; one that rounds to nothing says so."""
        found = number(value)
        if found is None:
            return "–"
        if 0 < abs(found) < 0.5 * 10 ** -(digits + 2):
            return f"< {10.0**-digits:.{digits}f} %"
        return f"{found * 100:,.{digits}f} %"

    def score(self, value: Any) -> str:
        """A score or distance with two decimals."""
        found = number(value)
        return "–" if found is None else f"{found:.2f}"

    def name(self, table: Mapping[str, tuple[str, str]], key: Any) -> str:
        """The name of something in a table of names; the key itself where it is not there."""
        found = table.get(str(key))
        return self(*found) if found else str(key).replace("_", " ")

    def listed(self, items: Sequence[str]) -> str:
        """Items as an enumeration."""
        return self("、", ", ").join(items)


def default_language(report: Mapping[str, Any]) -> Language:
    """The language of most chapters, Chinese or English."""
    languages = report.get("languages")
    counts = languages if isinstance(languages, Mapping) else {}
    chinese = sum(number(n) or 0 for key, n in counts.items() if str(key).startswith("zh"))
    return "zh" if chinese and chinese * 2 >= sum(number(n) or 0 for n in counts.values()) else "en"
