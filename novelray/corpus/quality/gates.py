"""The gates of a corpus: what was measured, held against the recipe. Small numbers only; runs on the driver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from novelray.corpus.quality.explain import explain
from novelray.corpus.quality.gate import Gate, amount, batch_of, bound, count_of
from novelray.corpus.quality.perspective import PERSPECTIVES
from novelray.corpus.quality.volume import LEAST_SHARE, compensated, growth, tokens_of
from novelray.errors import CorpusError
from novelray.recipe import guide
from novelray.recipe.quality import QualitySection

LEAST_CONFIDENCE = 0.1
"""A guessed genre below this counts as none."""

LEAST_TOLD = 0.01
"""Share of the characters from which a perspective counts: naming it is right about nine times in ten, so that a few
chapters of a large corpus would be found in any of them. Ours."""

GUIDE = "by the field's guide"
OURS = "by our own measure"

SHOWN = 4
"""Batches of the plan to grow that the terminal shows."""


Measures = Sequence[Mapping[str, Any]]


def judge(
    measures: Measures,
    volumes: Mapping[str, int],
    section: QualitySection,
    objective: str,
    parameters_b: float | None = None,
) -> list[Gate]:
    """Hold the books' measures (`BookMeasure.as_json`) against the recipe.

    `volumes`: characters of training text that were kept, by book; other books do not count. `objective`: of the
    recipe's plan. `parameters_b`: billions of weights of the model, None when not known.
    """
    kept = [(measure, volumes[measure["book"]]) for measure in measures if volumes.get(measure["book"])]
    arc, style = _arc(kept, section), _style(kept, section)
    perspectives, genres = _perspectives(kept, section), _genres(kept, section)
    sound = arc.passed is True and style.passed is not False
    themes = [{"perspective": name} for name in _missing(perspectives, section.perspectives)]
    themes += [{"genre": "new"}] * max(0, section.genres - int(genres.value))
    tokens = tokens_of(_characters(kept))
    return [
        arc, style, perspectives, genres, _curated(kept, section),
        _volume(kept, tokens, objective, parameters_b, sound, themes), _mark(tokens, parameters_b),
    ]  # fmt: skip


def check_gates(gates: Sequence[Gate], section: QualitySection) -> None:
    """Raise CorpusError where a gate is missed and the recipe says to stop."""
    missed = [gate for gate in gates if gate.passed is False]
    if section.on_fail == "stop" and missed:
        said = "; ".join(f"{gate.name} is {amount(gate, gate.value)}, wanted {bound(gate)}" for gate in missed)
        raise CorpusError(
            f"The corpus misses {'a quality gate' if len(missed) == 1 else 'quality gates'}: {said}.",
            "Add or change books, lower the gate under corpus.quality, or set corpus.quality.on_fail to report.",
        )


def left_out(measure: Mapping[str, Any], section: QualitySection) -> dict[str, str]:
    """Chapters of a book (its `as_json`) whose arc, or whose book's arc, is below the recipe's least: id → reason."""
    arc = measure["arc"]
    if arc is not None and arc["total"] < section.min_book_arc:
        reason = f"story arc of the book {arc['total']:.2f}, below corpus.quality.min_book_arc {section.min_book_arc:g}"
        return {chapter["chapter_id"]: reason for chapter in measure["chapters"]}
    least = section.min_chapter_arc
    return {
        chapter["chapter_id"]: f"story arc {chapter['arc']:.2f}, below corpus.quality.min_chapter_arc {least:g}"
        for chapter in measure["chapters"]
        if chapter["arc"] is not None and chapter["arc"] < least
    }


Kept = Sequence[tuple[Mapping[str, Any], int]]


def _characters(kept: Kept) -> Counter[str]:
    """Kept characters by language: a book's, divided as its languages are."""
    total: Counter[str] = Counter()
    for measure, volume in kept:
        whole = sum(measure["characters"].values())
        for language, chars in measure["characters"].items():
            total[language] += round(volume * chars / whole) if whole else 0
    return total


def _mean(values: Sequence[tuple[float, int]]) -> float:
    return sum(value * weight for value, weight in values) / sum(weight for _, weight in values)


def _arc(kept: Kept, section: QualitySection) -> Gate:
    known = [(m, v) for m, v in kept if m["arc"] is not None]
    books = {
        m["book"]: {name: m["arc"][name] for name in m["arc"] if name != "detail"} for m, _ in known
    }  # fmt: skip
    value = _mean([(m["arc"]["total"], v) for m, v in known]) if known else 0.0
    loose = sorted(name for name, arc in books.items() if arc["continuity"] < 0.1)
    said = f"Mean story arc of {count_of(len(known), 'book')} by length; wanted {section.arc:g} or more {OURS}."
    if loose:
        said += f" {len(loose)} read as collections, or as chapters out of order: no thread runs through them."
    if known and value < section.arc:
        worst = min((m for m, _ in known), key=lambda m: (m["arc"]["total"], m["book"]))
        why = "; ".join(explain(worst["arc"]).values())
        said += f" The lowest is {worst['book']} with {worst['arc']['total']:.2f}: {why}."
    passed = value >= section.arc if known else None
    return Gate(
        "arc", round(value, 4), section.arc, passed, said, {"books": books, "collections": loose, "better": "more"}
    )


def _style(kept: Kept, section: QualitySection) -> Gate:
    known = [(m, v) for m, v in kept if m["style_distance"] is not None]
    books = {m["book"]: m["style_distance"] for m, _ in known}
    value = _mean([(m["style_distance"], v) for m, v in known]) if known else 0.0
    limit = section.max_style_distance
    above = sorted(name for name, distance in books.items() if distance > limit)
    said = f"Mean style distance within {count_of(len(known), 'book')} by length; wanted {limit:.0%} or less {GUIDE}."
    if above:
        said += f" {len(above)} are above it: more than one hand, or a change of voice."
    passed = value <= limit if known else None
    return Gate("style", round(value, 4), limit, passed, said, {"books": books, "above": above, "better": "less"})


def _perspectives(kept: Kept, section: QualitySection) -> Gate:
    chars: Counter[str] = Counter()
    for measure, volume in kept:
        told = dict(measure["perspectives"])
        if measure["perspective"] and measure["perspective"] not in told:  # several voices over chapters
            told = {measure["perspective"]: sum(told.values())}
        whole = sum(measure["characters"].values())
        chars.update({name: round(n * volume / whole) for name, n in told.items()})
    least = LEAST_TOLD * chars.total()
    found = sorted(name for name, n in chars.items() if n and n >= least)
    missing = [name for name in PERSPECTIVES if name not in found]
    said = f"{count_of(len(found), 'narrative perspective')}; wanted {section.perspectives} {GUIDE}."
    said += f" Not found, or in less than {LEAST_TOLD:.0%} of the text: {', '.join(missing)}." if missing else ""
    passed = len(found) >= section.perspectives if found else None
    detail = {
        "characters": {name: chars[name] for name in found}, "missing": missing,
        "traces": {name: n for name, n in sorted(chars.items()) if name not in found}, "better": "more",
    }  # fmt: skip
    return Gate("perspectives", len(found), section.perspectives, passed, said, detail)


def _missing(gate: Gate, wanted: int) -> list[str]:
    return list(gate.detail["missing"][: max(0, wanted - int(gate.value))])


def _genres(kept: Kept, section: QualitySection) -> Gate:
    chars: Counter[str] = Counter()
    guessed: set[str] = set()
    stated: set[str] = set()
    for measure, volume in kept:
        genre = measure["genre"]
        if genre["name"] and (not genre["guessed"] or genre["confidence"] >= LEAST_CONFIDENCE):
            name = genre["name"].strip().casefold()  # metadata write one genre in several ways
            chars[name] += volume
            guessed |= {name} if genre["guessed"] else set()
            stated |= set() if genre["guessed"] else {name}
    only = sorted(guessed - stated)
    said = f"{count_of(len(chars), 'genre')}; wanted {section.genres} {GUIDE}."
    said += f" Guessed from words, with low confidence: {', '.join(only)}. Metadata would say." if only else ""
    detail = {"characters": dict(sorted(chars.items())), "guessed": only, "better": "more"}
    return Gate("genres", len(chars), section.genres, len(chars) >= section.genres if chars else None, said, detail)


def _curated(kept: Kept, section: QualitySection) -> Gate:
    by = {"curated": 0, "not": 0, "unknown": 0}
    for measure, volume in kept:
        by[{True: "curated", False: "not", None: "unknown"}[measure["curated"]]] += volume
    total = sum(by.values())
    value = by["curated"] / total if total else 0.0
    said = f"{value:.0%} of the characters are from books that people chose and checked, by their metadata."
    if by["unknown"]:
        said += f" Of {by['unknown'] / total:.0%} it is not known, and they count as not."
    passed = None if not total or by["unknown"] == total else value >= section.curated
    return Gate("curated", round(value, 4), section.curated, passed, said, {"characters": by, "better": "more"})


def _volume(
    kept: Kept,
    tokens: int,
    objective: str,
    parameters_b: float | None,
    sound: bool,
    themes: Sequence[Mapping[str, str]],
) -> Gate:
    wanted = guide.volume(objective)
    made_up = tokens < wanted and compensated(tokens, wanted, parameters_b, sound)
    said = f"About {tokens:,} tokens (the tokenizer decides); objective {objective!r} wants {wanted:,} {GUIDE}."
    if made_up:
        said += f" {LEAST_SHARE:.0%} of it will do here: the arc holds, style is not missed, and text × size is enough."
    characters = dict(sorted(_characters(kept).items()))
    plan = growth(tokens, wanted, themes)
    said += f" To grow: {'; '.join(map(batch_of, plan[:SHOWN]))}{'; ...' if len(plan) > SHOWN else '.'}" if plan else ""
    detail = {
        "objective": objective, "characters": characters, "estimated": True, "compensated": made_up, "growth": plan,
        "better": "more",
    }  # fmt: skip
    return Gate("volume", tokens, wanted, (tokens >= wanted or made_up) if tokens else None, said, detail)


def _mark(tokens: int, parameters_b: float | None) -> Gate:
    if parameters_b is None:
        said = f"Text × size is not known, since the model's size is not; the mark is {guide.MARK:g} {GUIDE}."
        return Gate("commercial_mark", 0.0, guide.MARK, None, said, {"tokens": tokens, "better": "more"})
    parameters = round(parameters_b * 1e9)
    value = guide.mark(tokens, parameters)
    said = f"Text × size is {value:,.4g} (M tokens × B parameters); the mark is {guide.MARK:g} {GUIDE}."
    detail = {"tokens": tokens, "parameters_b": parameters_b, "better": "more"}
    if parameters and value < guide.MARK:
        detail["tokens_for_mark"] = guide.tokens_for_mark(parameters)
        said += f" This model reaches it at {detail['tokens_for_mark']:,} tokens."
    return Gate("commercial_mark", round(value, 4), guide.MARK, value >= guide.MARK, said, detail)
