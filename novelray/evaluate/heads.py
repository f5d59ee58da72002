"""Scores of a model's heads: on held-out documents, and what they say of the texts that the model wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from novelray.evaluate.score import ROWS_AT_ONCE
from novelray.models.confusion import accuracy, confusion, macro_f1
from novelray.models.heads import Head, classify, document_means
from novelray.shards.encode import Encoder
from novelray.shards.labels import Labels, label_of_each
from novelray.shards.rows import Rows


def head_scores(
    model: Any, encoder: Encoder, heads: Sequence[Head], rows: Rows, chapters: pa.Table, most: int,
    samples: list[dict[str, Any]], of_chapters: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """`accuracy_<head>` and `f1_<head>` on the documents of the first `most` held-out rows; `generated_<head>`.

    The last is the share of the samples' texts, each a continuation of one of the chapters `of_chapters`, that the
    head gives the label of their chapter; among those whose chapter has one that the head knows. `samples` comes
    back with what each head says of each text. A figure without any labelled document is left out.
    """
    if not heads:
        return {}
    scores: dict[str, Any] = {}
    for head, counts in zip(heads, _confusions(model, heads, rows, chapters, most), strict=True):
        if counts.any():
            scores[f"accuracy_{head.name}"] = round(accuracy(counts), 4)
            scores[f"f1_{head.name}"] = round(macro_f1(counts), 4)
    said = [_labels(model, heads, encoder, sample["text"]) for sample in samples]
    ids = chapters.column("chapter_id").to_pylist()
    for head in heads:
        wanted = dict(zip(ids, label_of_each(chapters, head.label), strict=True))
        pairs = [(wanted.get(c), labels.get(head.name)) for c, labels in zip(of_chapters, said, strict=True)]
        known = [want == got for want, got in pairs if want in head.classes and got is not None]
        if known:
            scores[f"generated_{head.name}"] = round(sum(known) / len(known), 4)
    return {**scores, "samples": [{**s, "labels": labels} for s, labels in zip(samples, said, strict=True)]}


def _confusions(
    model: Any, heads: Sequence[Head], rows: Rows, chapters: pa.Table, most: int
) -> list[NDArray[np.int64]]:
    """Counts [truth, said] of each head over the documents of the first `most` rows."""
    import torch

    from novelray.train.inputs import on_device
    from novelray.train.objective import NextTokenLoss

    labels = Labels(rows, chapters, [head.label for head in heads], [head.classes for head in heads])
    counts = [np.zeros((len(head.classes),) * 2, np.int64) for head in heads]
    states = NextTokenLoss(model).eval().states
    count = min(len(rows), most)
    device = str(next(model.parameters()).device)
    with torch.inference_mode():
        for indices in np.array_split(np.arange(count), math.ceil(count / ROWS_AT_ONCE)):
            inputs = on_device(rows, indices, device)
            wanted = labels.of(indices)
            hidden = states(inputs.input_ids, inputs.position_ids, inputs.bounds)
            means = document_means(hidden, inputs.position_ids, wanted.shape[1])
            for number, head in enumerate(heads):
                told = head.logits(means).argmax(-1).cpu().numpy()
                counts[number] += confusion(wanted[..., number], told, len(head.classes))
    return counts


def _labels(model: Any, heads: Sequence[Head], encoder: Encoder, text: str) -> Mapping[str, str]:
    """What each head says of a text; nothing of an empty one."""
    ids = next(iter(encoder.encode([text]))).tolist() if text else []
    found = classify(model, heads, ids) if ids else {}
    return {head.name: head.classes[int(np.argmax(found[head.name]))] for head in heads if found}
