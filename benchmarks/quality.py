"""The quality measures on real novels: story arc, style, perspective, and how fast a book is measured.

    python benchmarks/quality.py [--novels FOLDER] [--seeds 10]

- Story arc: a whole book against its first half, against every other chapter of itself (so that length says nothing),
  and against itself with its chapters shuffled. Every pair that is lost is named.
- Style: sets of chapters of one book against sets of two books, by folder.
- Perspective: against chapters labelled by reading, and against passages of our own.

Prints a table and, last, one JSON object. Privacy and duplicates are not measured here.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core, as a task on Ray has

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from support import quality_trials as trials  # noqa: E402 (its folder is no package of ours)

from novelray.corpus.quality import measure  # noqa: E402
from novelray.corpus.read import BookMeta  # noqa: E402
from novelray.recipe.quality import QualitySection  # noqa: E402


def main() -> None:
    """Run every trial and print."""
    parser = argparse.ArgumentParser(description="The quality measures on real novels.")
    parser.add_argument("--novels", default=str(HERE.parent.parent / "shared" / "corpora"))
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    shelf = trials.read_shelf(Path(options.novels))
    if not shelf:
        sys.exit(f"There is no book in {options.novels}: give a folder of folders of books with --novels.")
    figures = {"mb_per_s": _speed(shelf)} | _arcs(shelf, options.seeds) | _styles(shelf, options.seeds)
    for name, pairs in (("chapters", trials.told_in_chapters(shelf)), ("passages", trials.told_in_passages())):
        figures[f"perspective_{name}"] = round(trials.right(pairs), 4)
        _by_class(name, pairs)
    print(json.dumps(figures))


def _speed(shelf: trials.Shelf) -> float:
    began, mb = time.process_time(), sum(len(c.text.encode()) for cs in shelf.values() for c in cs) / 1e6
    for chapters in shelf.values():
        measure(chapters, BookMeta(), QualitySection())
    seconds = time.process_time() - began
    print(f"measuring: {mb:.1f} MB in {seconds:.1f} s of one core, {mb / seconds:.1f} MB/s")
    return round(mb / seconds, 2)


def _arcs(shelf: trials.Shelf, seeds: int) -> dict[str, float]:
    numbers = trials.numbers_of(shelf)
    halves, thin, mixed = trials.halved(numbers), trials.thinned(numbers), trials.shuffled(numbers, seeds)
    print(f"\n{'story arc':40}{'whole':>7}{'half':>7}{'every 2nd':>11}{'shuffled':>10}{'won':>7}")
    for name, (whole, half) in halves.items():
        lost = " < half" * (whole <= half) + " 2nd < half" * (thin[name][0] <= thin[name][1])
        pairs = mixed[name]
        won, mean = sum(a > b for a, b in pairs), sum(b for _, b in pairs) / seeds
        print(f"{name:40}{whole:7.3f}{half:7.3f}{thin[name][0]:11.3f}{mean:10.3f}{won:4}/{seeds}{lost}")
    shuffles = [a > b for pairs in mixed.values() for a, b in pairs]
    won = {
        "arc_half": [a > b for a, b in halves.values()], "arc_same_length": [a > b for a, b in thin.values()],
        "arc_shuffled": shuffles,
    }  # fmt: skip
    for name, results in won.items():
        print(f"{name}: {sum(results)} of {len(results)} pairs won")
    return {name: round(sum(results) / len(results), 4) for name, results in won.items()}


def _styles(shelf: trials.Shelf, seeds: int) -> dict[str, float]:
    found = trials.styles(trials.numbers_of(shelf), seeds)
    print(f"\n{'style':10}{'one book':>10}{'two books':>11}{'AUC':>8}")
    for folder, (one, two) in found.items():
        print(f"{folder:10}{sum(one) / len(one):10.3f}{sum(two) / len(two):11.3f}{trials.auc(one, two):8.4f}")
    one, two = ([d for pair in found.values() for d in pair[side]] for side in (0, 1))
    figures = {f"style_auc_{folder}": round(trials.auc(*pair), 4) for folder, pair in found.items()}
    return {"style_auc": round(trials.auc(one, two), 4)} | figures


def _by_class(name: str, pairs: Counter[tuple[str, str]]) -> None:
    print(f"\n{'perspective, ' + name:30}{'right':>7}{'of':>5}")
    for label in sorted({label for label, _ in pairs}):
        print(f"{label:30}{pairs[label, label]:7}{sum(n for (other, _), n in pairs.items() if other == label):5}")


if __name__ == "__main__":
    main()
