"""Evaluation on the cluster: one task scores one model, on a GPU where there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import ray

from novelray.corpus import chapters
from novelray.errors import NovelRayError
from novelray.onray.errors import from_ray
from novelray.recipe import Recipe
from novelray.storage import Artifact, Plan
from novelray.train.job import Job

STAGE_VERSION = 1


def evaluate(recipe: Recipe, corpus: Artifact, job: Job, say: Callable[[str], None]) -> Artifact:
    """Scores of a stage's model before and after, on the held-out chapters of the stage's books."""
    artifacts = job.artifacts
    model = artifacts.get(job.plan.id)
    section = {**recipe.evaluate.identity(), "seed": recipe.seed}
    plan = Plan("evaluation", STAGE_VERSION, {"model": model.id, "shards": job.shards, "corpus": corpus.id}, section)
    found = artifacts.find(plan.id)
    if found is not None:
        say(f"evaluate: nothing changed, using {found.id} ({_line(found.counts)})")
        return found
    openings = openings_of(corpus, job.stage.books, recipe.evaluate.samples, recipe.evaluate.prompt_chars)
    gpu = 1 if ray.cluster_resources().get("GPU", 0) else 0
    cpus = max(1, int(ray.cluster_resources().get("CPU", 1)) if not gpu else 1)
    task = ray.remote(num_cpus=min(cpus, 8), num_gpus=gpu, max_retries=2)(_score)
    scores: dict[str, Any] = {}
    try:
        for when, source in (("before", job.source), ("after", f"artifact:{model.id}")):
            scores[when] = ray.get(task.remote(recipe, job, source, openings, bool(gpu)))
    except ray.exceptions.RayError as error:
        raise from_ray(error, "evaluate") from error
    draft = artifacts.begin(plan)
    draft.write_json("scores.json", scores)
    counts = {when: {k: v for k, v in score.items() if k != "samples"} for when, score in scores.items()}
    artifact = draft.commit(counts)
    say(f"evaluate: {_line(artifact.counts)} → {artifact.id}")
    return artifact


def prompts_of(
    corpus: Artifact, books: tuple[str, ...], count: int, chars: int, split: Literal["train", "heldout"] = "heldout"
) -> list[str]:
    """Openings of chapters of the matching books, spread evenly over them; Chinese ones first.

    Raises NovelRayError when nothing is held out.
    """
    return [text for _, text in openings_of(corpus, books, count, chars, split)]


def openings_of(
    corpus: Artifact, books: tuple[str, ...], count: int, chars: int, split: Literal["train", "heldout"] = "heldout"
) -> list[tuple[str, str]]:
    """What `prompts_of` gives, each with the id of its chapter before it."""
    held_out = chapters(corpus, split, books, columns=["chapter_id", "language", "text"])
    rows = [row for batch in held_out for row in batch.to_pylist()]
    rows.sort(key=lambda row: row["language"] != "zh")
    openings = [(row["chapter_id"], row["text"][:chars]) for row in rows]
    if not openings:
        raise NovelRayError("No chapter of these books is held out.", "Raise corpus.heldout.share above 0.")
    step = max(1, len(openings) // count)
    return openings[::step][:count]


def _score(recipe: Recipe, job: Job, source: str, openings: list[tuple[str, str]], gpu: bool) -> dict[str, Any]:
    from novelray.evaluate.heads import head_scores
    from novelray.evaluate.score import score
    from novelray.models.heads import heads_of
    from novelray.shards.chapters import open_chapters
    from novelray.shards.encode import Encoder
    from novelray.shards.rows import open_rows
    from novelray.shards.tokenizer import load_tokenizer
    from novelray.train.setup import folder_of, load_source

    tokenizer = load_tokenizer(folder_of(job.tokenizer, job))
    shards = job.artifacts.get(job.shards).local()
    rows = open_rows(shards, "heldout")
    if rows is None:
        raise NovelRayError(f"{job.shards} has no held-out rows.", "Raise corpus.heldout.share above 0.")
    model: Any = load_source(job, gpu, source).eval()
    moved = model.to("cuda" if gpu else "cpu")
    ids, prompts = zip(*openings, strict=True)
    scores = score(moved, tokenizer, rows, prompts, recipe.evaluate, recipe.seed)
    return scores | head_scores(
        moved, Encoder.of(tokenizer), heads_of(source, job.artifacts), rows, open_chapters(shards),
        recipe.evaluate.rows, scores["samples"], ids,
    )  # fmt: skip


def _line(counts: dict[str, Any]) -> str:
    before, after = counts["before"], counts["after"]
    names = ["perplexity", *(k for k in after if k.startswith(("rep_", "distinct_", "accuracy_", "f1_", "generated_")))]
    was = {name: f"{before[name]:g} → " if name in before else "" for name in names}
    return " · ".join(f"{n.replace('_', '-')} {was[n]}{after[n]:g}" for n in names)
