"""Trackers mirror the journal and can do a run no harm. The clients are the real ones; tests of them skip without."""

import os
import signal
import socket
import sqlite3
import threading
import time

import pytest

from novelray.errors import NovelRayError, RecipeError
from novelray.recipe.telemetry import MlflowSection, TelemetrySection
from novelray.storage import Store
from novelray.telemetry import trackers
from novelray.telemetry.journal import Journal, read_journal
from novelray.telemetry.mirror import GRACE_S, ProcessMirror
from novelray.telemetry.tracking import Sender, told

SETTINGS = {"name": "武侠", "train.method": "lora", "train.learning_rate": 2e-4}
PATIENCE_S = 200  # of tests, for libraries that take long to import on a busy machine


def event(step, loss, kind="train", **more):
    return {"time": 1e9 + step, "kind": kind, "step": step, "loss": loss, **more}


START = {"time": 1e9, "kind": "start", "settings": SETTINGS}


@pytest.fixture
def journal(tmp_path):
    made = Journal(Store(str(tmp_path / "store")), "runs/r", "1", 0.05)
    yield made
    made.close()


def mirrored(journal, **setting):
    """A journal with one tracker, to MLflow unless told otherwise."""
    setting = {"kind": "mlflow", "experiment": "e", "run": "model-1", "name": "n", "folder": "", **setting}
    mirror = ProcessMirror("MLflow", setting, lambda text: journal.log("warning", text=text))
    journal.mirror([mirror])
    return mirror


def warnings(tmp_path):
    return [e["text"] for e in read_journal(Store(str(tmp_path / "store")), "runs/r") if e["kind"] == "warning"]


def until(holds):
    end = time.monotonic() + PATIENCE_S
    while not holds() and time.monotonic() < end:
        time.sleep(0.1)
    assert holds()


def test_figures_are_named_by_kind_and_nested_tables_by_their_path():
    told = event(3, 2.5, "validation", by_genre={"武侠": {"loss": 2.0, "tokens": 7}, "a/b": {"loss": 3}}, text="no")
    assert trackers.figures_of(told) == {
        "validation/loss": 2.5, "validation/by_genre/武侠/loss": 2.0, "validation/by_genre/武侠/tokens": 7,
        "validation/by_genre/a_b/loss": 3,
    }  # fmt: skip
    assert trackers.figures_of(START) == {}


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_tracker_that_is_asked_for_and_not_installed_says_what_to_install(name, monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(NovelRayError) as caught:
        trackers.check_trackers(TelemetrySection.model_validate({name: {}}))
    assert f'pip install "novelray[{name}]"' in caught.value.hint


@pytest.mark.parametrize(("uri", "said"), [(None, "MLFLOW_TRACKING_URI"), ("sqlite:///mlflow.db", "relative")])
def test_an_mlflow_address_that_cannot_work_is_refused(uri, said, monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: object())
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(RecipeError, match=said):
        trackers.check_trackers(TelemetrySection(mlflow=MlflowSection(uri=uri)))


def test_trackers_do_not_belong_to_what_a_run_makes():
    assert TelemetrySection(mlflow=MlflowSection(uri="http://a")).identity() == {}


class Flaky:
    """A tracker that fails the first `failures` times."""

    def __init__(self, failures):
        self.failures, self.got, self.ended = failures, [], None

    def send(self, events):
        if self.failures:
            self.failures -= 1
            raise OSError("away")
        self.got += [e["step"] for e in events if "step" in e]

    def close(self, end):
        self.ended = end


def test_a_tracker_that_comes_back_gets_what_it_missed_and_is_complained_of_once():
    tracker, said = Flaky(3), []
    sender = Sender(lambda: tracker, said.append, retry_s=0.02)
    for step in range(5):
        sender.add(event(step, 1.0))
        time.sleep(0.03)
    until(lambda: len(tracker.got) == 5)
    sender.add({"kind": "done"})
    sender.end(5)
    assert tracker.got == [0, 1, 2, 3, 4]
    assert tracker.ended == "done"
    assert said == ["OSError: away"]


def test_a_run_that_ends_without_a_word_counts_as_failed():
    tracker = Flaky(0)
    sender = Sender(lambda: tracker, print)
    sender.add(event(1, 1.0))
    sender.end(5)
    assert tracker.ended == "failed"


def test_what_is_said_of_an_error_has_no_password():
    assert told(OSError("no http://me:secret@host/x\nmore")) == "OSError: no http://host/x"


def test_a_tracker_that_takes_nothing_neither_slows_the_journal_nor_keeps_it_from_ending(
    journal, tmp_path, monkeypatch
):
    monkeypatch.setattr("novelray.telemetry.journal.GRACE_S", 0.5)
    mirror = mirrored(journal, uri="sqlite:////dev/null/no.db")
    os.kill(mirror._process.pid, signal.SIGSTOP)  # not even its input is read
    began = time.monotonic()
    for step in range(20_000):
        journal.log("train", step=step, loss=1.0, filler="x" * 50)
    logged = time.monotonic()
    journal.close()
    assert logged - began < 60
    assert time.monotonic() - logged < 40
    assert mirror._process.poll() is not None
    assert len(mirror._waiting) <= 10_000
    assert len(warnings(tmp_path)) == 1


@pytest.fixture
def silent_server():
    """The address of a server that takes every connection and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        taken = []

        def take():
            while True:
                try:
                    taken.append(server.accept())
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", taken
        for connection, _ in taken:
            connection.close()


@pytest.mark.slow
def test_an_mlflow_server_that_hangs_costs_a_run_one_warning_and_a_few_seconds(journal, tmp_path, silent_server):
    pytest.importorskip("mlflow")
    uri, taken = silent_server
    mirror = mirrored(journal, uri=uri)
    journal.log("train", step=1, loss=1.0)
    until(lambda: taken)  # the client is connected, and waits
    began = time.monotonic()
    for step in range(1000):
        journal.log("train", step=step, loss=1.0)
    journal.close()
    assert time.monotonic() - began < GRACE_S + 40
    assert mirror._process.poll() is not None
    (text,) = warnings(tmp_path)
    assert text.startswith("MLflow does not mirror the run")
    assert len(read_journal(Store(str(tmp_path / "store")), "runs/r")) == 1001


@pytest.mark.slow
def test_an_mlflow_server_that_is_down_costs_a_run_one_warning(journal, tmp_path, free_port):
    pytest.importorskip("mlflow")
    mirrored(journal, uri=f"http://127.0.0.1:{free_port}")
    journal.log("train", step=1, loss=1.0)
    until(lambda: warnings(tmp_path))
    journal.log("train", step=2, loss=1.0)
    journal.close()
    (text,) = warnings(tmp_path)
    assert "Connection refused" in text or "failed with exception" in text


@pytest.mark.slow
def test_mlflow_shows_settings_and_losses_by_step_and_a_resumed_run_goes_on_in_the_same_one(tmp_path):
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    from novelray.telemetry.to_mlflow import Mlflow

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    first = Mlflow(uri, "novels", "model-1", "武侠 main")
    first.send([START, event(1, 3.0), event(2, 2.5, by_genre={"武侠?": {"loss": 2.0}})])
    first.send([event(2, 2.5)])  # as when an answer got lost
    first.close("failed")
    second = Mlflow(uri, "novels", "model-1", "武侠 main")
    second.send([{**START, "settings": {**SETTINGS, "scaling.workers": 2, "name": "another"}}, event(3, 2.0)])
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("novels").experiment_id
    (running,) = client.search_runs([experiment])
    assert running.info.status == "RUNNING"
    assert running.info.run_name == "武侠 main"
    second.close("done")
    (run,) = client.search_runs([experiment])
    assert run.info.status == "FINISHED"
    assert run.data.params == {**{k: str(v) for k, v in SETTINGS.items()}, "scaling.workers": "2"}
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert sorted((m.step, m.value) for m in history) == [(1, 3.0), (2, 2.5), (3, 2.0)]
    assert run.data.metrics["train/by_genre/武侠_/loss"] == 2.0


@pytest.mark.slow
def test_a_journal_reaches_mlflow_through_the_process(journal, tmp_path):
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    mirror = mirrored(journal, uri=uri, name="n")
    journal.log("start", settings=SETTINGS)
    for step in (1, 2):
        journal.log("train", step=step, loss=3.0 - step)
    until(lambda: metrics_in(tmp_path / "mlflow.db"))
    journal.log("done")
    mirror.end()
    mirror.wait(time.monotonic() + PATIENCE_S)
    assert not warnings(tmp_path)
    client = MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("e").experiment_id])
    assert run.data.metrics["train/loss"] == 1.0
    assert run.info.status == "FINISHED"


def metrics_in(database):
    """How many figures MLflow has stored. Its tables may not be there yet."""
    try:
        with sqlite3.connect(database) as connection:
            return connection.execute("select count(*) from metrics").fetchone()[0]
    except sqlite3.Error:
        return 0


@pytest.mark.slow
def test_wandb_offline_writes_settings_and_losses_that_can_be_read_back(tmp_path):
    pytest.importorskip("wandb")
    from novelray.telemetry.to_wandb import Wandb

    setting = {"project": "novels", "entity": None, "mode": "offline", "run": "model-1", "name": "武侠 main",
               "folder": str(tmp_path / "run")}  # fmt: skip
    for part in ([START, event(1, 3.0), event(1, 2.9, "validation")], [event(1, 3.0), event(2, 2.5)]):
        tracker = Wandb(setting)
        tracker.send(part)
        tracker.close("done")
        time.sleep(1.1)  # the folders of two attempts are named by the second
    files = sorted((tmp_path / "run").rglob("*.wandb"))
    assert {f.name for f in files} == {"run-model-1.wandb"}  # both attempts are one run
    records = [record for file in files for record in wandb_records(file)]
    assert {r.run.run_id for r in records if r.HasField("run")} == {"model-1"}
    assert any(r.run.display_name == "武侠 main" for r in records)
    rows = [{"/".join(i.nested_key) or i.key: i.value_json for i in r.history.item} for r in records
            if r.HasField("history")]  # fmt: skip
    assert [(row.get("train/loss"), row.get("validation/loss"), row["_step"]) for row in rows] == [
        ("3", "2.9", "1"), ("3", None, "1"), ("2.5", None, "2"),
    ]  # fmt: skip
    configured = {"/".join(u.nested_key) or u.key: u.value_json for r in records for u in r.config.update}
    configured |= {u.key: u.value_json for r in records for u in r.run.config.update}
    assert configured["train.method"] == '"lora"'


def wandb_records(file):
    """The records of W&B's own log: LevelDB's log format (blocks of 32 KiB) after seven bytes of magic."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if (room := 32768 - at % 32768) < 7:
            at += room
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a full record, or the last part of one
            yield Record.FromString(whole)
            whole = b""


@pytest.mark.slow
def test_a_wandb_server_that_hangs_costs_a_run_one_warning(journal, tmp_path, silent_server, monkeypatch):
    pytest.importorskip("wandb")
    uri, taken = silent_server
    monkeypatch.setenv("WANDB_BASE_URL", uri)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    setting = {"project": "p", "entity": None, "mode": "online", "folder": str(tmp_path)}
    mirror = mirrored(journal, kind="wandb", **setting)
    journal.log("train", step=1, loss=1.0)
    until(lambda: taken)
    began = time.monotonic()
    journal.close()
    assert time.monotonic() - began < GRACE_S + 40
    assert mirror._process.poll() is not None
    assert len(warnings(tmp_path)) == 1
