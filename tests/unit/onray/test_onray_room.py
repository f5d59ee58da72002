"""Room for copies of the model: decided, and explained, from numbers alone."""

from __future__ import annotations

import pytest

from novelray.onray.room import Copies, fits, no_room_beside, shortage

CPU, GPU = {"CPU": 1.0}, {"CPU": 1.0, "GPU": 1.0}
ONE = Copies(now=1, fewest=1, most=1)
OLD, NEW = "m@111111111111", "m@222222222222"


@pytest.mark.parametrize(
    ("count", "each", "free", "expected"),
    [
        (1, CPU, {"CPU": 1.0}, True),
        (2, CPU, {"CPU": 1.5}, False),
        (1, CPU, {}, False),
        (1, GPU, {"CPU": 4.0, "GPU": 0.0}, False),
        (2, GPU, {"CPU": 4.0, "GPU": 2.0}, True),
    ],
)
def test_copies_fit_when_each_resource_is_enough_for_all_of_them(count, each, free, expected):
    assert fits(count, each, free) is expected


def refused(count=1, each=CPU, free=None, copies=ONE):
    return no_room_beside(NEW, count, each, {} if free is None else free, OLD, copies)


def test_a_canary_without_room_is_told_what_is_there_and_what_it_needs():
    error = refused(2, GPU, {"CPU": 3.0, "GPU": 1.0})
    for said in ("2 CPU and 2 GPU", f"2 copy(s) of {NEW}", f"beside the 1 of {OLD}", "3 CPU and 1 GPU are free"):
        assert said in error.message
    assert "Free GPU or add nodes" in error.hint, "what there is enough of is not asked for"
    assert f"without a canary: novelray deploy {NEW}" in error.hint


def test_an_endpoint_that_grew_under_load_is_told_how_to_keep_room():
    assert "serve.max_replicas=3" in refused(1, copies=Copies(now=4, fewest=1, most=4)).hint
    assert "serve.max_replicas=2" in refused(2, copies=Copies(now=4, fewest=2, most=4)).hint
    assert "serve.max_replicas" not in refused(3, copies=Copies(now=4, fewest=2, most=4)).hint, "it would not be enough"
    assert "fewer serve.replicas" in refused(1, copies=Copies(now=2, fewest=2, most=2)).hint


def test_what_a_copy_waits_for_is_named():
    said = "There is not enough GPU for it: a copy needs 1 CPU and 1 GPU, and 2 CPU and 0 GPU are free."
    assert shortage(GPU, {"CPU": 2.0}) == said
    assert "CPU and GPU" in shortage(GPU, {})
    assert shortage(CPU, {"CPU": 1.0}) == ""


@pytest.mark.parametrize(
    ("now", "fewest", "most", "expected"), [(0, 2, None, 2), (3, 1, 4, 3), (3, 1, 2, 2), (3, 1, None, 1), (1, 2, 4, 2)]
)
def test_a_new_version_has_as_many_copies_as_load_asked_for_within_its_own_bounds(now, fewest, most, expected):
    assert Copies(now, 1, 9).after(fewest, most) == expected
