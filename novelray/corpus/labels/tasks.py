"""Texts as tasks for Label Studio (JSON and its labelling configuration) and rows for Doccano (JSONL, label types).

Formats: labelstud.io/guide/tasks, /guide/predictions and /tags; the import code of doccano 1.8.4.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from novelray.corpus.labels.kinds import Item
from novelray.corpus.labels.offsets import Offsets
from novelray.corpus.labels.quotes import utterances
from novelray.recipe.labels import MENTION, UTTERANCE, LabelsSection, LayerSection

COLOURS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#BBBBBB")  # Tol's bright scheme


@dataclass(frozen=True)
class Text:
    """An item for annotators. `guess`: what our own measures say of it, "" where they say nothing."""

    item: Item
    book: str
    chapter: str
    guess: str = ""

    def columns(self, layer: LayerSection) -> dict[str, Any]:
        """What goes along with the text."""
        return {"book": self.book, "chapter": self.chapter, **self.item.columns(), "layer": layer.name}


def label_studio_tasks(texts: Sequence[Text], layer: LayerSection, prefill: bool) -> bytes:
    """A JSON list of tasks. `prefill`: with predictions, where there is something to predict."""
    tasks = []
    for text in texts:
        task: dict[str, Any] = {"data": {"text": text.item.text, **text.columns(layer)}, "meta": _meta(text.item)}
        results = _predicted(text, layer) if prefill else []
        if results:
            task["predictions"] = [{"model_version": "novelray", "result": results}]
        tasks.append(task)
    return (json.dumps(tasks, ensure_ascii=False, indent=1) + "\n").encode()


def _meta(item: Item) -> dict[str, str]:
    return {"corpus": item.corpus, "chapter_id": item.chapter_id, "digest": item.digest}


def _predicted(text: Text, layer: LayerSection) -> list[dict[str, Any]]:
    if layer.kind == "classification":
        return [_result("c0", layer.name, "choices", {"choices": [text.guess]})] if text.guess in layer.labels else []
    results = []
    for at, one in enumerate(utterances(text.item.text) if layer.kind == "dialogue" else ()):
        place = {"start": one.start, "end": one.end}
        said = {**place, "text": text.item.text[one.start : one.end], "labels": [UTTERANCE]}
        results.append(_result(f"u{at}", layer.name, "labels", said))
        if one.name_start >= 0:
            name = {**place, "text": [text.item.text[one.name_start : one.name_end]]}
            results.append(_result(f"u{at}", f"{layer.name}-speaker", "textarea", name))
    return results


def _result(key: str, control: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"id": key, "from_name": control, "to_name": "text", "type": kind, "value": value}


def label_studio_config(layer: LayerSection) -> bytes:
    """The labelling configuration (XML) of a project for one layer."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Style").text = ".htx-text{ white-space: pre-wrap; }"  # or line ends are not shown
    ElementTree.SubElement(view, "Header", value="$book · $chapter")
    if layer.kind == "classification":
        choice = "multiple" if layer.multiple else "single"
        required = "false" if layer.multiple else "true"
        _control(view, "Choices", layer.name, layer.labels, choice=choice, required=required, showInline="true")
    else:
        labels = (UTTERANCE,) if layer.kind == "dialogue" else layer.labels
        _control(view, "Labels", layer.name, labels)
    ElementTree.SubElement(view, "Text", name="text", value="$text", granularity="symbol")
    if layer.kind == "dialogue":
        for part in ("speaker", "addressee"):
            fixed = {"perRegion": "true", "maxSubmissions": "1", "editable": "true", "placeholder": part}
            _control(view, "TextArea", f"{layer.name}-{part}", (), **fixed)
        if layer.labels:
            _control(view, "Choices", f"{layer.name}-tone", layer.labels, perRegion="true", choice="single")
    ElementTree.indent(view)
    return ElementTree.tostring(view, "unicode").encode() + b"\n"


def _control(view: ElementTree.Element, tag: str, name: str, labels: Sequence[str], **fixed: str) -> None:
    control = ElementTree.SubElement(view, tag, {"name": name, "toName": "text", **fixed})
    for at, label in enumerate(labels):
        option = ElementTree.SubElement(control, "Choice" if tag == "Choices" else "Label", value=label)
        if tag == "Labels":
            option.set("background", COLOURS[at % len(COLOURS)])


def doccano_rows(texts: Sequence[Text], layer: LayerSection, section: LabelsSection, prefill: bool) -> bytes:
    """JSON lines. What is prefilled counts in Doccano as said by whoever imports it."""
    lines = []
    for text in texts:
        row = {"text": text.item.text, **text.columns(layer)}
        if layer.kind == "dialogue":
            row["entities"], row["relations"] = _entities(text, section) if prefill else ([], [])
        else:
            known = prefill and layer.kind == "classification" and text.guess in layer.labels
            row["label"] = [text.guess] if known else []
        lines.append(json.dumps(row, ensure_ascii=False))
    return ("\n".join(lines) + "\n").encode()


def _entities(text: Text, section: LabelsSection) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The utterances and the names of their speakers as spans, and relations from the first to the second."""
    offsets = Offsets(text.item.text)
    entities: list[dict[str, Any]] = []
    relations: list[dict[str, Any]] = []

    def add(start: int, end: int, label: str) -> int:
        first, last = (offsets.from_codepoint(place, section.doccano_offsets) for place in (start, end))
        entities.append({"id": len(entities), "start_offset": first, "end_offset": last, "label": label})
        return len(entities) - 1

    for one in utterances(text.item.text):
        said = add(one.start, one.end, UTTERANCE)
        if one.name_start >= 0:
            name = add(one.name_start, one.name_end, MENTION)
            relations.append({"id": len(relations), "from_id": said, "to_id": name, "type": "speaker"})
    return entities, relations


def doccano_label_types(labels: Sequence[str]) -> bytes:
    """A label configuration for Doccano's `Import labels`."""
    kinds = [
        {"text": label, "background_color": COLOURS[at % len(COLOURS)], "text_color": "#ffffff"}
        for at, label in enumerate(labels)
    ]
    return (json.dumps(kinds, ensure_ascii=False, indent=1) + "\n").encode()


def doccano_labels(layer: LayerSection) -> tuple[str, ...]:
    """The labels of a layer's Doccano project."""
    return (UTTERANCE, MENTION, *layer.labels) if layer.kind == "dialogue" else layer.labels
