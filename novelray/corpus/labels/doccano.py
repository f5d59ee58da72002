"""Reading what Doccano exports: JSONL (or JSON) rows with the text, our own columns and the labels of one annotator.

A project that is not shared is exported as a ZIP with a file for each member; a shared one as `all.jsonl`, which does
not say who said what. Source: the backend of doccano 1.8.4 (data_export).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from novelray.corpus.labels.items import Shown, shown, whole
from novelray.corpus.labels.kinds import Annotation, Readings, Span
from novelray.recipe.labels import MENTION, UTTERANCE, LabelsSection, LayerSection

UNLABELLED = "without any label: taken as not annotated yet"
LABEL_COLUMNS = ("label", "labels", "entities", "cats")


def is_rows(rows: list[Any]) -> bool:
    """Whether these are rows of a Doccano export."""
    return any(isinstance(row, dict) and "text" in row and any(c in row for c in LABEL_COLUMNS) for row in rows)


def read_rows(rows: list[Any], file: str, who: str, section: LabelsSection, readings: Readings) -> None:
    """Add the annotations of an export. `who`: the annotator."""
    for row in rows:
        found = shown(row) if isinstance(row, dict) else "not a row"
        if isinstance(found, str):
            readings.note(file, found)
            continue
        layer = section.layer(found.layer)
        if layer is None:
            readings.note(file, f"the layer {found.layer!r} is none of corpus.labels.layers")
            continue
        reader = _Row(row, found, layer, section, file, readings)
        choices, spans = reader.choices(), reader.spans()
        if choices or spans:
            readings.annotations.append(Annotation(found.item, layer.name, who, choices, spans, file=file))
        else:  # an export holds every text, also those that this person has not seen
            readings.note(file, UNLABELLED)


class _Row:
    """One text's labels."""

    def __init__(
        self,
        row: Mapping[str, Any],
        found: Shown,
        layer: LayerSection,
        section: LabelsSection,
        file: str,
        readings: Readings,
    ) -> None:
        self.found, self.layer, self.section = found, layer, section
        self.file, self.readings = file, readings
        given = [row.get(column) for column in LABEL_COLUMNS]
        self.labels = [one for many in given for one in (many if isinstance(many, list) else [many])]
        relations = row.get("relations")
        self.relations = relations if isinstance(relations, list) else []

    def choices(self) -> frozenset[str]:
        """The labels of a text that is classified."""
        if self.layer.kind != "classification":
            return frozenset()
        said = [str(label) for label in self.labels if isinstance(label, str | int) and label != ""]
        known = frozenset(label for label in said if self._known(label))
        if len(known) > 1 and not self.layer.multiple:
            self._note(f"more than one answer to {self.layer.name!r}, which takes one")
            return frozenset()
        return known

    def spans(self) -> tuple[Span, ...]:
        """The labelled stretches; names that only serve a relation are none."""
        if self.layer.kind == "classification":
            return ()
        entities = [entity for label in self.labels if (entity := self._entity(label)) is not None]
        if self.layer.kind == "sequence":
            return tuple(sorted({span for _, span in entities if self._known(span.label)}))
        return tuple(sorted({self._utterance(key, span, entities) for key, span in entities if span.label != MENTION}))

    def _entity(self, label: Any) -> tuple[Any, Span] | None:
        """(id, span) of `[start, end, label]` or of an entity with an id."""
        if isinstance(label, dict):
            key, name = label.get("id"), label.get("label")
            start, end = whole(label.get("start_offset")), whole(label.get("end_offset"))
        elif isinstance(label, list) and len(label) == 3:
            key, name = None, label[2]
            start, end = whole(label[0]), whole(label[1])
        else:
            return None
        place = None
        if start is not None and end is not None:
            place = self.found.offsets.to_lf(start, end, self.section.doccano_offsets)
        if place is None or not isinstance(name, str):
            self._note("a span that does not lie in the text")
            return None
        at = self.found.item.start
        return key, Span(place[0] + at, place[1] + at, name)

    def _utterance(self, key: Any, span: Span, entities: list[tuple[Any, Span]]) -> Span:
        names = {other: mention for other, mention in entities if other is not None}
        tone = span.label if span.label != UTTERANCE and self._known(span.label) else ""
        told = dict(self._told(key, names)) if key is not None else {}
        return Span(span.start, span.end, tone, told.get("speaker", ""), told.get("addressee", ""))

    def _told(self, key: Any, names: Mapping[Any, Span]) -> Iterator[tuple[str, str]]:
        for relation in self.relations:
            if isinstance(relation, dict) and relation.get("from_id") == key and relation.get("to_id") in names:
                mention, at = names[relation["to_id"]], self.found.item.start
                yield str(relation.get("type")), self.found.item.text[mention.start - at : mention.end - at].strip()

    def _known(self, label: str) -> bool:
        if label not in self.layer.labels:
            self._note(f"{label!r} is no label of the layer {self.layer.name!r}")
        return label in self.layer.labels

    def _note(self, reason: str) -> None:
        self.readings.note(self.file, reason)
