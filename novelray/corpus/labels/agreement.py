"""How far annotators agree: Cohen's kappa for each label and pair of annotators, and which labels that lets through.

Classification compares texts, each label for itself (given or not). Spans compare characters. In dialogue, utterances
compare characters; speakers, addressees and tones compare the utterances that both annotators marked.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from novelray.corpus.labels.kappa import Kappa, kappa_of_counts
from novelray.corpus.labels.kinds import Annotation
from novelray.corpus.labels.stretches import counts, mask, matched
from novelray.recipe.labels import UTTERANCE, LabelsSection, LayerSection

ALL = "(all labels)"
"""The row that compares which label was chosen, in a layer that takes one. It decides nothing."""

Table = Counter[tuple[Hashable, Hashable]]
Items = Mapping[tuple[str, int, int], Sequence[Annotation]]


@dataclass(frozen=True)
class Pair:
    """Two annotators on one label. `common`: the texts (or utterances) that both judged. `f1`: share of equal spans."""

    label: str
    first: str
    second: str
    common: int
    kappa: Kappa
    f1: float | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a label is used. `mean`: mean kappa over the pairs that count, None where none is defined."""

    label: str
    given: int  # answers that have it
    mean: float | None
    pairs: int
    used: bool
    reason: str


def by_item(annotations: Sequence[Annotation], layer: str) -> dict[tuple[str, int, int], list[Annotation]]:
    """A layer's annotations by item, in order of item and annotator."""
    found: dict[tuple[str, int, int], list[Annotation]] = {}
    for one in sorted((a for a in annotations if a.layer == layer), key=lambda a: (a.item.key, a.annotator)):
        found.setdefault(one.item.key, []).append(one)
    return found


def facets(layer: LayerSection) -> tuple[str, ...]:
    """What is judged in a layer, each with a kappa of its own."""
    return (UTTERANCE, "speaker", "addressee", *layer.labels) if layer.kind == "dialogue" else layer.labels


def pairs_of(layer: LayerSection, items: Items) -> list[Pair]:
    """Kappa for every pair of annotators who share an item, and every facet; ordered by facet, then pair."""
    tables: dict[tuple[str, str, str], Table] = {}
    common: Counter[tuple[str, str, str]] = Counter()
    equal: dict[tuple[str, str, str], list[int]] = {}
    for answers in items.values():
        for one, other in combinations(answers, 2):
            for facet, table, units in _compared(layer, one, other):
                key = (facet, one.annotator, other.annotator)
                tables.setdefault(key, Counter()).update(table)
                common[key] += units
                if layer.kind == "sequence":
                    equal.setdefault(key, []).extend(_equal(one, other, facet))
    order = {facet: at for at, facet in enumerate((ALL, *facets(layer)))}
    found = [Pair(*key, common[key], kappa_of_counts(table), _f1(equal.get(key))) for key, table in tables.items()]
    return sorted(found, key=lambda pair: (order[pair.label], pair.first, pair.second))


def _compared(layer: LayerSection, one: Annotation, other: Annotation) -> Iterator[tuple[str, Table, int]]:
    """(facet, confusion table, how many texts or utterances it is of) of two people's answers to one item."""
    if layer.kind == "classification":
        if not layer.multiple:
            yield ALL, Counter([(min(one.choices), min(other.choices))]), 1
        for label in layer.labels:
            yield label, Counter([(label in one.choices, label in other.choices)]), 1
        return
    bounds = one.item.start, one.item.end
    if layer.kind == "sequence":
        for label in layer.labels:
            masks = [mask((s for s in a.spans if s.label == label), *bounds) for a in (one, other)]
            yield label, Counter(counts(*masks)), 1
        return
    yield UTTERANCE, Counter(counts(mask(one.spans, *bounds), mask(other.spans, *bounds))), 1
    both = matched(one.spans, other.spans)
    for part in ("speaker", "addressee"):
        names = [(same_name(getattr(a, part)), same_name(getattr(b, part))) for a, b in both]
        names = [pair for pair in names if any(pair)]
        yield part, Counter(names), len(names)
    for tone in layer.labels:
        yield tone, Counter((a.label == tone, b.label == tone) for a, b in both), len(both)


def same_name(name: str) -> str:
    """A name as it is compared: NFKC, without case and outer whitespace."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _equal(one: Annotation, other: Annotation, label: str) -> tuple[int, int]:
    """(spans that both marked with the same ends, spans that either marked)."""
    first, second = ({(s.start, s.end) for s in a.spans if s.label == label} for a in (one, other))
    return 2 * len(first & second), len(first) + len(second)


def _f1(equal: list[int] | None) -> float | None:
    total = sum(equal[1::2]) if equal else 0
    return sum(equal[::2]) / total if equal and total else None


def verdicts(layer: LayerSection, items: Items, pairs: Sequence[Pair], section: LabelsSection) -> dict[str, Verdict]:
    """Which facets of a layer are used, by facet."""
    given = _given(layer, items)
    return {
        facet: _verdict(facet, given[facet], [p for p in pairs if p.label == facet], section) for facet in facets(layer)
    }


def _given(layer: LayerSection, items: Items) -> Counter[str]:
    found: Counter[str] = Counter()
    for answers in items.values():
        for one in answers:
            if layer.kind == "classification":
                found.update(one.choices)
            for span in one.spans:
                found[span.label] += 1
                found["speaker"] += bool(span.speaker) and layer.kind == "dialogue"
                found["addressee"] += bool(span.addressee) and layer.kind == "dialogue"
                found[UTTERANCE] += layer.kind == "dialogue"
    return found


def _verdict(label: str, given: int, pairs: Sequence[Pair], section: LabelsSection) -> Verdict:
    enough = [pair for pair in pairs if pair.common >= max(1, section.min_common)]
    values = [pair.kappa.value for pair in enough if pair.kappa.value is not None]
    mean = sum(values) / len(values) if values else None
    used, reason = _reason(given, pairs, enough, mean, section)
    return Verdict(label, given, mean, len(enough), used, reason)


def _reason(
    given: int, pairs: Sequence[Pair], enough: Sequence[Pair], mean: float | None, section: LabelsSection
) -> tuple[bool, str]:
    if not given:
        return False, "never given"
    if not enough and section.min_common == 0:
        return True, "agreement not measured, and min_common: 0 asks for none"
    if not enough:
        most = max((pair.common for pair in pairs), default=0)
        return False, f"no two annotators have {max(1, section.min_common)} in common (at most {most})"
    if mean is None:
        return True, "kappa is undefined: everyone gave everything the same value"
    if mean < section.min_kappa:
        return False, f"mean kappa {mean:.2f} is below {section.min_kappa:.2f}"
    return True, f"mean kappa {mean:.2f}"
