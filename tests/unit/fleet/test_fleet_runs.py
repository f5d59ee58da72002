"""`novelray runs`: the table, the JSON and the page, from journals as a run writes them."""

import json
import re

import pytest

from novelray.cli.main import main
from novelray.storage import Store
from novelray.telemetry.journal import Journal
from novelray.telemetry.runs import all_runs, find_run, summed_up

WUXIA, DREAM = "model-aa11", "model-ab22"


def write(store, run, name, end=None, steps=40, rate=2e-4):
    journal = Journal(store, f"runs/{run}", "1", 0.05)
    settings = {"name": name, "model.base": "scratch:nano", "train.method": "full", "train.learning_rate": rate}
    journal.log("start", stage="main", steps=40, settings=settings)
    for step in range(1, steps + 1):
        journal.log("train", stage="main", step=step, steps=40, loss=5 - step / 20, tokens=step * 500,
                    tokens_per_s=1000.0 + step, eta_s=1.0, flops_per_s=2e12, mfu=0.41, memory_peak=3 << 30)  # fmt: skip
        if step % 10 == 0:
            loss = 4.0 + abs(step - 30) / 100
            genres = {"武侠": {"loss": loss - 0.5, "tokens": 70}, "<b>": {"loss": 5.0, "tokens": 7}}
            journal.log("validation", stage="main", step=step, tokens=step * 500, loss=loss, by_genre=genres)
    if end:
        journal.log(end, stage="main")
    journal.close()


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    root = tmp_path_factory.mktemp("storage")
    store = Store(str(root))
    write(store, WUXIA, "武侠-a", "done")
    write(store, DREAM, "红楼-b", "cancelled", steps=20, rate=1e-4)
    return root


def runs(*arguments):
    return main(["runs", *map(str, arguments)])


def test_the_table_says_of_each_run_what_it_was_and_how_well_it_went(storage, capsys):
    assert runs("--storage", storage) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["run", DREAM, WUXIA]
    (line,) = [line for line in lines if WUXIA in line]
    for shown in (
        "武侠-a",
        "scratch:nano",
        "main",
        "full",
        "40",
        "4.0000",
        "54.60",
        "1,030",
        "41.0%",
        "3.0 GiB",
        "done",
    ):
        assert shown in line, shown
    assert "20/40" in lines[1]
    assert "cancelled" in lines[1]


def test_programs_get_the_same_as_json(storage, capsys):
    assert runs("--storage", storage, "--json", "武侠-a") == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert (run["id"], run["state"], run["step"], run["best"]) == (
        WUXIA, "done", 40, {"step": 30, "tokens": 15000, "loss": 4.0},
    )  # fmt: skip
    assert run["settings"]["train.learning_rate"] == 2e-4
    assert run["groups"]["by_genre"]["武侠"]["loss"] == pytest.approx(3.6)


def test_runs_are_found_by_name_and_by_the_beginning_of_an_id(storage, capsys):
    assert runs("ab", "武侠-a", "--storage", storage) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["run", DREAM, WUXIA]


@pytest.mark.parametrize(("wanted", "said"), [("a", f"2 runs begin with 'a': {DREAM}, {WUXIA}"), ("x", "no run 'x'")])
def test_a_run_that_is_not_there_or_not_one_is_an_error_for_people(wanted, said, storage, capsys):
    assert runs(wanted, "--storage", storage) == 2
    assert said in capsys.readouterr().err


def test_the_page_compares_runs_and_needs_nothing_from_outside(storage, tmp_path, capsys):
    page = tmp_path / "out.html"
    assert runs(WUXIA, DREAM, "--storage", storage, "--plot", page) == 0
    text = page.read_text("utf-8")
    assert "武侠-a" in text
    assert not re.findall(r"https?:|src=|<script|@import|url\((?!#)", text)
    assert text.count("<svg") == 2  # by step and by tokens
    assert text.count("<polyline") == 2 * 2 * 2  # training and held-out, of two runs
    assert "Settings that differ" in text
    assert "train.learning_rate" in text
    assert "train.method" not in text  # is the same in both
    assert "&lt;b&gt;" in text  # a genre is text, never markup
    assert "<b>" not in text


def test_a_plot_is_a_page_and_says_so(storage, tmp_path, capsys):
    assert runs("--storage", storage, "--plot", tmp_path / "out.png") == 2
    assert "out.html" in capsys.readouterr().err


def test_an_empty_storage_has_no_runs(tmp_path, capsys):
    assert runs("--storage", tmp_path) == 0
    assert "none in" in capsys.readouterr().out


def state(*kinds, finished=False, age=0.0):
    events = [{"kind": kind, "time": 100.0 + n} for n, kind in enumerate(kinds)]
    return summed_up("r", events, finished, events[-1]["time"] + age).state


def test_a_run_is_what_it_said_last():
    assert state("start", "cancelled") == "cancelled"
    assert state("start", "cancelled", "start") == "running"
    assert state("start", "failed") == "failed"
    assert state("start", age=3600) == "stopped"
    assert state("start", finished=True, age=3600) == "done"


def test_a_run_from_before_settings_were_written_is_shown_with_what_there_is(tmp_path):
    store = Store(str(tmp_path))
    journal = Journal(store, "runs/model-1", "1", 0.05)
    journal.log("train", stage="main", step=1, steps=2, loss=3.0, tokens_per_s=5.0, eta_s=0.0)
    journal.close()
    run = find_run(store, "model-1")
    assert (run.name, run.stage, run.step, run.loss, run.mfu) == ("", "main", 1, 3.0, None)
    assert all_runs(store) == [run]
