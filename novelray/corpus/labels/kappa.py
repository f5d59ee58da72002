"""Cohen's kappa: how far two annotators agree beyond chance.

Source: J. Cohen (1960), A coefficient of agreement for nominal scales.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Kappa:
    """`common`: what both judged. `observed`: share on which they agree. `value`: kappa, -1 to 1.

    `value` is None where nothing is common, and where both gave everything the same single value: chance alone would
    then agree as much, and the quotient is 0 / 0. In the second case `observed` is 1.
    """

    common: int
    observed: float
    value: float | None


def kappa(pairs: Iterable[tuple[Hashable, Hashable]]) -> Kappa:
    """Kappa of pairs of judgements (first annotator's, second's), unweighted."""
    return kappa_of_counts(Counter(pairs))


def kappa_of_counts(counts: Mapping[tuple[Hashable, Hashable], int]) -> Kappa:
    """Kappa of a confusion table: (first's value, second's value) → how often."""
    total = sum(counts.values())
    if not total:
        return Kappa(0, 0.0, None)
    first: Counter[Hashable] = Counter()
    second: Counter[Hashable] = Counter()
    for (a, b), count in counts.items():
        first[a] += count
        second[b] += count
    same = sum(count for (a, b), count in counts.items() if a == b)
    chance = sum(count * second[value] for value, count in first.items())  # times total², in whole numbers: exact
    if chance == total * total:
        return Kappa(total, 1.0, None)
    return Kappa(total, same / total, (same * total - chance) / (total * total - chance))
