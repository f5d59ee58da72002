"""The labels of the documents in packed rows: which class each chapter has, looked up for row numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from novelray.errors import TrainError
from novelray.recipe.tasks import TaskSection
from novelray.shards.rows import Rows

NONE = -1
"""In place of a class: the document has no label, or there is no document."""


def label_of_each(chapters: pa.Table, label: str) -> list[str | None]:
    """The label of every chapter of a table (shards/chapters.py): a layer's that annotators agreed on, else a column's.

    None for a chapter that has no label, or several different ones of the layer.
    """
    prefix = f"{label}="
    found = [{one.removeprefix(prefix) for one in labels if one.startswith(prefix)} for labels in _listed(chapters)]
    if any(found) or label not in chapters.column_names:
        return [next(iter(labels)) if len(labels) == 1 else None for labels in found]
    return [value or None for value in chapters.column(label).to_pylist()]


def classes_of(chapters: pa.Table, label: str) -> list[str]:
    """The different labels of the training chapters, sorted."""
    splits = chapters.column("split").to_pylist()
    labels = zip(label_of_each(chapters, label), splits, strict=True)
    return sorted({value for value, split in labels if value is not None and split == "train"})


def check_classes(task: TaskSection, chapters: pa.Table) -> list[str]:
    """The classes that a task learns. Raises TrainError when the training chapters have fewer than two."""
    found = classes_of(chapters, task.label)
    if len(found) < 2:
        raise TrainError(
            f"The task {task.name!r} learns the label {task.label!r}, and the training chapters have "
            f"{f'{found[0]!r} alone' if found else 'none'}: there is nothing to tell apart.",
            "Label more chapters (docs/labels.md), train on more books, or take the task out of train.tasks.",
        )
    return found


class Labels:
    """The classes of the documents of `rows` for some labels; `classes[k]` are the classes of `labels[k]`.

    A document is what stands in a row under positions of its own: a chapter, or the piece of one that fits.
    """

    def __init__(self, rows: Rows, chapters: pa.Table, labels: Sequence[str], classes: Sequence[Sequence[str]]) -> None:
        ids, pieces = rows.documents()
        line = pc.index_in(ids, value_set=chapters.column("chapter_id").combine_chunks())
        lines = line.fill_null(len(chapters)).to_numpy(zero_copy_only=False)
        columns = [_numbers(chapters, label, known) for label, known in zip(labels, classes, strict=True)]
        self._values = np.stack(columns, axis=1)[lines]  # [documents, labels]
        self._ends = np.cumsum(pieces)
        self._starts = self._ends - pieces
        labelled = np.concatenate([np.zeros((1, len(columns)), np.int64), np.cumsum(self._values >= 0, axis=0)])
        self._per_row = labelled[self._ends] - labelled[self._starts]

    def of(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Classes [rows, documents, labels] of the rows with these numbers; NONE where there is none, and for row -1.

        `documents` is the most that one of the rows has, at least 1.
        """
        counts = np.where(indices >= 0, self._ends[indices] - self._starts[indices], 0)
        found = np.full((len(indices), max(1, counts.max(initial=0)), self._values.shape[1]), NONE, np.int64)
        for place, (index, count) in enumerate(zip(indices, counts, strict=True)):
            found[place, :count] = self._values[self._starts[index] :][:count]
        return found

    def count(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Labelled documents in the rows with these numbers, by label."""
        total: NDArray[np.int64] = self._per_row[indices[indices >= 0]].sum(axis=0)
        return total


def _listed(chapters: pa.Table) -> list[list[str]]:
    listed: list[list[str]] = chapters.column("labels").to_pylist()
    return listed


def _numbers(chapters: pa.Table, label: str, classes: Sequence[str]) -> NDArray[np.int64]:
    """The class of each chapter, and NONE for one that is not in the table."""
    number = {name: place for place, name in enumerate(classes)}
    return np.array([*(number.get(one or "", NONE) for one in label_of_each(chapters, label)), NONE], np.int64)
