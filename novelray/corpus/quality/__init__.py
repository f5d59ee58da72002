"""How good a corpus is, in numbers with their reasons: story arc, style, perspective, genre, curated share, volume.

`measure` runs beside the reading of each book; `judge` holds what it found against the recipe's gates.
"""

from novelray.corpus.quality.explain import explain
from novelray.corpus.quality.gate import Gate, lines
from novelray.corpus.quality.gates import check_gates, judge, left_out
from novelray.corpus.quality.measure import BookMeasure, ChapterMeasure, measure

__all__ = ["BookMeasure", "ChapterMeasure", "Gate", "check_gates", "explain", "judge", "left_out", "lines", "measure"]
