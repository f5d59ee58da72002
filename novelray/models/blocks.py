"""Packed rows cut into blocks that belong to one document each, and which of them see which.

Documents start anywhere in a row, and the pattern counts from their start. So tokens are laid out anew: document after
document, each filled up to whole blocks. The filling continues its document's positions: it comes after every real
token, which therefore never sees it, and what it computes itself is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from novelray.models.pattern import Pattern, allowed, random_table


@dataclass(frozen=True)
class Layout:
    """Cells are the places of the new order, a whole number of blocks of `block` tokens."""

    block: int
    cells: torch.Tensor  # [cells] the token (counted through all rows) in each; filling has some token or other
    places: torch.Tensor  # [tokens] the cell of each token
    positions: torch.Tensor  # [cells] in the document
    documents: torch.Tensor  # [cells] number of the document
    table: torch.Tensor  # the pattern's random blocks

    @property
    def blocks(self) -> int:
        return len(self.cells) // self.block


def document_starts(position_ids: torch.Tensor) -> torch.Tensor:
    """Where documents begin in packed rows, [rows, tokens]: wherever positions do not go on by one."""
    starts = torch.ones_like(position_ids, dtype=torch.bool)
    starts[:, 1:] = position_ids.diff(dim=1) != 1
    return starts


def layout_of(position_ids: torch.Tensor, pattern: Pattern, block: int) -> Layout:
    """The layout of rows [rows, tokens] in blocks of `block` tokens.

    Raises ValueError when a document does not start at position 0: the pattern would be cut off in the middle.
    """
    flat = document_starts(position_ids).reshape(-1)
    starts = flat.nonzero()[:, 0]
    if bool(position_ids.reshape(-1)[starts].any()):
        raise ValueError("sparse attention needs positions that start at 0 in every document")
    tokens = torch.arange(flat.numel(), device=flat.device)
    lengths = torch.cat((starts, tokens.new_tensor([flat.numel()]))).diff()
    filled = (lengths + block - 1) // block * block
    ends = filled.cumsum(0)
    documents = torch.repeat_interleave(filled)
    positions = torch.arange(len(documents), device=flat.device) - (ends - filled)[documents]
    document = flat.cumsum(0) - 1
    return Layout(
        block=block,
        cells=(starts[documents] + positions).clamp(max=flat.numel() - 1),
        places=(ends - filled)[document] + tokens - starts[document],
        positions=positions,
        documents=documents,
        table=random_table(pattern, int(filled.max()), flat.device),
    )


def visible_blocks(layout: Layout, pattern: Pattern) -> torch.Tensor:
    """Which of the pattern's blocks see which, [cells / block, cells / block]: any token any token."""
    first = layout.positions[:: pattern.block]
    document = layout.documents[:: pattern.block]
    # Within two blocks only the order of positions varies; between the starts of the two it is never in the way.
    seen = allowed(first[:, None], first[None], pattern, layout.table)
    return seen & (document[:, None] == document[None])


def lists_of(visible: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For each row of a boolean matrix the columns that are set: ([rows, most] columns, [rows] how many)."""
    counts = visible.sum(1)
    rows, columns = visible.nonzero(as_tuple=True)
    slots = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
    lists = columns.new_zeros(len(visible), int(counts.max()))
    lists[rows, slots] = columns
    return lists, counts


def dense_mask(position_ids: torch.Tensor, pattern: Pattern) -> torch.Tensor:
    """The whole mask of packed rows [rows, tokens], True where seen: [rows, 1, tokens, tokens]. For short rows."""
    document = document_starts(position_ids).cumsum(1)
    table = random_table(pattern, int(position_ids.max()) + 1, position_ids.device)
    seen = allowed(position_ids[:, :, None], position_ids[:, None], pattern, table)
    return (seen & (document[:, :, None] == document[:, None]))[:, None]
