"""Measures what the decision on promotion needs: two models, on held-out rows of what is new and of what was known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ray

from novelray.evaluate.gate import Change, Verdict, judge
from novelray.onray.errors import from_ray
from novelray.recipe import Recipe
from novelray.telemetry.journal import read_journal
from novelray.train.job import Job


def verdict_on(recipe: Recipe, jobs: Sequence[Job], known: Sequence[str], say: Callable[[str], None]) -> Verdict:
    """The verdict on the model of the last job against what the first one started from.

    `known`: ids of the shards of what that model knew. Nothing is measured where the recipe asks for nothing, or where
    training began with random weights.
    """
    first, last = jobs[0].source, jobs[-1]
    section = recipe.registry.promote
    if not section.asked or first.startswith("scratch:"):
        return Verdict()
    changes = {
        name: _change(recipe, last, first, shards)
        for name, shards in (("heldout", (last.shards,)), ("old", tuple(known)))
    }
    for name, change in changes.items():
        if change is None:
            say(f"promote: there are no {name} rows to measure on")
        else:
            say(f"promote: perplexity on {name} rows {change.before:.4g} → {change.after:.4g} ({change.rise:+.1%})")
    losses = [e["loss"] for e in read_journal(last.artifacts.store, last.run) if e["kind"] == "train"]
    return judge(section, changes["heldout"], changes["old"], losses)


def _change(recipe: Recipe, job: Job, first: str, shards: tuple[str, ...]) -> Change | None:
    """The perplexities before and after; None where none of the shards has held-out rows."""
    held_out = [name for name in shards if int(job.artifacts.get(name).counts["heldout"]["rows"])]
    if not held_out:
        return None
    gpu = 1 if ray.cluster_resources().get("GPU", 0) else 0
    task = ray.remote(num_cpus=1, num_gpus=gpu, max_retries=2)(_perplexity)
    sources = (first, f"artifact:{job.plan.id}")
    try:
        return Change(*ray.get([task.remote(recipe, job, source, held_out, bool(gpu)) for source in sources]))
    except ray.exceptions.RayError as error:
        raise from_ray(error, "promote") from error


def _perplexity(recipe: Recipe, job: Job, source: str, shards: list[str], gpu: bool) -> float:
    from novelray.evaluate.metrics import perplexity
    from novelray.evaluate.score import held_out_loss
    from novelray.shards.rows import open_rows
    from novelray.train.setup import load_source

    model: Any = load_source(job, gpu, source).eval()
    model = model.to("cuda" if gpu else "cpu")
    splits = [open_rows(job.artifacts.get(name).local(), "heldout") for name in shards]
    found = [held_out_loss(model, rows, recipe.evaluate.rows) for rows in splits if rows is not None]
    return perplexity(sum(loss for loss, _ in found), sum(tokens for _, tokens in found))
