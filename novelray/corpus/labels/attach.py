"""Labels joined to a corpus: which chapters they belong to, which of them are used, and the account of it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import xxhash

from novelray.corpus.labels.agreement import Pair, Verdict, by_item, pairs_of, verdicts
from novelray.corpus.labels.kinds import Annotation, BadFile, Item, Readings
from novelray.corpus.labels.read import read_labels
from novelray.corpus.labels.resolve import Disagreement, Resolved, Resolver
from novelray.errors import CorpusError
from novelray.recipe.labels import LabelsSection, LayerSection

LABELS = pa.schema(
    [
        pa.field("chapter_id", pa.string(), nullable=False),
        pa.field("layer", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # classification, sequence or dialogue
        pa.field("label", pa.string(), nullable=False),  # in dialogue the tone, or "utterance"
        pa.field("start", pa.int32(), nullable=False),  # code points in the chapter's text
        pa.field("end", pa.int32(), nullable=False),
        pa.field("speaker", pa.string(), nullable=False),  # "" where there is none
        pa.field("addressee", pa.string(), nullable=False),
        pa.field("annotators", pa.int32(), nullable=False),  # how many people judged the text
        pa.field("agreement", pa.float32(), nullable=False),  # share of them that this label rests on
    ]
)
"""Columns of `labels.parquet`: every label that is used, ordered by chapter, place, layer and label."""
MAX_LISTED = 1_000
"""Disagreements that the report carries; `Attached.disagreements` has all."""
CHANGED = "of a chapter that has changed since the export: not used"
UNKNOWN = "of a chapter that is not in this corpus: not used"


@dataclass(frozen=True)
class Known:
    """A chapter of the corpus. `chars`: length of its text; 0 leaves that check out."""

    chapter_id: str
    digest: str
    chars: int = 0


@dataclass(frozen=True)
class Labels:
    """What the label files of a recipe say, before it is known which chapters the corpus has."""

    readings: Readings
    section: LabelsSection


@dataclass(frozen=True)
class LayerResult:
    """One layer: how far its annotators agree, and what is used."""

    layer: LayerSection
    items: list[Item]
    annotators: list[str]
    pairs: list[Pair]
    verdicts: dict[str, Verdict]
    outcomes: dict[str, int]
    resolved: list[Resolved]
    disagreements: list[Disagreement]


@dataclass(frozen=True)
class Attached:
    """Labels of a corpus. `by_chapter`: chapter id → sorted "layer=label", only for chapters that have any."""

    layers: list[LayerResult]
    quarantine: list[BadFile]
    problems: dict[tuple[str, str], int]
    files: int = 0  # label files, those set aside included
    min_kappa: float = 0.0  # the mean kappa from which a label is used
    by_chapter: dict[str, list[str]] = field(default_factory=dict)

    @property
    def table(self) -> pa.Table:
        """The rows of `labels.parquet`."""
        rows = [asdict(row) for result in self.layers for row in result.resolved]
        rows.sort(key=lambda r: (r["chapter_id"], r["start"], r["end"], r["layer"], r["label"]))
        return pa.Table.from_pylist(rows, schema=LABELS)

    @property
    def disagreements(self) -> list[Disagreement]:
        """Every disagreement, layer by layer, in the order of the text."""
        return [one for result in self.layers for one in result.disagreements]

    def judged(self, layer: str) -> set[tuple[str, int, int]]:
        """The texts that someone has judged in a layer: (chapter id, start, end)."""
        return {item.key for result in self.layers if result.layer.name == layer for item in result.items}

    @property
    def report(self) -> dict[str, Any]:
        """For report.json: files set aside, what was left out, and each layer's kappas, verdicts and outcomes."""
        listed = [asdict(one) for one in self.disagreements[:MAX_LISTED]]
        return {
            "layers": [_layer_report(result) for result in self.layers],
            "min_kappa": self.min_kappa,
            "files": self.files,
            "labelled_chapters": len(self.by_chapter),
            "quarantine": [asdict(bad) for bad in self.quarantine],
            "left_out": [{"file": f, "reason": r, "count": n} for (f, r), n in sorted(self.problems.items())],
            "disagreements": listed,
            "disagreements_total": len(self.disagreements),
        }


def labels_of(files: Mapping[str, bytes], section: LabelsSection) -> Labels:
    """Read label files: name → bytes. A file that cannot be used is set aside with the reason, never an error."""
    return Labels(read_labels(files, section), section)


def digest_of_files(files: Mapping[str, bytes]) -> str:
    """What stands for the label files in the corpus's identity: their contents, wherever they lie and in any order.

    Names count where an annotator's name may be taken from them: their last part, without folders.
    """
    parts = sorted(f"{name.rpartition('/')[2]} {xxhash.xxh3_128_hexdigest(data)}" for name, data in files.items())
    return xxhash.xxh3_128_hexdigest("\n".join(parts).encode()) if parts else ""


def attach(labels: Labels, chapters: Iterable[Known] | None) -> Attached:
    """Decide which labels are used, and give them to the chapters of a corpus.

    A file none of whose chapters is in the corpus is set aside; labels of a chapter that is not there, or whose text
    has changed since it was exported, are left out and counted. Without chapters (None) nothing of that is checked.
    """
    known = None if chapters is None else {chapter.chapter_id: chapter for chapter in chapters}
    annotations, quarantine, problems = _fitting(labels.readings, known)
    results = [_decide(layer, annotations, labels.section) for layer in labels.section.layers]
    by_chapter: dict[str, set[str]] = {}
    for row in (row for result in results for row in result.resolved):
        by_chapter.setdefault(row.chapter_id, set()).add(f"{row.layer}={row.label}")
    used = {one.file for one in labels.readings.annotations} | {file for file, _ in problems}
    files = len(used | {bad.file for bad in quarantine})
    labelled = {key: sorted(found) for key, found in sorted(by_chapter.items())}
    return Attached(results, quarantine, problems, files, labels.section.min_kappa, labelled)


def check_label_files(attached: Attached, max_share: float) -> None:
    """Raise CorpusError when more than `max_share` of the label files, or all of them, were set aside."""
    aside, total = attached.quarantine, attached.files
    if not aside or (len(aside) <= max_share * total and len(aside) < total):
        return
    first = "; ".join(f"{bad.file}: {bad.reason}" for bad in aside[:5])
    raise CorpusError(
        f"{len(aside)} of {total} label files cannot be used, more than corpus.max_quarantine ({max_share:.0%}): "
        f"{first}.",
        "Take these files out of corpus.labels.files, export them again, or raise corpus.max_quarantine.",
    )


def _fitting(
    readings: Readings, known: Mapping[str, Known] | None
) -> tuple[list[Annotation], list[BadFile], dict[tuple[str, str], int]]:
    """The annotations that belong to the corpus; files set aside, with those of another corpus; what is left out."""
    problems = Counter(readings.problems)
    if known is None:
        return readings.annotations, readings.quarantine, dict(problems)
    chapters: dict[str, set[str]] = {}
    for one in readings.annotations:
        chapters.setdefault(one.file, set()).add(one.item.chapter_id)
    foreign = {file for file, ids in chapters.items() if not ids & known.keys()}
    quarantine = readings.quarantine + [
        BadFile(file, f"another corpus's: none of its {len(chapters[file])} chapters is in this one")
        for file in sorted(foreign)
    ]
    kept = []
    for one in readings.annotations:
        chapter = known.get(one.item.chapter_id)
        if one.file in foreign:
            continue
        if chapter is None:
            problems[one.file, UNKNOWN] += 1
        elif chapter.digest != one.item.digest or chapter.chars not in (0, one.item.chars):
            problems[one.file, CHANGED] += 1
        else:
            kept.append(one)
    return kept, quarantine, dict(problems)


def _decide(layer: LayerSection, annotations: Sequence[Annotation], section: LabelsSection) -> LayerResult:
    items = by_item(annotations, layer.name)
    pairs = pairs_of(layer, items)
    judged = verdicts(layer, items, pairs, section)
    resolver = Resolver(layer, judged)
    for answers in items.values():
        resolver.add(answers)
    people = sorted({one.annotator for answers in items.values() for one in answers})
    outcomes = dict(sorted(resolver.outcomes.items()))
    shown = [answers[0].item for answers in items.values()]
    return LayerResult(layer, shown, people, pairs, judged, outcomes, resolver.resolved, resolver.disagreements)


def _layer_report(result: LayerResult) -> dict[str, Any]:
    used = [v.label for v in result.verdicts.values() if v.used]
    return {
        "layer": result.layer.name,
        "kind": result.layer.kind,
        "items": sum(result.outcomes.values()),
        "annotators": result.annotators,
        "used": bool(used),
        "labels": [asdict(verdict) for verdict in result.verdicts.values()],
        "kappa": [_pair_report(pair) for pair in result.pairs],
        "outcomes": result.outcomes,
        "labels_used": len(result.resolved),
        "disagreements": len(result.disagreements),
    }


def _pair_report(pair: Pair) -> dict[str, Any]:
    return {
        "label": pair.label,
        "annotators": [pair.first, pair.second],
        "common": pair.common,
        "kappa": pair.kappa.value,
        "agreement": pair.kappa.observed,
        "f1": pair.f1,
    }
