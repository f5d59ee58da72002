import time

from novelray.storage import Store
from novelray.telemetry.bar import figures
from novelray.telemetry.journal import Journal, read_journal


def test_a_step_done_twice_counts_once_and_the_later_attempt_wins(tmp_path):
    store = Store(str(tmp_path))
    for attempt, steps, loss in [("1", (1, 2, 3), 5.0), ("2", (3, 4), 4.0)]:
        journal = Journal(store, "runs/r", attempt, 0.05)
        for step in steps:
            journal.log("train", stage="s", step=step, steps=4, loss=loss)
        journal.close()
        time.sleep(0.01)
    assert [(e["step"], e["loss"]) for e in read_journal(store, "runs/r")] == [(1, 5.0), (2, 5.0), (3, 4.0), (4, 4.0)]


def test_lines_reach_storage_while_the_run_goes_on(tmp_path):
    store = Store(str(tmp_path))
    journal = Journal(store, "runs/r", "1", 0.05)
    journal.log("train", step=1, loss=2.0)
    deadline = time.monotonic() + 5
    while not read_journal(store, "runs/r") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert read_journal(store, "runs/r")[0]["loss"] == 2.0
    journal.close()


def test_a_storage_that_fails_for_a_while_loses_no_line(tmp_path, monkeypatch):
    from novelray.errors import StorageError

    store = Store(str(tmp_path))
    original = Store.write

    def broken(self, *arguments):
        raise StorageError("gone for a moment")

    monkeypatch.setattr(Store, "write", broken)
    journal = Journal(store, "runs/r", "1", 0.02)
    journal.log("train", step=1, loss=2.0)
    time.sleep(0.1)
    monkeypatch.setattr(Store, "write", original)
    journal.log("train", step=2, loss=1.0)
    journal.close()
    assert [e["step"] for e in read_journal(store, "runs/r")] == [1, 2]


def test_progress_says_loss_speed_and_time_left():
    text = figures(
        {"step": 1, "steps": 9, "loss": 4.5, "validation_loss": 4.0, "tokens_per_s": 1234.0, "eta_s": 3725.0}
    )
    assert text == "loss 4.500 · held-out 4.000 · 1,234 tokens/s · 1:02:05 left"
