"""Items, and files as the annotation tools write them (Label Studio 1.x, doccano 1.8), for the tests of labels."""

from __future__ import annotations

import json

from novelray.corpus.labels.kinds import Item

LAYERS = [
    {"name": "genre", "labels": ["武侠", "言情", "science fiction"]},
    {"name": "mood", "labels": ["dark", "funny"], "multiple": True},
    {"name": "plot", "kind": "sequence", "labels": ["setup", "climax"], "after": "genre=武侠"},
    {"name": "talk", "kind": "dialogue", "labels": ["angry", "calm"]},
]


def item(number: int = 0, text: str = "少年提劍下山。風雪很大。", book: str = "0123456789ab", start: int = 100) -> Item:
    """A piece of the chapter `number`."""
    return Item("corpus-0011223344556677", f"{book}:{number:05d}", f"d{number}", 5000, start, start + len(text), text)


def data(one: Item, layer: str) -> dict:
    """The columns that go with a text."""
    return {"text": one.text, "book": "book", "chapter": "chapter", **one.columns(), "layer": layer}


def task(one: Item, layer: str, *annotations: dict, **more) -> dict:
    """A task of Label Studio's JSON export, with the keys that version 1.x writes."""
    return {
        "id": int(one.chapter_id[-5:]) + 1, "annotations": list(annotations), "file_upload": "0c5b3b5e-genre.json",
        "drafts": [], "predictions": [], "data": data(one, layer), "meta": {},
        "created_at": "2025-03-01T10:00:00.000000Z", "updated_at": "2025-03-02T10:00:00.000000Z",
        "inner_id": 1, "total_annotations": len(annotations),
        "cancelled_annotations": 0, "total_predictions": 0, "comment_count": 0, "project": 7, "updated_by": 1, **more,
    }  # fmt: skip


def annotation(who, *results: dict, **more) -> dict:
    """An annotation of Label Studio's JSON export."""
    return {
        "id": 11, "completed_by": who, "result": list(results), "was_cancelled": False, "ground_truth": False,
        "created_at": "2025-03-02T09:00:00.000000Z", "updated_at": "2025-03-02T09:00:00.000000Z",
        "draft_created_at": None, "lead_time": 12.3, "prediction": {}, "result_count": 1,
        "unique_id": "b6c1", "task": 1, "project": 7, **more,
    }  # fmt: skip


def choice(control: str, *labels: str) -> dict:
    """The result of a Choices control."""
    return {"value": {"choices": list(labels)}, "id": "Qx1", "from_name": control, "to_name": "text", "type": "choices",
            "origin": "manual"}  # fmt: skip


def region(control: str, start: int, end: int, text: str, *labels: str, key: str = "r1") -> dict:
    """The result of a Labels control."""
    value = {"start": start, "end": end, "text": text, "labels": list(labels)}
    return {"value": value, "id": key, "from_name": control, "to_name": "text", "type": "labels", "origin": "manual"}


def part(control: str, kind: str, start: int, end: int, said: str, key: str = "r1") -> dict:
    """The result of a control that belongs to a region: a name or a tone."""
    field = "text" if kind == "textarea" else "choices"
    value = {"start": start, "end": end, field: [said]}
    return {"value": value, "id": key, "from_name": control, "to_name": "text", "type": kind, "origin": "manual"}


def dumped(rows: list) -> bytes:
    return json.dumps(rows, ensure_ascii=False).encode()


def lines(rows: list) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
