"""A sweep with Ray Tune over Ray Train: each trial is a run of the stage, stopped early by ASHA when it lags.

The search goes on where it stopped: Tune keeps which trials are done, and each unfinished trial goes on from its last
commit, as any run does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import ray
from ray import tune
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

from novelray.errors import GaveUpError
from novelray.onray.train import failure_of, layout_now, trainer_for
from novelray.recipe import Recipe, dump_recipe
from novelray.recipe.tune import TuneSection
from novelray.storage import Artifact, Plan
from novelray.telemetry.journal import read_journal
from novelray.train.job import Job
from novelray.tune.space import Trial, concurrency, share_of_cpus, stage_of_trial, tuned_recipe, winner

STAGE_VERSION = 1
METRIC = "validation_loss"
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # its boxes and tables stay away


def search(recipe: Recipe, job: Job, say: Callable[[str], None]) -> Artifact:
    """Search the last stage's learning rate and LoRA rank. Makes an artifact with the table of trials and the winner.

    Raises GaveUpError when every trial failed, CapacityError when not even one fits the cluster.
    """
    section = {"tune": recipe.tune.identity(), "stage": job.plan.section}
    plan = Plan("tuning", STAGE_VERSION, dict(job.plan.inputs), section)
    found = job.artifacts.find(plan.id)
    if found is not None:
        say(f"tune: nothing changed, using {found.id}")
    else:
        trials = _trials(recipe, job, plan, say)
        found = _write(recipe, job, plan, trials)
    for line in table(found.read_json("trials.json")):
        say(f"tune: {line}")
    say(f"tune: the winning recipe is {_save(recipe, found)}")
    return found


def _trials(recipe: Recipe, job: Job, plan: Plan, say: Callable[[str], None]) -> list[Trial]:
    total = ray.cluster_resources()
    cpus, gpus = int(total.get("CPU", 0)), int(total.get("GPU", 0))
    at_once = concurrency(recipe.scaling, recipe.tune, cpus, gpus)
    scaling = recipe.scaling.model_copy(update={"cpus_per_worker": share_of_cpus(recipe.scaling, cpus, at_once)})
    layout_now(scaling)  # told now when a trial does not fit
    say(f"tune: {recipe.tune.trials} trials of up to {recipe.tune.max_steps} steps, {at_once} at once")
    tuner = _tuner(recipe, replace(job, scaling=scaling, export=False), plan, at_once, say)
    results: Any = tuner.fit()
    return [_trial_of(result, job, recipe.tune) for result in results]


def _tuner(recipe: Recipe, job: Job, plan: Plan, at_once: int, say: Callable[[str], None]) -> tune.Tuner:
    """A new search, or the one that was interrupted."""
    store = job.artifacts.store
    folder = f"{store.base}/runs/{plan.id}/tune"
    # A trial's driver only waits for its workers, which ask for what they need: it takes no CPU from them.
    trainable = tune.with_resources(
        tune.with_parameters(_run_trial, job=job, section=recipe.tune), {"cpu": 0, "node:__internal_head__": 0.001}
    )
    if tune.Tuner.can_restore(folder, storage_filesystem=store.fs):
        return tune.Tuner.restore(folder, trainable, resume_errored=True, storage_filesystem=store.fs)
    rates, ranks = recipe.tune.learning_rate, recipe.tune.lora_rank
    space: dict[str, Any] = {"learning_rate": tune.loguniform(*rates)}
    if job.stage.adapts:
        space["lora_rank"] = tune.choice(list(ranks))
    scheduler = ASHAScheduler(
        time_attr="step", max_t=recipe.tune.max_steps, grace_period=recipe.tune.grace_steps,
        reduction_factor=recipe.tune.reduction,
    )  # fmt: skip
    return tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(
            metric=METRIC, mode="min", num_samples=recipe.tune.trials, scheduler=scheduler,
            search_alg=BasicVariantGenerator(random_state=recipe.seed, max_concurrent=at_once),
        ),
        run_config=tune.RunConfig(
            name="tune", storage_path=folder.removesuffix("/tune"), storage_filesystem=store.fs, verbose=0,
            callbacks=[_Telling(say, recipe.tune.trials)],
        ),
    )  # fmt: skip


class _Telling(tune.Callback):
    """Tells a person how each trial ended; Tune's own table does not fit among our lines."""

    def __init__(self, say: Callable[[str], None], total: int) -> None:
        self._say, self._total, self._done = say, total, 0

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._done += 1
        result = trial.last_result or {}
        loss, steps = result.get(METRIC, float("nan")), result.get("step", 0)
        head = f"tune: trial {self._done} of {self._total} · {_values(trial.config)}"
        self._say(f"{head} · held-out loss {loss:.4f} after {steps} steps")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._done += 1
        self._say(f"tune: trial {self._done} of {self._total} · {_values(trial.config)} · failed")


def _values(values: dict[str, Any]) -> str:
    rank = f", rank {values['lora_rank']}" if "lora_rank" in values else ""
    return f"learning rate {values['learning_rate']:.2e}{rank}"


def _job_of(values: dict[str, Any], job: Job, section: TuneSection) -> Job:
    """The run of one trial. The same values are the same run, which goes on from its last commit."""
    stage = stage_of_trial(job.stage, section, values)
    plan = replace(job.plan, section={**job.plan.section, "train": stage.identity()})
    return replace(job, plan=plan, stage=stage)


def _run_trial(values: dict[str, Any], job: Job, section: TuneSection) -> None:
    """The driver of one trial: a Ray Train run that reports to Tune."""
    from ray.tune.integration.ray_train import TuneReportCallback

    trial = _job_of(values, job, section)
    try:
        trainer_for(trial, layout_now(trial.scaling), [TuneReportCallback()]).fit()
    except TrainingFailedError as error:
        raise failure_of(error) from None


def _trial_of(result: Any, job: Job, section: TuneSection) -> Trial:
    """What came of a trial: from its journal, since Tune forgets what was reported before a search was killed; and from
    Tune, since a trial that it stops has no time to write its last lines."""
    values, last = dict(result.config), result.metrics or {}
    trial = _job_of(values, job, section)
    events = read_journal(trial.artifacts.store, trial.run)
    losses = [e["loss"] for e in events if e["kind"] == "validation"]
    losses += [float(last[METRIC])] if METRIC in last else []
    steps = max([int(last.get("step", 0)), *(e["step"] for e in events if e["kind"] == "train")])
    return Trial(values, min(losses, default=None), steps, bool(losses) and steps < section.max_steps)


def _write(recipe: Recipe, job: Job, plan: Plan, trials: list[Trial]) -> Artifact:
    best = winner(trials)
    if best is None:
        raise GaveUpError(f"All {len(trials)} trials failed.", "Run the recipe's training once to see why it fails.")
    draft = job.artifacts.begin(plan)
    draft.write_json("trials.json", [asdict(t) for t in trials])
    draft.write_json("winner.json", best.values)
    draft.write("recipe.yaml", dump_recipe(tuned_recipe(recipe, best.values)).encode())
    return draft.commit({"trials": len(trials), "winner": best.values, "loss": best.loss})


def table(trials: list[dict[str, Any]]) -> list[str]:
    """The trials, best first, a line each."""

    def key(trial: dict[str, Any]) -> tuple[bool, float]:
        return trial["loss"] is None, trial["loss"] or 0.0

    lines = []
    for place, trial in enumerate(sorted(trials, key=key), start=1):
        values = trial["values"]
        rank = f"  rank {values['lora_rank']:>3}" if "lora_rank" in values else ""
        loss = "failed" if trial["loss"] is None else f"held-out loss {trial['loss']:.4f}"
        ended = " (stopped early)" if trial["stopped_early"] else ""
        lines.append(
            f"{place:>2}. learning rate {values['learning_rate']:.2e}{rank}  {loss} after {trial['steps']} steps{ended}"
        )
    return lines


def _save(recipe: Recipe, tuning: Artifact) -> str:
    """A copy of the winning recipe in the current folder, under a name that says what it is."""
    path = os.path.abspath(f"{recipe.name}-tuned.yaml")
    with open(path, "wb") as stream:
        stream.write(tuning.read("recipe.yaml"))
    return path
