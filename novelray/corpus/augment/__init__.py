"""Text made from the books' own: what may be made, how, and which of it is kept.

`budget` decides from sizes which chapters get which method; `reorder`, `synonyms`, `backtranslation` and `story` make
pieces; `check` holds each against its source; `unit` does that for the chapters of one file and gives a table.
`onray/augment.py` runs the units on a cluster.
"""

from novelray.corpus.augment.budget import Pick, Source, allowances, choose
from novelray.corpus.augment.check import Limits, limits_of
from novelray.corpus.augment.piece import METHOD_LETTERS, PIECES, piece_id
from novelray.corpus.augment.thesaurus import Thesaurus, load_thesaurus
from novelray.corpus.augment.unit import Tools, Write, make_unit

__all__ = [
    "METHOD_LETTERS", "PIECES", "Limits", "Pick", "Source", "Thesaurus", "Tools", "Write", "allowances", "choose",
    "limits_of", "load_thesaurus", "make_unit", "piece_id",
]  # fmt: skip
