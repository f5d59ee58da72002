"""The corpus stage beside data-juicer and datatrove: clean, split, exact and near duplicates, end to end.

    python benchmarks/corpus.py [--novels FOLDER] [--mb 200] [--rounds 3] [--data-juicer PYTHON] [--datatrove PYTHON]

The shelf is made from the novels by benchmarks/shelf.py. Everybody runs in processes of their own, one after another,
on two cores. NovelRay reads the text files, cleans and splits them; the peers and the bare kernel get the chapters
ready-made as JSON lines, so neither cleaning nor splitting costs them anything. Ray is up and has done a small build
before NovelRay's clock starts; the peers' clocks start after their imports.

`--data-juicer` and `--datatrove` name the Python of an environment that has the package (`pip install py-data-juicer
aiohttp`, `pip install 'datatrove[processing,io]'`); without them their ratio is null.

Prints a table and, last, one JSON object: how many times NovelRay's throughput is each peer's, how many times its time
is the bare kernel's, recall and precision on the planted chapters, and what ten times the shelf costs in time and in
peak memory (all processes added up, shared pages counted once).
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import accumulate
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NOVELS = HERE.parent.parent / "shared" / "corpora"
PEERS = {"data-juicer": "run_data_juicer.py", "datatrove": "run_datatrove.py", "kernel": "kernel.py"}
WARM_UP_MB = 40  # two tasks and more, so that both workers are up


def main() -> None:
    """Make the shelves, run everybody, print."""
    options = _arguments()
    if options.build:
        build(Path(options.build))
        return
    sys.path.insert(0, str(HERE))
    import shelf

    novels = shelf.read_novels(Path(options.novels))
    if not novels:
        sys.exit(f"There is no novel in {options.novels}: give a folder of folders of *.txt files with --novels.")
    with tempfile.TemporaryDirectory(prefix="novelray-bench-", dir=options.scratch) as name:
        whole, tenth = Path(name) / "whole", Path(name) / "tenth"
        truth = shelf.make_shelf(novels, whole, options.mb)
        shelf.make_shelf(novels, tenth, options.mb / 10)
        planted = len(truth["planted"])
        print(f"{truth['mb']:.0f} MB, {truth['chapters']:,} chapters, {planted:,} of them planted", flush=True)
        pythons = {"novelray": sys.executable, "kernel": sys.executable, "data-juicer": options.data_juicer,
                   "datatrove": options.datatrove}  # fmt: skip
        found: dict[str, list[dict[str, Any]]] = {who: [] for who, python in pythons.items() if python}
        for number in range(options.rounds):
            for who in found:
                if number == 0 or who not in ("data-juicer", "datatrove"):  # minutes each: once is enough
                    found[who].append(measure(who, pythons[who], whole))
        found["tenth"] = [measure("novelray", sys.executable, tenth) for _ in range(options.rounds)]
        _report(found, truth)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The corpus stage beside its peers.")
    parser.add_argument("--novels", default=str(NOVELS))
    parser.add_argument("--mb", type=float, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data-juicer", default="")
    parser.add_argument("--datatrove", default="")
    parser.add_argument("--scratch", default=None, help="where to put the shelves; needs five times their size")
    parser.add_argument("--build", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(who: str, python: str, folder: Path) -> dict[str, Any]:
    """Run one program in a process of its own: seconds, peak memory in MB, recall, precision."""
    scratch = folder / f"scratch-{who}"
    if who == "novelray":
        command = [python, str(Path(__file__)), "--build", str(folder)]
    else:
        command = [python, str(HERE / "peers" / PEERS[who]), str(folder / "chapters"), str(scratch)]
    out = folder / "out.txt"
    with out.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.DEVNULL)
        peak = _peak_memory(process)
    shutil.rmtree(scratch, ignore_errors=True)
    if process.returncode:
        sys.exit(f"{who} failed: {' '.join(command)}")
    result = json.loads(out.read_text().splitlines()[-1])
    result["memory"] = peak
    print(f"  {who} on {folder.name}: {result['seconds']:.1f} s", flush=True)
    return result


def _peak_memory(process: subprocess.Popen) -> float:
    """Highest sum, in MB, over the process and what it started, looked at once a second: looking costs time too."""
    import psutil

    peak = 0
    while process.poll() is None:
        try:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            break
        peak = max(peak, sum(map(_own_memory, family)))
        time.sleep(1)
    process.wait()
    return peak / 1e6


def _own_memory(process: Any) -> int:
    try:
        with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def build(folder: Path) -> None:
    """NovelRay's turn: a small build to have the workers up, then the clock, the build, and what it removed."""
    from novelray.onray import session
    from novelray.onray.corpus import build_corpus
    from novelray.recipe import Recipe
    from novelray.storage import Artifacts, Store

    def recipe(name: str, books: list[str]) -> Recipe:
        corpus = {"books": books, "quality": {"measure": False}, "privacy": {"data": "keep"}}
        return Recipe.model_validate({"name": name, "corpus": corpus, "train": {"method": "full"}})

    root = folder / "scratch-novelray"
    artifacts = Artifacts(Store(str(root)))
    session.start(num_cpus=2)
    books = sorted(map(str, (folder / "books").glob("*.txt")))
    sizes = accumulate(Path(book).stat().st_size / 1e6 for book in books)
    few = [book for book, size in zip(books, sizes, strict=True) if size < WARM_UP_MB]
    build_corpus(recipe("warm", few), Artifacts(Store(f"{root}-warm")), lambda line: None)
    shutil.rmtree(f"{root}-warm")
    began = time.perf_counter()
    artifact = build_corpus(recipe("whole", [str(folder / "books")]), artifacts, lambda line: None)
    seconds = time.perf_counter() - began
    session.stop()
    print(json.dumps({"seconds": seconds, "removed": _removed(artifact)}))


def _removed(artifact: Any) -> list[str]:
    """The chapters that deduplication left out, as "book/number"."""
    report = artifact.read_json("report.json")
    books = {book["sha256"][:12]: book["book"] for book in report["books"]}
    ids = [pair["removed"].split(":") for pair in report["duplicates"]["chapters"]]
    return [f"{books[book]}/{int(index)}" for book, index in ids]


def accuracy(removed: list[str], planted: dict[str, str]) -> tuple[float, float]:
    """Recall and precision: a planted pair is found when one of the two is removed; removing both is one too many."""
    gone = set(removed)
    found = sum(copy in gone or source in gone for copy, source in planted.items())
    return found / len(planted), found / len(gone) if gone else 0.0


def _report(found: dict[str, list[dict[str, Any]]], truth: dict[str, Any]) -> None:
    seconds = {who: statistics.median(r["seconds"] for r in results) for who, results in found.items()}
    memory = {who: statistics.median(r["memory"] for r in results) for who, results in found.items()}
    print(f"\n{'':14}{'seconds':>9}{'MB/s':>8}{'peak MB':>9}{'recall':>8}{'precision':>10}")
    scores = {}
    for who, results in found.items():
        mb = truth["mb"] / (10 if who == "tenth" else 1)
        line = f"{who:14}{seconds[who]:9.1f}{mb / seconds[who]:8.1f}{memory[who]:9.0f}"
        if who != "tenth":
            scores[who] = accuracy(results[0]["removed"], truth["planted"])
            line += f"{scores[who][0]:8.3f}{scores[who][1]:10.3f}"
        print(line)
    ours = seconds["novelray"]
    figures = {
        "ratio_data_juicer": _ratio(seconds.get("data-juicer"), ours),
        "ratio_datatrove": _ratio(seconds.get("datatrove"), ours),
        "ratio_kernel": _ratio(ours, seconds["kernel"]),
        "recall": round(scores["novelray"][0], 4),
        "precision": round(scores["novelray"][1], 4),
        "time_x10": _ratio(ours, seconds["tenth"]),
        "memory_x10": _ratio(memory["novelray"], memory["tenth"]),
    }
    print(json.dumps(figures))


def _ratio(over: float | None, under: float) -> float | None:
    return None if over is None else round(over / under, 3)


if __name__ == "__main__":
    main()
