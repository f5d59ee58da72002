"""The stages in the order in which the data flows. One function per verb; each finds out what is there already.

Every function takes the recipe and `say`, which tells a person in one line what happened.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from novelray.errors import NotPromotedError, RecipeError
from novelray.models.source import check_context, digest_of_source, resolve
from novelray.onray import session
from novelray.plan import unusual_rates
from novelray.recipe import Recipe
from novelray.recipe.derived import recipe_of_update
from novelray.recipe.train import StageSection
from novelray.registry import Registry, Version
from novelray.shards.chapters import CHAPTERS_FILE, read_chapters
from novelray.shards.labels import check_classes
from novelray.shards.tokenizer import digest_of_tokenizer
from novelray.storage import Artifact, Artifacts, Plan, Store
from novelray.storage.claim import claimed
from novelray.telemetry.trackers import check_trackers
from novelray.train.fisher import fisher_plan
from novelray.train.job import Job
from novelray.train.unfinished import Origin

Say = Callable[[str], None]
TRAIN_VERSION = 1
DEMONSTRATION_CHARS = 40


@dataclass(frozen=True)
class Trained:
    """What training came to: the corpus, and per stage its job and its model."""

    corpus: Artifact
    jobs: tuple[Job, ...]
    models: tuple[Artifact, ...]

    @property
    def has_heldout(self) -> bool:
        """Whether anything of the last stage's books was kept out, to measure with."""
        shards = self.corpus.artifacts.get(self.jobs[-1].shards)
        return int(shards.counts["heldout"]["rows"]) > 0


def open_artifacts(recipe: Recipe) -> Artifacts:
    """The artifacts in the recipe's storage."""
    cache = Path(recipe.storage.cache) if recipe.storage.cache else None
    return Artifacts(Store(recipe.storage.root, recipe.storage.endpoint), cache)


def corpus(recipe: Recipe, say: Say) -> Artifact:
    """Books to clean chapters and a report."""
    from novelray.onray.corpus import build_corpus

    artifact = build_corpus(recipe, open_artifacts(recipe), say)
    say(f"corpus: report at {artifact.uri}/report.json")
    return artifact


def train(recipe: Recipe, say: Say) -> Version:
    """Everything up to a registered model."""
    with _started(recipe):
        return register(recipe, _train(recipe, say), None, say)


def update(recipe: Recipe, say: Say) -> Version | None:
    """Go on training the promoted model on the chapters that it has not seen; None when there are too few.

    Raises BusyError while another update of the model runs, and NotPromotedError as `train` does.
    """
    artifacts = open_artifacts(recipe)
    claim = f"claims/update-{recipe.model_name}.json"
    with claimed(artifacts.store, claim, f"An update of {recipe.model_name}"):
        base = _registered(recipe, artifacts)
        derived = recipe_of_update(recipe, base.id)
        with _started(derived):
            trained = _trained_on_what_is_new(derived, base, artifacts, say)
            return register(derived, trained, None, say) if trained else None


def evaluate(recipe: Recipe, say: Say) -> Artifact:
    """Scores of the model, trained first where it has to be."""
    with _started(recipe):
        return _evaluate(recipe, _train(recipe, say), say)


def tune(recipe: Recipe, say: Say) -> Any:
    """The search over the last stage."""
    from novelray.onray.tune import search

    with _started(recipe, dashboard=True):
        trained = _train(recipe, say, stages=len(recipe.train.resolved()) - 1)
        job = _next_job(recipe, open_artifacts(recipe), trained, say)
        return search(recipe, job, say)


def plan(recipe: Recipe, say: Say) -> None:
    """What the rules of the field say of the recipe, with what is known of the corpus so far."""
    from novelray.onray.facts import facts_of
    from novelray.plan import lines
    from novelray.plan import plan as hold_against

    for line in lines(hold_against(recipe, facts_of(recipe, open_artifacts(recipe)))):
        say(line)


def serve(recipe: Recipe, say: Say) -> None:
    """The registered model on an endpoint until Ctrl-C."""
    from novelray.onray.serving import bring_up, stay

    with session.session():
        artifacts = open_artifacts(recipe)
        bring_up(recipe, artifacts, _registered(recipe, artifacts), say)
        stay(say)


def run(recipe: Recipe, say: Say, remain: bool = True, written_as: str = "recipe.yaml") -> None:
    """Everything, from the books to an endpoint that has written something. Stays up until Ctrl-C if `remain`.

    `written_as`: the recipe's path as the user gave it, for the commands to try next.
    """
    from novelray.onray.deploy import check_port, undeploy
    from novelray.onray.evaluate import prompts_of
    from novelray.onray.serving import bring_up, demonstrate, next_commands, stay

    with _started(recipe):
        check_port(recipe.serve)  # told now, not after the training
        trained = _train(recipe, say)
        held_out = trained.has_heldout
        version = register(recipe, trained, _evaluate(recipe, trained, say) if held_out else None, say)
        deployed = bring_up(recipe, open_artifacts(recipe), version, say)
        books = trained.jobs[-1].stage.books
        prompts = prompts_of(trained.corpus, books, 1, DEMONSTRATION_CHARS, "heldout" if held_out else "train")
        demonstrate(deployed, prompts[0], recipe.serve)
        if not remain:
            undeploy(say)
        opening = prompts[0].splitlines()[-1]
        say("Next:\n  " + "\n  ".join(next_commands(deployed, written_as, opening)))
        if remain:
            stay(say)


def _registered(recipe: Recipe, artifacts: Artifacts) -> Version:
    return Registry(artifacts.store).resolve(f"{recipe.model_name}@{recipe.registry.alias}")


def _train(recipe: Recipe, say: Say, stages: int | None = None) -> Trained:
    """Corpus, tokenizer, and then shards and model of each stage (or of the first `stages`)."""
    from novelray.onray.corpus import build_corpus

    for text in unusual_rates(recipe):
        say(f"train: warning: {text}")
    artifacts = open_artifacts(recipe)
    check_room(recipe, artifacts)
    trained = Trained(build_corpus(recipe, artifacts, say), (), ())
    for _ in recipe.train.resolved()[:stages]:
        from novelray.onray.train import train as train_stage

        job = _next_job(recipe, artifacts, trained, say)
        model = train_stage(job, say)
        trained = Trained(trained.corpus, (*trained.jobs, job), (*trained.models, model))
    return trained


def _trained_on_what_is_new(recipe: Recipe, base: Version, artifacts: Artifacts, say: Say) -> Trained | None:
    """The update's corpus, job and model; None, and it is said why, when there is nothing to do."""
    from novelray.onray.corpus import build_corpus
    from novelray.onray.shards import NothingNewError
    from novelray.onray.train import train as train_stage

    found = Trained(build_corpus(recipe, artifacts, say), (), ())
    known = known_shards(artifacts, f"artifact:{base.artifact}")
    try:
        job = _next_job(recipe, artifacts, found, say, known)
    except NothingNewError:
        say(f"update: nothing new: {base.id} knows every chapter")
        return None
    tokens, least = artifacts.get(job.shards).counts["train"]["tokens"], recipe.update.min_new_tokens
    if tokens < least:
        say(f"update: {tokens:,} new tokens; from {least:,} on they are trained on (update.min_new_tokens)")
        return None
    made, registry = artifacts.find(job.plan.id), Registry(artifacts.store)
    if made and made.manifest.digest() == registry.moved_from(recipe.model_name, recipe.registry.alias):
        say(f"update: {made.id} was made of this and {recipe.registry.alias} was moved back from it: left alone")
        return None
    if not recipe.registry.promote.asked:
        say("update: warning: the new version is promoted whatever it is like (registry.promote says nothing)")
    job = replace(job, origin=None)  # new chapters make another run, and the one that was not finished stops nobody
    return replace(found, jobs=(job,), models=(train_stage(job, say),))


def _next_job(recipe: Recipe, artifacts: Artifacts, trained: Trained, say: Say, known: tuple[str, ...] = ()) -> Job:
    """The job of the stage after those that are trained: its tokenizer, its shards, what it starts from.

    `known`: ids of shards whose chapters are left out.
    """
    from novelray.onray.difficulty import with_difficulty
    from novelray.onray.shards import build_shards

    stage = recipe.train.resolved()[len(trained.jobs)]
    source = f"artifact:{trained.models[-1].id}" if trained.models else source_of(recipe, artifacts)
    if trained.jobs:
        tokenizer = trained.jobs[-1].tokenizer
    else:
        tokenizer = _tokenizer(recipe, artifacts, trained.corpus, source, say)
    kind, _, value = tokenizer.partition(":")
    folder = Path(value) if kind == "folder" else artifacts.get(value).local()
    digest = value if value.startswith("tokenizer-") else digest_of_tokenizer(folder)
    shards_of = partial(build_shards, recipe, artifacts, trained.corpus, folder, digest, say=say)
    old = _old_shards(artifacts, stage, source, shards_of)
    shards = shards_of(stage.books, known=known)
    _check_tasks(stage, shards)
    job = job_for(recipe, artifacts, stage, source, tokenizer, shards, old, trained.jobs)
    return with_difficulty(job, trained.corpus, say)


def _check_tasks(stage: StageSection, shards: Artifact) -> None:
    """Raise TrainError now, not on the workers, when there is nothing for a head to tell apart."""
    for task in stage.tasks:
        check_classes(task, read_chapters(shards.read(CHAPTERS_FILE)))


def _old_shards(
    artifacts: Artifacts, stage: StageSection, source: str, shards_of: Callable[[tuple[str, ...]], Artifact]
) -> tuple[str, ...]:
    """Ids of the shards of what a stage is not to forget. Raises RecipeError when it is to and there are none."""
    if not stage.continual.active:
        return ()
    old = (shards_of(stage.continual.old).id,) if stage.continual.old else known_shards(artifacts, source)
    if not old:
        raise RecipeError(
            f"Stage {stage.name!r} is to keep what its base knows (train.continual), and on which rows "
            f"{source.removeprefix('folder:')} was trained is not known.",
            "Name the books that stand for them in train.continual.old.",
        )
    return old


def known_shards(artifacts: Artifacts, source: str) -> tuple[str, ...]:
    """Ids of the shards that a model of ours, and those that it was made from, were trained on, newest first."""
    kind, _, value = source.partition(":")
    found = artifacts.find(value) if kind == "artifact" else None
    if found is None:
        return ()
    inputs = found.manifest.inputs
    if "shards" not in inputs:
        return ()
    return tuple(dict.fromkeys((inputs["shards"], *known_shards(artifacts, f"artifact:{inputs['base']}"))))


def job_for(
    recipe: Recipe,
    artifacts: Artifacts,
    stage: StageSection,
    source: str,
    tokenizer: str,
    shards: Artifact,
    old: tuple[str, ...] = (),
    earlier: tuple[Job, ...] = (),
) -> Job:
    """The job of one stage. Its identity: rows, start, hyper-parameters, seed; never where it runs.

    `old`: ids of the shards of what is not to be forgotten. `earlier`: the jobs of the stages before.
    """
    limit = recipe.model.position_limit or max(2048, 4 * recipe.shards.context)
    hyper = {k: v for k, v in stage.identity().items() if k not in ("books", "name")}
    section = {"train": hyper, "seed": recipe.seed}
    if source.startswith("scratch:"):
        section["position_limit"] = limit
    section |= recipe.model.changes()
    inputs = {"shards": shards.id, "base": digest_of_source(source)}
    inputs |= {f"old_{number}": name for number, name in enumerate(old)}
    fisher = fisher_plan(stage, source, old, recipe.seed)
    if fisher is not None:
        inputs["fisher"] = fisher.id
    return Job(
        plan=Plan("model", TRAIN_VERSION, inputs, section),
        artifacts=artifacts,
        stage=stage,
        scaling=recipe.scaling,
        model=recipe.model,
        telemetry=recipe.telemetry,
        seed=recipe.seed,
        source=source,
        shards=shards.id,
        old_shards=old,
        fisher=fisher,
        origin=origin_of(recipe, earlier),
        tokenizer=tokenizer,
        context=recipe.shards.context,
        position_limit=limit,
        checkpoint_every=recipe.train.checkpoint_every,
        keep_checkpoints=recipe.train.keep_checkpoints,
        name=recipe.name,
    )


def origin_of(recipe: Recipe, earlier: tuple[Job, ...]) -> Origin:
    """Which recipe a run comes from, and what of it decides what is made."""
    identity = {k: v for k, v in recipe.identity().items() if k in ("seed", "corpus", "shards", "model", "train")}
    ids = tuple(job.plan.id for job in earlier)
    return Origin(identity, ids, recipe.train.on_change == "restart")


@contextlib.contextmanager
def _started(recipe: Recipe, dashboard: bool = False) -> Iterator[None]:
    """A Ray session, after what can be told without one: a base that is not there, or that reads less than a row."""
    source = source_of(recipe, open_artifacts(recipe))
    if source.startswith("folder:"):
        check_context(Path(source.removeprefix("folder:")), recipe.shards.context, recipe.model.rope)
    check_trackers(recipe.telemetry)
    with session.session(dashboard=dashboard):
        yield


def check_room(recipe: Recipe, artifacts: Artifacts) -> None:
    """Raise CapacityError before an hour of work, not after, when the workers do not fit the cluster.

    Where a model of this name is there, room is looked for when it is needed: what is trained elsewhere can be
    evaluated and served on less.
    """
    from novelray.onray.train import layout_now

    if not Registry(artifacts.store).versions(recipe.model_name):
        layout_now(recipe.scaling)


def source_of(recipe: Recipe, artifacts: Artifacts) -> str:
    """What the first stage starts from (see models/source.py). Raises ModelError when it is not there."""
    base = recipe.model.base
    if "@" in base:
        return f"artifact:{Registry(artifacts.store).resolve(base).artifact}"
    return resolve(recipe.model)


def _tokenizer(recipe: Recipe, artifacts: Artifacts, books: Artifact, source: str, say: Say) -> str:
    from novelray.onray.shards import build_tokenizer

    if not source.startswith("scratch:"):
        return source  # a model's folder holds its tokenizer
    return f"artifact:{build_tokenizer(recipe, artifacts, books, say).id}"


def _evaluate(recipe: Recipe, trained: Trained, say: Say) -> Artifact:
    from novelray.onray.evaluate import evaluate as evaluate_stage

    return evaluate_stage(recipe, trained.corpus, trained.jobs[-1], say)


def register(recipe: Recipe, trained: Trained, evaluation: Artifact | None, say: Say) -> Version:
    """The last stage's model as a version of the recipe's name, with the recipe's alias on it.

    Raises NotPromotedError, once it is registered, when it is worse than registry.promote allows.
    """
    from novelray.onray.gate import verdict_on

    registry, model = Registry(open_artifacts(recipe).store), trained.models[-1]
    about: dict[str, Any] = {"recipe": recipe.name, "base": recipe.model.base}
    if evaluation is not None:
        about |= {"evaluation": evaluation.id, "scores": evaluation.counts}
    if "tasks" in model.counts:
        about["tasks"] = model.counts["tasks"]
    first, last = trained.jobs[0], trained.jobs[-1]
    verdict = verdict_on(recipe, trained.jobs, last.old_shards or known_shards(last.artifacts, first.source), say)
    version = registry.register(recipe.model_name, model.id, model.manifest.digest(), about)
    if not verdict.promoted:
        raise NotPromotedError(
            f"{version.id} is registered and not promoted; the alias {recipe.registry.alias} stays as it was. "
            + " ".join(verdict.reasons),
            "\n  ".join(verdict.hints),
        )
    registry.alias(recipe.model_name, recipe.registry.alias, version.digest)
    say(f"registry: {version.id} is {recipe.model_name}@{recipe.registry.alias}")
    return version
