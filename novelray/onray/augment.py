"""Augmentation on Ray: text from the chapter files to the tasks, figures and ids to the driver, pieces into new files.

The driver lists the training chapters (ids, sizes, digests), the ledger says which of them a method takes next, tasks
make pieces and measure them, and the ledger keeps what the budget allows. Methods without a model run as tasks, the
others in actors that load their models once. What a task makes is a pure function of its chapters, the recipe and the
models, and is stored under a key of these: a task that runs again, or a build that was killed, makes nothing twice.
What models answer is kept by itself (onray/augment_memory.py), so that a corpus that grows asks them only what is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

from novelray.corpus.augment import METHOD_LETTERS, Source, allowances, limits_of
from novelray.corpus.augment.budget import Pick
from novelray.corpus.augment.check import share_found
from novelray.corpus.augment.ledger import Ledger, Outcome
from novelray.onray.actors import map_on_actors
from novelray.onray.augment_models import Resources, find_resources
from novelray.onray.augment_tasks import find_in_file, find_near, join_parts, list_file, make_part, part_maker
from novelray.onray.data import Row, map_rows
from novelray.recipe import Recipe
from novelray.recipe.augment import AugmentMethod
from novelray.storage import Artifacts, Store, digest_of
from novelray.telemetry.bar import counting_bar

VERSION = 2
ROUNDS = 4  # how often rejected pieces are made up for
TRANSLATED_CHARS = 40_000  # characters that one task translates
STORIES = 16  # that one task writes
FILE_CHARS = 4_000_000  # characters of an augmented file, about
EXAMPLES = 3  # shown in the report, per method
COPY = "copies the corpus"

Say = Callable[[str], None]
Bar = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]


def augment_inputs(recipe: Recipe, artifacts: Artifacts) -> dict[str, str]:
    """Digests of the models and synonym files that the recipe's augmentation draws on, by their key in the recipe.

    Part of the corpus's identity. Raises CorpusError when one of them is not there, before any work starts.
    """
    return {f"augment.{key}": digest for key, digest in find_resources(recipe, artifacts).digests.items()}


def augment(
    store: Store, chapter_files: Sequence[str], folder: str, recipe: Recipe, say: Say, progress: Bar = counting_bar,
    parts: str | None = None, artifacts: Artifacts | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Make text from the training chapters in `chapter_files` (paths in the store) and write it as `folder`/*.parquet.

    `parts`: a folder of the store in which finished work is kept for a build that goes on; by default it lies below
    `folder` and is removed at the end. Beside each file, a `.jsonl` says of each piece how it was made. Returns the
    report. Raises CorpusError when a model or a file that the recipe names is not there.
    """
    artifacts = artifacts or Artifacts(store)
    resources = find_resources(recipe, artifacts)
    if not recipe.corpus.augment.share:
        return _report(recipe, {}, None, [], resources)
    run = _Run(store, chapter_files, recipe, resources, artifacts, parts or f"{folder}/.parts", progress)
    kept = run.rounds()
    files = run.write(kept, folder)
    if parts is None:
        store.delete(f"{folder}/.parts")
    report = _report(recipe, run.original, run.ledger, kept, resources)
    report |= {"files": files, "near_heldout": len(run.near)}
    say(f"augment: {report['pieces']:,} pieces, {report['chars']:,} characters ({_per_method(report)})")
    return report


class _Run:
    """One augmentation. `kept` entries are (outcome, part in which the piece lies, excerpts)."""

    def __init__(
        self, store: Store, files: Sequence[str], recipe: Recipe, resources: Resources, artifacts: Artifacts,
        parts: str, progress: Bar,
    ) -> None:  # fmt: skip
        self.store, self.files, self.recipe, self.resources = store, list(files), recipe, resources
        self.artifacts, self.parts, self.progress = artifacts, parts, progress
        self.told: set[int] = set()  # n-grams of the stories so far
        section, listed = recipe.corpus.augment, self._listed()
        self.near = self._near_heldout([found["trace"] for found in listed if found["trace"]])
        self.stamps = [digest_of([row["stamp"] for row in found["chapters"]]) for found in listed]
        rows = [(number, row) for number, found in enumerate(listed) for row in found["chapters"]]
        sources = [
            Source(row["chapter_id"], number, row["language"], row["chars"], row["stamp"])
            for number, row in rows if row["split"] == "train" and not row["origin"]
        ]  # fmt: skip
        free = [source for source in sources if source.chapter_id not in self.near]
        self.place = {source.chapter_id: place for place, source in enumerate(sources)}
        self.original: Counter[str] = Counter()
        for source in sources:
            self.original[source.language] += source.chars
        able = {
            "synonyms": _languages_of_synonyms(resources, recipe),
            "back_translation": tuple(resources.pairs), "reorder": None, "synthetic": None,
        }  # fmt: skip
        digests = {split: {row["digest"] for _, row in rows if row["split"] == split} for split in ("train", "heldout")}
        self.ledger = Ledger(
            free, allowances(self.original, section.share, section.chosen, able), section.synthetic.max_chars,
            recipe.seed, digests["train"], digests["heldout"],
        )  # fmt: skip

    def _listed(self) -> list[Row]:
        rows = [{"file": file} for file in self.files]
        return map_rows(rows, list_file, {"store": self.store, "folder": self.parts}, "Listing the chapters")

    def _near_heldout(self, traces: Sequence[str]) -> set[str]:
        """Ids of the training chapters that nothing is made from, since they resemble held-out ones."""
        rows = [{"file": file} for file in self.files] if traces else []
        options = {"store": self.store, "traces": list(traces)}
        found = map_rows(rows, find_near, options, "Looking for chapters like the held-out ones")
        return {chapter for row in found for chapter in row["near"]}

    def rounds(self) -> list[Row]:
        """Make pieces until the budget is full or nothing is left to make them from."""
        kept: list[Row] = []
        for _ in range(ROUNDS):
            picks = self.ledger.next_round()
            if not picks:
                break
            made = self._make(picks)
            self._mark_copies(made)
            outcomes = [_outcome(pick, made[pick]) for pick in picks]
            kept += [{"outcome": o, **made[o.pick]} for o in self.ledger.settle(outcomes)]
        return sorted(kept, key=lambda row: (self.place[row["source"]], row["chapter_id"]))

    def _make(self, picks: Sequence[Pick]) -> dict[Pick, Row]:
        """A piece of each pick: its figures, and in `part` where its text lies."""
        units = _units(picks, self.resources)
        rows = [self._row(unit) for unit in units]
        plain = [i for i, unit in enumerate(units) if not _needs_models(unit, self.resources)]
        heavy = [i for i in range(len(units)) if i not in set(plain)]
        options = {
            "store": self.store, "section": self.recipe.corpus.augment, "seed": self.recipe.seed,
            "longest": self.recipe.corpus.max_chapter_chars, "resources": self.resources,
        }  # fmt: skip
        results: dict[int, Row] = {}
        with self.progress("Augmenting", len(picks), "chapters") as more:
            found = map_rows(
                [rows[i] for i in plain], make_part, options, "Augmenting", done=lambda n: more(len(units[plain[n]]))
            )
            results |= dict(zip(plain, found, strict=True))
            found = map_on_actors(
                [rows[i] for i in heavy], part_maker,
                {**options, "artifacts": self.artifacts, "memory": f"{self.parts}/models"}, "Augmenting",
                done=lambda n: more(len(units[heavy[n]])),
            )  # fmt: skip
            results |= dict(zip(heavy, found, strict=True))
        return {
            pick: {**piece, "part": rows[i]["part"], "source": pick.source.chapter_id}
            for i, unit in enumerate(units) for pick, piece in zip(unit, results[i]["pieces"], strict=True)
        }  # fmt: skip

    def _row(self, unit: Sequence[Pick]) -> Row:
        """What a task is told. The part's name is a digest of all that decides what is in it."""
        jobs = [[pick.method, pick.source.chapter_id] for pick in unit]
        file = unit[0].source.file
        made_from = {
            "version": VERSION, "section": self.recipe.corpus.augment.identity(), "models": self.resources.digests,
            "seed": self.recipe.seed, "longest": self.recipe.corpus.max_chapter_chars, "file": self.stamps[file],
            "jobs": jobs,
        }  # fmt: skip
        return {"file": self.files[file], "jobs": jobs, "part": f"{self.parts}/{digest_of(made_from)[:32]}.parquet"}

    def _mark_copies(self, made: dict[Pick, Row]) -> None:
        """Reject the stories of which too much stands in the corpus already, held-out chapters included."""
        stories = [row for row in made.values() if row["sketch"] and not row["reason"]]
        if not stories:
            return
        parts = sorted({row["part"] for row in stories})
        options = {"store": self.store, "parts": parts}
        found = map_rows([{"file": f} for f in self.files], find_in_file, options, "Comparing the stories")
        there = {h for row in found for h in row["found"]} | self.told
        method = next(m for m in self.recipe.corpus.augment.chosen if m.method == "synthetic")
        limit = limits_of(method, False, "").max_copied
        for row in stories:
            row["copied"] = share_found(row["sketch"], there)
            row["reason"] = COPY if row["copied"] > limit else ""
            self.told.update(row["sketch"])  # a model may tell one story again and again
            there.update(row["sketch"])

    def write(self, kept: Sequence[Row], folder: str) -> list[str]:
        """Join the kept pieces into files, in the order of their sources. Returns the files' paths in the store."""
        groups: list[list[Row]] = []
        size = FILE_CHARS
        for row in kept:
            if size + row["chars"] > FILE_CHARS:
                groups.append([])
                size = 0
            groups[-1].append(row)
            size += row["chars"]
        rows: list[Row] = [
            {
                "path": f"{folder}/{number:05d}.parquet",
                "pieces": [[row["part"], row["chapter_id"], row["copied"]] for row in group],
            }
            for number, group in enumerate(groups)
        ]
        options = {"store": self.store, "models": _models(self.resources)}
        written = map_rows(rows, join_parts, options, "Writing the augmented chapters")
        assert sum(w["rows"] for w in written) == len(kept), "a piece was lost"
        return [row["path"] for row in rows]


def _languages_of_synonyms(resources: Resources, recipe: Recipe) -> tuple[str, ...]:
    from novelray.onray.augment_models import tools_without_models

    return tools_without_models(resources, recipe.storage.endpoint).thesaurus.languages


def _units(picks: Iterable[Pick], resources: Resources) -> list[list[Pick]]:
    """Picks in the portions that one task does, each from one file. Decided by the picks alone, not by the cluster."""
    found: dict[tuple[int, str, int], list[Pick]] = {}
    sizes: Counter[tuple[int, str]] = Counter()
    for pick in picks:
        heavy = pick.method if _needs_models([pick], resources) else ""
        key = (pick.source.file, heavy)
        portion = 0
        if heavy:
            portion = sizes[key] // (STORIES if heavy == "synthetic" else TRANSLATED_CHARS)
            sizes[key] += 1 if heavy == "synthetic" else pick.source.chars
        found.setdefault((*key, portion), []).append(pick)
    return [found[key] for key in sorted(found)]


def _needs_models(unit: Sequence[Pick], resources: Resources) -> bool:
    methods = {pick.method for pick in unit}
    return bool(methods & {"back_translation", "synthetic"}) or bool(resources.embedding)


def _outcome(pick: Pick, row: Row) -> Outcome:
    return Outcome(pick, row["chars"], row["digest"], row["reason"], row["similarity"])


def _models(resources: Resources) -> dict[str, str]:
    """What made the pieces of each method, and for translations of each language."""
    of = resources.digests
    pairs = {
        f"back_translation.{language}": f"{of[f'back_translation.{language}.forward']} "
        f"{of.get(f'back_translation.{language}.back', '')}".strip()
        for language in resources.pairs
    }
    plain = {"synonyms": of.get("synonyms", ""), "synthetic": of.get("synthetic.model", "")}
    return {name: value for name, value in {**pairs, **plain}.items() if value}


def _report(
    recipe: Recipe, original: dict[str, int], ledger: Ledger | None, kept: Sequence[Row], resources: Resources
) -> dict[str, Any]:
    """The figures of an augmentation, for augment.json and the page."""
    section, chars = recipe.corpus.augment, Counter[str]()
    for row in kept:
        chars[row["outcome"].pick.source.language] += row["chars"]
    allowed: Counter[str] = Counter()
    for (_, language), count in (ledger.allowances if ledger else {}).items():
        allowed[language] += count
    total = sum(original.values())
    return {
        "share": section.share,
        "pieces": len(kept),
        "chars": sum(chars.values()),
        "used": round(sum(chars.values()) / total, 6) if total else 0.0,
        "languages": {
            language: {"original": count, "allowed": allowed[language], "augmented": chars[language]}
            for language, count in sorted(original.items())
        },
        "measure": "embedding" if resources.embedding else "tfidf",
        "models": _models(resources),
        "seed": recipe.seed,
        "methods": {} if ledger is None else {
            m.method: _method_report(m, bool(resources.embedding), ledger, kept, total)
            for m in section.chosen
        },
        "files": [],
        "near_heldout": 0,
    }  # fmt: skip


def _method_report(
    settings: AugmentMethod, embedding: bool, ledger: Ledger, kept: Sequence[Row], total: int
) -> dict[str, Any]:
    method = settings.method
    tally = ledger.tallies.get(method)
    mine = [row for row in kept if row["outcome"].pick.method == method]
    similarities = tally.similarities if tally else []
    return {
        "letter": METHOD_LETTERS[method],
        "allowed": sum(count for (name, _), count in ledger.allowances.items() if name == method),
        "made": tally.made if tally else 0,
        "kept": len(mine),
        "rejected": dict(sorted(tally.rejected.items())) if tally else {},
        "chars": sum(row["chars"] for row in mine),
        "share": round(sum(row["chars"] for row in mine) / total, 6) if total else 0.0,
        "mean_similarity": round(sum(similarities) / len(similarities), 4) if similarities else None,
        "limits": {
            language: asdict(limits_of(settings, embedding, language))
            for name, language in sorted(ledger.allowances)
            if name == method
        },
        "examples": [
            {name: row[name] for name in ("chapter_id", "source", "book", "title", "before", "after", "similarity")}
            for row in [row for row in mine if row["after"]][:EXAMPLES]
        ],
    }


def _per_method(report: dict[str, Any]) -> str:
    return ", ".join(f"{name} {found['kept']:,} of {found['made']:,}" for name, found in report["methods"].items())
