"""Submission ids, adoption and what is refused, against a small stand-in for a cluster's list of jobs."""

import re

import pytest
import yaml

from novelray.errors import ClusterError, RecipeError
from novelray.fleet import submit as fleet
from novelray.onray.jobs import Job, JobExistsError, UnreachableError
from novelray.recipe import load_recipe


class Cluster:
    """Keeps jobs in a dict. `lose_reply`: a submit arrives and its answer does not; `race`: somebody is faster."""

    address = "http://cluster:8265"

    def __init__(self, lose_reply=False, race=False, away=False):
        self.jobs, self.sent = {}, []
        self.lose_reply, self.race, self.away = lose_reply, race, away

    def find(self, job):
        return self.jobs.get(job)

    def submit(self, job, entrypoint, folder, env, metadata):
        if self.away:
            raise UnreachableError("no answer")
        self.sent.append((job, entrypoint, (folder / "recipe.yaml").read_text(), env, metadata))
        if job in self.jobs:
            raise JobExistsError("already exists")
        self.jobs[job] = Job(job, "PENDING", metadata=metadata)
        if self.race:
            self.race = False
            raise JobExistsError("already exists")
        if self.lose_reply:
            raise UnreachableError("timed out")

    def end(self, job, state, exit_code=None):
        self.jobs[job] = Job(job, state, exit_code=exit_code)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: tiny\ntrain: {method: full}\ncorpus: {books: [books]}\n", "utf-8")
    return path


def submit(recipe, cluster, stage="train", overrides=()):
    return fleet.submit(recipe, overrides, stage, cluster)


def test_the_id_is_made_of_stage_and_recipe(recipe, tmp_path):
    loaded = load_recipe(recipe)
    assert re.fullmatch(r"novelray-train-[0-9a-f]{16}", fleet.submission_id(loaded, "train"))
    assert fleet.submission_id(loaded, "train") == fleet.submission_id(load_recipe(recipe), "train")
    ids = {fleet.submission_id(loaded, "train"), fleet.submission_id(loaded, "tune")}
    ids.add(fleet.submission_id(load_recipe(recipe, ["seed=2"]), "train"))
    assert len(ids) == 3


def test_a_comment_or_the_order_of_keys_does_not_change_the_id(recipe):
    before = fleet.submission_id(load_recipe(recipe), "train")
    recipe.write_text("# a comment\ncorpus:\n  books:\n    - books\nname: tiny\ntrain: {method: full}\n", "utf-8")
    assert fleet.submission_id(load_recipe(recipe), "train") == before


def test_the_second_submit_adopts_the_first(recipe):
    cluster = Cluster()
    first, second = submit(recipe, cluster), submit(recipe, cluster)
    assert (first.outcome, second.outcome) == ("submitted", "adopted")
    assert first.id == second.id
    assert len(cluster.sent) == 1


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "SUCCEEDED"])
def test_a_job_that_runs_or_is_done_is_adopted(recipe, state):
    cluster = Cluster()
    cluster.end(submit(recipe, cluster).id, state)
    again = submit(recipe, cluster)
    assert (again.outcome, again.state) == ("adopted", state)


@pytest.mark.parametrize("state", ["FAILED", "STOPPED"])
def test_a_failed_or_stopped_job_is_submitted_as_the_next_attempt(recipe, state):
    cluster = Cluster()
    first = submit(recipe, cluster)
    cluster.end(first.id, state)
    second = submit(recipe, cluster)
    assert second.id == f"{first.id}-r2"
    cluster.end(second.id, state)
    assert submit(recipe, cluster).id == f"{first.id}-r3"
    assert submit(recipe, cluster).outcome == "adopted"


def test_done_work_is_submitted_once_more_only_when_asked_and_running_work_never(recipe):
    cluster = Cluster()
    first = submit(recipe, cluster)
    assert fleet.submit(recipe, (), "train", cluster, again=True).outcome == "adopted"
    cluster.end(first.id, "SUCCEEDED")
    assert submit(recipe, cluster).outcome == "adopted"
    assert fleet.submit(recipe, (), "train", cluster, again=True).id == f"{first.id}-r2"


def test_a_lost_reply_does_not_start_the_job_twice(recipe):
    cluster = Cluster(lose_reply=True)
    done = submit(recipe, cluster)
    assert list(cluster.jobs) == [done.id]
    assert done.outcome == "adopted"


def test_whoever_is_slower_adopts(recipe):
    cluster = Cluster(race=True)
    assert submit(recipe, cluster).outcome == "adopted"
    assert len(cluster.jobs) == 1


def test_a_cluster_that_is_away_is_said_to_be_away(recipe):
    with pytest.raises(UnreachableError):
        submit(recipe, Cluster(away=True))


def test_nothing_of_the_user_reaches_the_shell_and_paths_travel_absolute(recipe, tmp_path):
    cluster = Cluster()
    recipe.write_text("name: tiny\ntrain: {method: full}\ncorpus: {books: ['; rm -rf $HOME']}\n", "utf-8")
    done = submit(recipe, cluster, overrides=["shards.context=64"])
    ((_, entrypoint, text, env, metadata),) = cluster.sent
    assert entrypoint == "python -m jobs.train recipe.yaml"
    sent = yaml.safe_load(text)
    assert sent["corpus"]["books"] == [f"{tmp_path}/; rm -rf $HOME"]
    assert sent["shards"]["context"] == 64
    assert env == {"NOVELRAY_JOB": done.id}
    assert metadata["storage"] == f"{tmp_path}/novelray-data"


def test_a_password_in_a_url_is_refused_before_anything_is_sent(recipe):
    cluster = Cluster()
    recipe.write_text("name: tiny\ntrain: {method: full}\nserve: {keys: 'postgresql://me:geheim@db/keys'}\n", "utf-8")
    with pytest.raises(RecipeError, match=r"serve\.keys has a password") as caught:
        submit(recipe, cluster)
    assert "geheim" not in str(caught.value)
    assert cluster.sent == []


def test_an_unknown_stage_is_refused(recipe):
    with pytest.raises(RecipeError, match="no stage 'trian"):
        submit(recipe, Cluster(), stage="trian; true")


def test_a_recipe_or_a_first_id_means_the_newest_attempt_and_a_full_id_that_one(recipe):
    cluster = Cluster()
    first = submit(recipe, cluster).id
    cluster.end(first, "FAILED")
    submit(recipe, cluster)
    assert fleet.resolve(str(recipe), (), "train", cluster).id == f"{first}-r2"
    assert fleet.resolve(first, (), "run", cluster).id == f"{first}-r2"
    assert fleet.resolve(f"{first}-r2", (), "run", cluster).id == f"{first}-r2"


def test_an_unknown_job_is_the_users_mistake_and_not_a_cluster_failure(recipe):
    with pytest.raises(fleet.NoSuchJobError) as caught:
        fleet.resolve("novelray-train-none", (), "run", Cluster())
    assert caught.value.exit_code == 2
    assert not isinstance(caught.value, ClusterError)
