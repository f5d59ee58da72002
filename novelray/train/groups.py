"""The held-out loss by genre and by author: the same losses of the same tokens, added up by the chapter around them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from novelray.shards.chapters import CHAPTERS_FILE, SCHEMA, read_chapters
from novelray.shards.rows import Rows
from novelray.storage import Artifact

KINDS = ("genre", "author")
SHOWN = 8
UNKNOWN, OTHER = "(unknown)", "(other)"


class Groups:
    """Which genre and author a token is of, and sums over each; without a table of chapters there are none.

    `sums`: float64 [2, groups of all kinds]: losses in nats, and tokens.
    """

    def __init__(self, chapters: pa.Table) -> None:
        columns = {kind: chapters.column(kind).to_pylist() for kind in KINDS}
        self._names = [(kind, name) for kind in KINDS for name in sorted({"", *columns[kind]})]
        number = {pair: i for i, pair in enumerate(self._names)}
        self._unknown = [number[kind, ""] for kind in KINDS]
        ids = chapters.column("chapter_id").to_pylist()
        self._of = {one: [number[k, columns[k][i]] for k in KINDS] for i, one in enumerate(ids)}
        self.sums = np.zeros((2, len(self._names)))

    @classmethod
    def of(cls, shards: Artifact) -> Groups:
        """The groups of a shards artifact; none where its chapters are not told."""
        told = CHAPTERS_FILE in shards.manifest.files
        return cls(read_chapters(shards.read(CHAPTERS_FILE))) if told else cls.none()

    @classmethod
    def none(cls) -> Groups:
        """No groups."""
        return cls(SCHEMA.empty_table())

    def clear(self) -> None:
        """Begin anew."""
        self.sums[:] = 0

    def add(self, rows: Rows, indices: NDArray[np.int64], losses: torch.Tensor) -> None:
        """Add the losses of some rows, [rows, context] in nats; rows numbered -1 are empty and add nothing."""
        if not self._of:
            return
        batch, values = rows.batch(indices), losses.double().cpu().numpy()
        pieces = np.cumsum(batch.position_ids == 0, axis=1) - 1  # positions restart where another chapter begins
        for row in np.flatnonzero(indices >= 0):
            told = np.array([self._of.get(c, self._unknown) for c in rows.chapters(int(indices[row]))])
            wanted = batch.mask[row]
            for kind in range(len(KINDS)):
                groups = told[pieces[row][wanted], kind]
                self.sums[0] += np.bincount(groups, values[row][wanted], len(self._names))
                self.sums[1] += np.bincount(groups, minlength=len(self._names))

    def figures(self) -> dict[str, dict[str, dict[str, float]]]:
        """`by_genre` and `by_author`: name → mean loss in nats per token, and tokens; the largest and then the rest."""
        return {f"by_{kind}": found for kind in KINDS if (found := self._figures(kind))}

    def _figures(self, kind: str) -> dict[str, dict[str, float]]:
        found = [(n, *self.sums[:, i]) for i, (k, n) in enumerate(self._names) if k == kind and self.sums[1, i]]
        if all(name == "" for name, _, _ in found):
            return {}
        found.sort(key=lambda one: (-one[2], one[0]))
        shown = [(name or UNKNOWN, loss, tokens) for name, loss, tokens in found[:SHOWN]]
        if rest := found[SHOWN:]:
            shown.append((OTHER, sum(r[1] for r in rest), sum(r[2] for r in rest)))
        return {name: {"loss": round(loss / tokens, 6), "tokens": int(tokens)} for name, loss, tokens in shown}
