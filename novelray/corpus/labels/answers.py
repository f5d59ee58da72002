"""From Label Studio's results (one control's value each) to the answers of layers.

A dialogue's utterance is a region; its speaker, addressee and tone are results of their own with the region's id, or
relations that lead from the region to the place where the speaker is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from novelray.corpus.labels.items import Shown, whole
from novelray.corpus.labels.kinds import Readings, Span
from novelray.corpus.labels.offsets import located
from novelray.recipe.labels import MENTION, PARTS, UTTERANCE, LabelsSection, LayerSection


@dataclass
class _Region:
    layer: LayerSection
    start: int
    end: int
    labels: list[str]


class Answers:
    """What one annotator said of one item, collected result by result."""

    def __init__(self, found: Shown, section: LabelsSection, file: str, readings: Readings) -> None:
        self.found, self.section, self.file, self._readings = found, section, file, readings
        self._choices: dict[str, set[str]] = {}
        self._regions: dict[Any, _Region] = {}
        self._parts: dict[tuple[Any, str], str] = {}  # (region's id, "speaker") → name
        self._relations: list[tuple[Any, Any, list[Any]]] = []

    def add(self, result: Any) -> None:
        """Take one result in; what cannot be used is noted."""
        if not isinstance(result, dict):
            return self._note("not a result")
        if result.get("type") == "relation":
            labels = result.get("labels")
            ends = (result.get("from_id"), result.get("to_id"))
            if result.get("direction") == "left":
                ends = ends[::-1]
            return self._relations.append((*ends, labels if isinstance(labels, list) else []))
        value = result.get("value")
        layer, part = self._of(str(result.get("from_name", "")))
        if layer is None or not isinstance(value, dict):
            return self._note("an answer to something that corpus.labels.layers does not ask")
        if part:
            return self._add_part(str(result.get("id")), part, layer, value)
        if layer.kind == "classification":
            return self._add_choices(layer, value)
        return self._add_region(str(result.get("id")), layer, value)

    def _of(self, name: str) -> tuple[LayerSection | None, str]:
        """The layer a control belongs to, and which part of a dialogue it asks for."""
        layer = self.section.layer(name)
        if layer is not None:
            return layer, ""
        stem, _, part = name.rpartition("-")
        layer = self.section.layer(stem)
        return (layer, part) if layer is not None and layer.kind == "dialogue" and part in PARTS else (None, "")

    def _add_choices(self, layer: LayerSection, value: dict[str, Any]) -> None:
        given = self._choices.setdefault(layer.name, set())
        for label in _said(value):
            if label in layer.labels:
                given.add(label)
            else:
                self._note(f"{label!r} is no label of the layer {layer.name!r}")

    def _add_region(self, key: str, layer: LayerSection, value: dict[str, Any]) -> None:
        start, end, text = whole(value.get("start")), whole(value.get("end")), value.get("text")
        place = None
        if start is not None and end is not None:
            place = located(self.found.offsets, start, end, text if isinstance(text, str) else None)
        if place is None:
            return self._note("a region that does not lie in the text, or on other words than it says")
        labels = [label for label in _said(value) if label != UTTERANCE or layer.kind != "dialogue"]
        allowed = {*layer.labels, MENTION} if layer.kind == "dialogue" else set(layer.labels)
        for label in labels:
            if label not in allowed:
                self._note(f"{label!r} is no label of the layer {layer.name!r}")
        labels = [label for label in labels if label in allowed]
        if labels or layer.kind == "dialogue":
            self._regions[key] = _Region(layer, *place, labels)

    def _add_part(self, key: str, part: str, layer: LayerSection, value: dict[str, Any]) -> None:
        said = "".join(_said(value)[:1]).strip()
        if part == "tone" and said not in layer.labels:
            return self._note(f"{said!r} is no label of the layer {layer.name!r}")
        self._parts[key, part] = said

    def given(self) -> Iterator[tuple[LayerSection, frozenset[str], tuple[Span, ...]]]:
        """The answers by layer: those that were given, and the one that was asked where no answer is an answer."""
        self._follow_relations()
        for layer in self.section.layers:
            regions = [(key, region) for key, region in self._regions.items() if region.layer is layer]
            spans = tuple(sorted({span for key, region in regions for span in self._spans(key, region)}))
            choices = frozenset(self._choices.get(layer.name, ()))
            if len(choices) > 1 and not layer.multiple:
                self._note(f"more than one answer to {layer.name!r}, which takes one")
                continue
            empty = layer.name == self.found.layer and (layer.multiple or layer.kind != "classification")
            if choices or spans or empty:
                yield layer, choices, spans

    def _follow_relations(self) -> None:
        for source, target, labels in self._relations:
            region = self._regions.get(str(target))
            for part in (p for p in labels if p in PARTS[:2]):
                if region is not None and str(source) in self._regions:
                    self._parts.setdefault((str(source), part), self.found.item.text[region.start : region.end].strip())

    def _spans(self, key: str, region: _Region) -> Iterator[Span]:
        """A region with several labels is as many spans. Names that only serve a relation are none."""
        offset = self.found.item.start
        start, end = region.start + offset, region.end + offset
        if region.layer.kind == "sequence":
            yield from (Span(start, end, label) for label in region.labels)
        elif MENTION not in region.labels:
            tone = self._parts.get((key, "tone")) or next(iter(region.labels), "")
            speaker, addressee = (self._parts.get((key, part), "") for part in PARTS[:2])
            yield Span(start, end, tone, speaker, addressee)

    def _note(self, reason: str) -> None:
        self._readings.note(self.file, reason)


def _said(value: dict[str, Any]) -> list[str]:
    """The labels, choices, texts or the number in a result's value."""
    for name in ("labels", "choices", "taxonomy", "rating", "number", "text"):
        said = value.get(name)
        if said is not None and (name != "text" or "labels" not in value):
            many = said if isinstance(said, list) else [said]
            return [str(one[-1] if isinstance(one, list) and one else one) for one in many]
    return []
