"""Reading what Label Studio exports: JSON (every annotation of a task) and JSON-MIN (one row per annotation).

Sources: labelstud.io/guide/task_format and /guide/export, and the converter of label-studio-sdk 2.1.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from novelray.corpus.labels.answers import Answers
from novelray.corpus.labels.items import Shown, shown
from novelray.corpus.labels.kinds import Annotation, Readings
from novelray.recipe.labels import PARTS, LabelsSection

SKIPPED = "skipped by the annotator"
_MIN = frozenset({"annotation_id", "annotator", "lead_time"})


def is_tasks(rows: list[Any]) -> bool:
    """Whether these are tasks of a JSON export."""
    return any(isinstance(row, dict) and isinstance(row.get("data"), dict) for row in rows)


def is_min(rows: list[Any]) -> bool:
    """Whether these are rows of a JSON-MIN export."""
    return any(isinstance(row, dict) and len(_MIN & set(row)) >= 2 for row in rows)


def read_tasks(rows: list[Any], file: str, who: str, section: LabelsSection, readings: Readings) -> None:
    """Add the annotations of a JSON export. `who` names the annotator where the recipe does."""
    for task in rows:
        data = task.get("data") if isinstance(task, dict) else None
        found = shown(data) if isinstance(data, dict) else "not a task"
        if isinstance(found, str):
            readings.note(file, found)
            continue
        for annotation in _annotations(task):
            if annotation.get("was_cancelled") or annotation.get("skipped"):
                readings.note(file, SKIPPED)
                continue
            answers = Answers(found, section, file, readings)
            results = annotation.get("result")
            for result in results if isinstance(results, list) else ():
                answers.add(result)
            _keep(answers, found, who or _person(annotation.get("completed_by"), file), annotation, readings)


def _annotations(task: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    found = task.get("annotations", task.get("completions"))  # the second: versions before 1.0
    yield from (a for a in (found if isinstance(found, list) else ()) if isinstance(a, dict))


def _person(completed_by: Any, file: str) -> str:
    """An annotator's e-mail address or id; the file's name where the export has neither."""
    if isinstance(completed_by, dict):
        completed_by = next((completed_by[k] for k in ("email", "username", "id") if completed_by.get(k)), None)
    known = isinstance(completed_by, int | str) and not isinstance(completed_by, bool) and completed_by != ""
    return str(completed_by).strip() if known else _stem(file)


def _stem(file: str) -> str:
    return file.replace("\\", "/").rpartition("/")[2].rpartition(".")[0] or file


def _keep(answers: Answers, found: Shown, who: str, source: Mapping[str, Any], readings: Readings) -> None:
    truth = source.get("ground_truth") is True
    stamp = str(source.get("updated_at") or source.get("created_at") or "")
    for layer, choices, spans in answers.given():
        readings.annotations.append(Annotation(found.item, layer.name, who, choices, spans, truth, stamp, answers.file))


def read_min(rows: list[Any], file: str, who: str, section: LabelsSection, readings: Readings) -> None:
    """Add the annotations of a JSON-MIN export. It does not tell which utterance a speaker belongs to."""
    for row in rows:
        found = shown(row) if isinstance(row, dict) else "not a task"
        if isinstance(found, str):
            readings.note(file, found)
            continue
        if row.get("annotation_id") is None:  # a task without annotations
            continue
        answers = Answers(found, section, file, readings)
        for layer in section.layers:
            for result in _results(layer.name, row.get(layer.name)):
                answers.add(result)
            if any(f"{layer.name}-{part}" in row for part in PARTS):
                readings.note(file, "JSON-MIN does not say which utterance a speaker or tone is of; export JSON")
        _keep(answers, found, who or _person(row.get("annotator"), file), row, readings)


def _results(name: str, value: Any) -> Iterator[dict[str, Any]]:
    """The results that JSON-MIN made shorter: one choice is a text, others are as in the full export."""
    for at, one in enumerate(value if isinstance(value, list) else [] if value is None else [value]):
        if isinstance(one, dict):
            kind = "labels" if "labels" in one else next((k for k in ("choices", "rating") if k in one), "")
            yield {"id": f"min-{at}", "from_name": name, "type": kind, "value": one}
        else:
            yield {"id": f"min-{at}", "from_name": name, "type": "choices", "value": {"choices": [one]}}
