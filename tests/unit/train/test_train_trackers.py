"""A run, cancelled and resumed, as MLflow, W&B and TensorBoard show it: the journal's figures, in one run."""

import contextlib
from dataclasses import replace

import pytest
from support import training

from novelray.errors import CancelledError
from novelray.recipe.telemetry import MlflowSection, TelemetrySection, WandbSection
from novelray.storage import Artifacts, Store
from novelray.telemetry.journal import read_journal
from novelray.telemetry.trackers import figures_of


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A job that was cancelled after its first step, then run to its end, with all trackers; and MLflow's address."""
    pytest.importorskip("mlflow")
    pytest.importorskip("wandb")
    folder = tmp_path_factory.mktemp("watched")
    uri = f"sqlite:///{folder}/mlflow.db"
    telemetry = TelemetrySection(mlflow=MlflowSection(uri=uri), wandb=WandbSection(mode="offline"), flush_s=0.1)
    job = training.tiny_job(Artifacts(Store(str(folder / "store"))), folder, max_steps=3, validate_every=3)
    job = replace(job, telemetry=telemetry, name="武侠")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("novelray.telemetry.journal.GRACE_S", 120)  # on a busy machine the libraries take long to import
        job.artifacts.store.write(job.cancel_marker, b"{}")
        with contextlib.suppress(CancelledError):
            training.run_here(job)
        job.artifacts.store.delete(job.cancel_marker)
        training.run_here(job)
    return job, uri


def runs_of(uri):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("novelray")
    return client.search_runs([experiment.experiment_id]) if experiment else []


def journal_of(job):
    return read_journal(job.artifacts.store, job.run)


@pytest.mark.slow
def test_mlflow_has_one_run_with_the_recipes_settings_and_the_journals_figures(watched):
    from mlflow.tracking import MlflowClient

    job, uri = watched
    (run,) = runs_of(uri)
    assert (run.info.run_name, run.info.status) == ("武侠 main", "FINISHED")
    assert run.data.params["train.learning_rate"] == "0.001"
    assert run.data.params["model.base"] == job.model.base
    figures = {(name, e["step"]): v for e in journal_of(job) for name, v in figures_of(e).items()}
    client = MlflowClient(uri)
    for name in ("train/loss", "train/tokens", "validation/loss"):
        shown = {(name, m.step): m.value for m in client.get_metric_history(run.info.run_id, name)}
        assert shown == {key: value for key, value in figures.items() if key[0] == name}


@pytest.mark.slow
def test_the_journal_tells_the_attempts_and_how_each_ended_and_no_tracker_complained(watched):
    kinds = [e["kind"] for e in journal_of(watched[0])]
    assert [k for k in kinds if k in ("start", "cancelled", "done", "failed")] == [
        "start",
        "cancelled",
        "start",
        "done",
    ]
    assert "warning" not in kinds


@pytest.mark.slow
def test_tokens_go_on_counting_where_the_cancelled_attempt_stopped(watched):
    from novelray.shards.rows import open_rows
    from novelray.train.setup import RowOrder

    job, _ = watched
    rows = open_rows(job.artifacts.get(job.shards).local(), "train")
    order = RowOrder(len(rows), job.stage.global_batch, job.seed)
    counts = [int(rows.trained[order.batch(0, step)].sum()) for step in range(3)]
    train = [e for e in journal_of(job) if e["kind"] == "train"]
    assert [e["tokens"] for e in train] == [sum(counts[: n + 1]) for n in range(3)]


@pytest.mark.slow
def test_wandb_and_tensorboard_have_their_files_beside_the_journal(watched):
    from pathlib import Path

    job, _ = watched
    folder = Path(job.artifacts.store.full(job.run))
    assert {f.name for f in folder.rglob("*.wandb")} == {f"run-{job.plan.id}.wandb"}
    assert list((folder / "tensorboard").glob("events.out.tfevents.*"))
