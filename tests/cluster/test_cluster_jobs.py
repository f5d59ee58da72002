"""Jobs on a real cluster of two nodes with token authentication, started and stopped by cluster/local."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from novelray.cli.main import main
from novelray.fleet import clusters
from novelray.fleet.submit import connect
from novelray.storage import Artifacts, Store
from novelray.telemetry import control
from novelray.telemetry.control import request_cancel
from novelray.telemetry.journal import read_journal

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")]

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "cluster" / "local"
RAY_VARIABLES = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def script(name, folder, home, **env):
    clean = {k: v for k, v in os.environ.items() if k not in RAY_VARIABLES}
    env = {**clean, "NOVELRAY_HOME": str(home), "PYTHON": sys.executable, **env}
    return subprocess.run([SCRIPTS / name, folder], env=env, capture_output=True, text=True, timeout=200)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The folder of a running cluster, known as `test`."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "cluster"
    up = script("up.sh", folder, home, WORKERS="1", PORT="26379", DASHBOARD="28265", NAME="test")
    try:
        assert up.returncode == 0, up.stderr + up.stdout
        temp = (folder / "temp").read_text().strip()
        yield folder
    finally:
        down = script("down.sh", folder, home)
    assert down.returncode == 0, down.stderr
    assert subprocess.run(["pgrep", "-f", temp], capture_output=True, text=True).stdout == ""
    assert not Path(temp).exists()


@pytest.fixture(autouse=True)
def own_home(cluster, monkeypatch):
    monkeypatch.setenv("NOVELRAY_HOME", str(cluster.parent))
    for name in RAY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, samples):
    """A recipe over two stories, with a storage of its own."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "books").mkdir()
    for story in sorted(samples.rglob("*.txt"))[:2]:
        shutil.copyfile(story, folder / "books" / story.name)
    text = "name: tiny\ntrain: {method: full}\ncorpus: {books: [books]}\nstorage: {root: data}\n"
    (folder / "recipe.yaml").write_text(text, "utf-8")
    return folder / "recipe.yaml"


def jobs():
    return connect(clusters.find("test"))


def submitted(capsys):
    return next(
        line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("submit: novelray-")
    )


def test_the_token_is_private_and_the_cluster_has_two_nodes(cluster):
    assert (cluster / "token").stat().st_mode & 0o777 == 0o600
    assert (cluster / "worker-1.log").is_file()
    assert clusters.find("test").token() == (cluster / "token").read_text().strip()


def test_a_second_up_from_the_same_folder_is_refused(cluster):
    again = script("up.sh", cluster, cluster.parent, NAME="test")
    assert again.returncode == 2
    assert "Stop it first" in again.stderr


def test_a_job_does_its_work_once_and_is_adopted_when_submitted_again(recipe, capsys):
    submit = ["submit", str(recipe), "--stage", "corpus", "--cluster", "test"]
    assert main([*submit, "--follow"]) == 0
    first = capsys.readouterr().out
    assert "submitted" in first
    assert "corpus: " in first
    (artifact,) = Artifacts(Store(str(recipe.parent / "data"))).all()
    artifact.verify()

    assert main(submit) == 0
    second = capsys.readouterr().out
    assert "was there already (succeeded)" in second
    job = second.split()[1]
    assert first.split()[1] == job
    assert [j.id for j in jobs().all() if j.id.startswith("novelray-corpus")].count(job) == 1

    assert main(["status", job, "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["state"], status["exit_code"], status["metadata"]["stage"]) == ("SUCCEEDED", 0, "corpus")
    assert main(["logs", str(recipe), "--stage", "corpus"]) == 0
    assert artifact.id in capsys.readouterr().out
    assert main(["list"]) == 0
    assert job in capsys.readouterr().out


def test_bad_input_fails_with_its_exit_code_and_without_a_traceback_and_can_be_tried_again(recipe, capsys):
    submit = ["submit", str(recipe), "--stage", "corpus", "--set", "corpus.books=[nowhere]"]
    assert main([*submit, "--follow"]) == 2
    shown = capsys.readouterr().out
    assert "error: " in shown
    assert "nowhere" in shown
    assert "Traceback" not in shown
    assert "failed (the input was refused)" in shown
    first = shown.split()[1]
    assert main([*submit, "--follow"]) == 2
    assert capsys.readouterr().out.split()[1] == f"{first}-r2"


def test_a_cancelled_job_ends_by_itself_and_leaves_nothing_half_written(recipe, capsys):
    storage = recipe.parent / "cancelled"
    overrides = ["--set", f"storage.root={storage}", "--set", "corpus.min_chapter_chars=51"]

    assert main(["submit", str(recipe), "--stage", "corpus", *overrides]) == 0
    job = submitted(capsys)
    assert main(["cancel", job, "--wait", "60"]) == 0
    assert "has stopped: cancelled" in capsys.readouterr().out
    found = jobs().find(job)
    assert (found.state, found.exit_code) == ("FAILED", 130)
    assert list(Artifacts(Store(str(storage))).all()) == []
    assert main(["submit", str(recipe), "--stage", "corpus", *overrides, "--follow"]) == 0
    assert f"{job}-r2 succeeded" in capsys.readouterr().out


def test_a_job_that_was_asked_to_stop_before_it_began_stops(recipe, capsys):
    overrides = ["--set", "corpus.min_chapter_chars=52"]
    assert main(["submit", str(recipe), "--stage", "corpus", *overrides]) == 0
    job = submitted(capsys)
    request_cancel(Store(str(recipe.parent / "data")), f"jobs/{job}")
    assert main(["logs", "-f", job]) == 130
    assert "Cancelled" in capsys.readouterr().out


def test_a_training_job_commits_before_it_is_cancelled_and_goes_on_when_submitted_again(recipe, capsys):
    sizes = {"shards.context": 64, "train.micro_batch": 2, "train.global_batch": 2, "train.checkpoint_every": 100000}
    sizes |= {"scaling.cpus_per_worker": 1, "telemetry.flush_s": 0.2, "train.epochs": 200, "train.validate_every": 9999}
    submit = ["submit", str(recipe), "--stage", "train"]
    for key, value in sizes.items():
        submit += ["--set", f"{key}={value}"]
    assert main(submit) == 0
    job = submitted(capsys)
    assert wait_for_step(jobs(), job, capsys), jobs().logs(job)
    assert main(["cancel", job, "--wait", "60"]) == 0
    assert "has stopped: cancelled" in capsys.readouterr().out
    store = Store(str(recipe.parent / "data"))
    step = json.loads(store.read(f"{control.job_run(store, f'jobs/{job}')}/progress.json"))["step"]
    assert step > 0

    assert main([*submit]) == 0
    again = submitted(capsys)
    assert again == f"{job}-r2"
    further = wait_for_step(jobs(), again, capsys, above=step)
    assert main(["cancel", again, "--wait", "60"]) == 0
    assert further, jobs().logs(again)
    first, second = steps_of_attempts(store, control.job_run(store, f"jobs/{job}"))
    assert (first[0], first[-1]) == (1, step)
    assert second[0] == step + 1


def steps_of_attempts(store, run):
    """The optimiser steps that each attempt at a run wrote into its journal, the earlier attempt first."""
    texts = [store.read(e.path).decode() for e in store.files(f"{run}/journal")]
    events = [[json.loads(line) for line in text.splitlines()] for text in texts]
    return sorted([e["step"] for e in lines if e["kind"] == "train"] for lines in events)


def wait_for_step(client, job, capsys, above=0, seconds=120):
    """Whether the job gets past a step within some time, as `novelray status` sees it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not client.find(job).is_over:
        assert main(["status", job, "--json"]) == 0
        progress = json.loads(capsys.readouterr().out)["progress"]
        if progress and progress["step"] > above:
            return True
        time.sleep(0.5)
    return False


def test_a_wrong_token_is_refused_with_what_to_do(recipe, cluster, capsys):
    wrong = cluster.parent / "wrong"
    wrong.write_text("0" * 64)
    clusters.add("wrong", clusters.find("test").address, str(wrong))
    try:
        assert main(["submit", str(recipe), "--stage", "corpus", "--cluster", "wrong"]) == 3
    finally:
        clusters.remove("wrong")
    shown = capsys.readouterr().err
    assert "refuses the token" in shown
    assert "token_path" in shown


def test_no_token_is_refused_too(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["list", "--cluster", clusters.find("test").address]) == 3
    assert "refuses the token" in capsys.readouterr().err


def test_the_cluster_that_is_named_is_asked_whatever_ray_address_says(capsys, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:9")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:9")
    assert main(["list", "--cluster", "test", "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)


def test_an_unknown_job_is_told_apart_from_an_unreachable_cluster(capsys):
    assert main(["status", "novelray-train-0000000000000000"]) == 2
    assert "knows no job" in capsys.readouterr().err


def test_the_doctor_looks_at_every_node(cluster, recipe):
    command = f"source '{cluster}/env.sh' && exec {sys.executable} -m novelray.cli.main doctor --json -r '{recipe}'"
    done = subprocess.run(
        ["bash", "-c", f'{command} --address "$RAY_ADDRESS"'], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr + done.stdout
    findings = json.loads(done.stdout)
    assert "2 node(s)" in next(f["what"] for f in findings if f["name"] == "cluster")
    assert [f["state"] for f in findings if f["name"].startswith("storage from")] == ["ok", "ok"]


TWO_NODES = {
    "shards.context": 64, "train.micro_batch": 2, "train.global_batch": 8, "train.max_steps": 12, "train.epochs": 9,
    "train.validate_every": 6, "scaling.cpus_per_worker": 1, "telemetry.flush_s": 0.2,
}  # fmt: skip


def trained(recipe, capsys, workers, zero):
    """The journal of a run with so many workers, in a storage of its own."""
    root = recipe.parent / f"data-{workers}"
    submit = ["submit", str(recipe), "--stage", "train", "--cluster", "test"]
    for key, value in {**TWO_NODES, "scaling.workers": workers, "scaling.zero": zero, "storage.root": root}.items():
        submit += ["--set", f"{key}={value}"]
    assert main(submit) == 0
    job = submitted(capsys)
    end = time.monotonic() + 150
    while not jobs().find(job).is_over and time.monotonic() < end:
        time.sleep(0.5)
    assert main(["status", job, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "SUCCEEDED", jobs().logs(job)
    store = Store(str(root))
    return read_journal(store, control.job_run(store, f"jobs/{job}"))


def test_two_nodes_train_the_same_model_as_one_worker(recipe, capsys):
    alone, together = trained(recipe, capsys, 1, 0), trained(recipe, capsys, 2, 2)
    assert next(e["world"] for e in together if e["kind"] == "start") == 2
    losses = [[e["loss"] for e in events if e["kind"] in ("train", "validation")] for events in (alone, together)]
    assert len(losses[0]) == 14
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
