"""A recipe that was changed while its run is unfinished: told what changed and refused, unless a new run is meant."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from novelray.checkpoints.commit import Committer, commits
from novelray.errors import EXIT_USER, RecipeError
from novelray.onray.pipeline import job_for
from novelray.recipe import Recipe
from novelray.recipe.changes import changes
from novelray.storage import Plan
from novelray.train.unfinished import begin, finish

BASE = {"name": "tale", "model": {"base": "some/base"}, "train": {"method": "full"}}


def recipe_of(**train):
    return Recipe.model_validate({**BASE, "train": {**BASE["train"], **train}})


@pytest.fixture
def jobs(artifacts):
    """The job of a recipe's stage (the first, or the one after `earlier`), on shards of a name."""

    def make(recipe=None, earlier=(), shards="books"):
        recipe = recipe or recipe_of()
        draft = artifacts.begin(Plan("shards", 1, section={"of": shards}))
        stage = recipe.train.resolved()[len(earlier)]
        source = f"artifact:{earlier[-1].plan.id}" if earlier else "artifact:model-base"
        return job_for(recipe, artifacts, stage, source, "artifact:tokenizer-1", draft.commit(), (), tuple(earlier))

    return make


def commit(job, step):
    committer = Committer(job.artifacts.store, job.run, "a", 0, 1, keep=2)
    committer.save(step, {"weight/w": torch.ones(1)}, {"validation_loss": None})
    committer.wait()


def commits_of(job):
    return [c.step for c in commits(job.artifacts.store, job.run)]


def begun(job, step=0):
    begin(job)
    if step:
        commit(job, step)
    return job


def test_a_changed_recipe_is_told_what_changed_and_refused(jobs):
    begun(jobs(), 120)
    with pytest.raises(RecipeError) as caught:
        begin(jobs(recipe_of(learning_rate=1e-4, epochs=3)))
    assert "'tale'" in caught.value.message
    assert "step 120" in caught.value.message
    lines = [line.strip(" -") for line in caught.value.message.splitlines()[1:]]
    assert lines == ["train.epochs: 1 → 3", "train.learning_rate: 0.0002 → 0.0001"]
    assert "--fresh" in caught.value.hint
    assert caught.value.exit_code == EXIT_USER


def test_the_same_recipe_goes_on(jobs):
    begun(jobs(), 120)
    begin(jobs())
    begin(jobs(recipe_of(micro_batch=4, checkpoint_every=7)))  # what does not change the result may change


def test_it_is_refused_before_any_cluster_is_asked_for(jobs):
    from novelray.onray.train import train

    begun(jobs(), 120)
    with pytest.raises(RecipeError):
        train(jobs(recipe_of(epochs=2)), print)


def test_a_new_run_begins_where_it_is_meant_and_both_can_be_gone_on_with(jobs):
    first = begun(jobs(), 120)
    second = jobs(recipe_of(epochs=2, on_change="restart"))
    begun(second, 40)
    later = jobs(recipe_of(epochs=2))
    assert later.plan.id == second.plan.id  # the choice is no part of what is made
    begin(later)
    begin(first)
    assert commits_of(first) == [120]


def test_a_run_that_has_committed_nothing_is_in_nobodys_way(jobs):
    begun(jobs())
    begin(jobs(recipe_of(epochs=2)))


def test_a_finished_run_is_in_nobodys_way(jobs):
    first = begun(jobs(), 120)
    finish(first)
    begin(jobs(recipe_of(epochs=2)))


def test_a_run_whose_model_is_there_is_finished_even_when_nobody_noted_it(jobs):
    first = begun(jobs(), 120)
    first.artifacts.begin(first.plan).commit()
    begin(jobs(recipe_of(epochs=2)))


def test_another_recipe_is_in_nobodys_way(jobs):
    begun(jobs(), 120)
    other = jobs(recipe_of(epochs=2))
    begin(replace(other, name="song"))


def test_a_changed_book_is_told_although_no_key_changed(jobs):
    first, second = begun(jobs(), 120), jobs(shards="other books")
    with pytest.raises(RecipeError, match=f"shards: {first.shards} → {second.shards}"):
        begin(second)


STAGES = [{"name": "near"}, {"name": "target", "learning_rate": 1e-5}]


def test_a_change_of_the_first_stage_is_told_before_it_is_trained_again_when_the_second_is_unfinished(jobs):
    near = jobs(recipe_of(stages=STAGES))
    begun(near, 50)
    finish(near)
    begun(jobs(recipe_of(stages=STAGES), [near]), 80)
    changed = [{"name": "near", "epochs": 4}, STAGES[1]]
    with pytest.raises(RecipeError, match=r"stage 'target'.*step 80") as caught:
        begin(jobs(recipe_of(stages=changed)))
    assert "train.stages[near].epochs: 1 → 4" in caught.value.message


def test_one_choice_of_a_new_run_is_enough_for_all_stages(jobs):
    near = jobs(recipe_of(stages=STAGES))
    begun(near, 50)
    finish(near)
    begun(jobs(recipe_of(stages=STAGES), [near]), 80)
    changed = [{"name": "near", "epochs": 4}, STAGES[1]]
    again = jobs(recipe_of(stages=changed, on_change="restart"))
    begun(again, 10)
    finish(again)
    begin(jobs(recipe_of(stages=changed), [again]))  # without saying it again


def test_a_change_of_a_later_stage_does_not_concern_the_first(jobs):
    near = begun(jobs(recipe_of(stages=STAGES)), 50)
    begin(jobs(recipe_of(stages=[STAGES[0], {"name": "target", "epochs": 9}])))
    assert near.plan.id == jobs(recipe_of(stages=STAGES)).plan.id


def test_a_stage_that_is_added_is_told_key_by_key():
    old, new = recipe_of().identity(), recipe_of(stages=STAGES).identity()
    lines = changes(old, new)
    assert "train.method: full → absent" in lines
    assert "train.stages[target].learning_rate: absent → 1e-05" in lines
