"""What a model learns to tell of a text beside writing it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novelray.recipe.base import Section, Slug

COLUMNS = ("genre", "author", "book", "perspective", "language")
"""Columns of a corpus that a head can learn besides the layers of `corpus.labels`."""


class TaskSection(Section):
    """A head that classifies documents, trained together with the language model."""

    name: Slug
    """Name of the head in journals, scores and requests. A head of this name in the starting model is trained on."""

    label: Annotated[str, Field(min_length=1)]
    """What it learns: `genre`, `author`, `book`, `perspective` or `language` of the chapters, or a layer of
    `corpus.labels` whose kind is `classification`. Chapters that have no label, or several of a layer, are left out."""

    weight: Annotated[float, Field(gt=0)] = 0.1
    """Weight of its loss (cross-entropy per labelled document, in nats) beside the language model's (per token)."""
