"""When a run that failed is started again: by cause, and by whether it got on in between."""

import pytest

from novelray.train.retry import Cause, Failure, decide


def fail(cause, step=None, text="x"):
    return Failure(cause, text, step)


def decisions(failures, retries=3):
    """What is decided after each of the failures."""
    return [decide(failures[: n + 1], retries).again for n in range(len(failures))]


def test_a_lost_worker_is_replaced_for_ever_while_the_run_gets_on():
    assert all(decisions([fail(Cause.LOST, step) for step in range(100)], retries=1))


def test_a_run_that_does_not_get_on_is_given_up_after_its_retries():
    assert decisions([fail(Cause.LOST, 10)] * 5) == [True, True, True, False, False]
    assert decisions([fail(Cause.LOST, None)] * 4) == [True, True, True, False], "not even a first commit"


def test_progress_in_between_gives_the_retries_back():
    failures = [fail(Cause.LOST, step) for step in (10, 10, 10, 20, 20, 20, 20)]
    assert decisions(failures) == [True, True, True, True, True, True, False]


def test_preemption_is_never_counted_and_resets_nothing():
    assert all(decisions([fail(Cause.PREEMPTED, 10)] * 50, retries=0))
    mixed = [fail(Cause.LOST, 10), fail(Cause.PREEMPTED, 10), fail(Cause.LOST, 10), fail(Cause.LOST, 10)]
    assert decisions(mixed, retries=2) == [True, True, True, False]


def test_a_bug_that_comes_back_at_the_same_place_is_final():
    assert decisions([fail(Cause.ERROR, 10, "KeyError: 'x'")] * 2) == [True, False]
    elsewhere = [fail(Cause.ERROR, 10, "KeyError: 'x'"), fail(Cause.ERROR, 20, "KeyError: 'x'")]
    assert decisions(elsewhere) == [True, True], "an error that moves on with the run may be one of the machine's"


def test_no_retries_means_none():
    assert [decide([fail(cause)], 0).again for cause in (Cause.LOST, Cause.ERROR, Cause.STORAGE)] == [False] * 3


def test_storage_that_does_not_answer_is_given_more_time_with_each_try():
    waits = [decide([fail(Cause.STORAGE)] * n, 20).wait_s for n in range(1, 10)]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert decide([fail(Cause.LOST)], 3).wait_s == 0.0


@pytest.mark.parametrize("cause", list(Cause))
def test_every_decision_says_why(cause):
    assert decide([fail(cause)], 3).why
