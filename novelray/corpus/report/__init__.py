"""The corpus report, for people and programs: what was read, changed and left out and why, and whether it is enough.

`build_report` gives the facts as JSON (`report.json`), `page` the same facts as one HTML page that needs nothing else.
"""

from novelray.corpus.report.build import build_report
from novelray.corpus.report.counts import Quarantined, check_quarantine, counts_of, summary
from novelray.corpus.report.examples import shown_changes
from novelray.corpus.report.page import page
from novelray.corpus.report.passages import merge_passages, passages_of

__all__ = [
    "Quarantined", "build_report", "check_quarantine", "counts_of", "merge_passages", "page", "passages_of",
    "shown_changes", "summary",
]  # fmt: skip
