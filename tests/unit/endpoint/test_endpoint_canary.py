"""The decisions on a canary, from numbers alone: who gets it, and when it has to go."""

from __future__ import annotations

import pytest

from novelray.endpoint.canary import Outcome, Split, Tally, reason_to_roll_back
from novelray.recipe.serve import CanarySection

SPLIT = Split(stable="m@1", canary="m@2", names=("m", "m@live"), weight=0.1, salt="x")
CLIENTS = [f"client-{i}" for i in range(4000)]
RULES = CanarySection(requests=50, error_rise=0.02, first_token_rise=0.5, first_token_slack_s=0.1)


def tally(requests=200, errors=0, first_s=0.2):
    found = Tally()
    for number in range(requests):
        found.add(Outcome("canary", number < errors, first_s))
    return found


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.5, 1.0])
def test_the_share_of_the_clients_is_the_weight(weight):
    split = SPLIT.model_copy(update={"weight": weight})
    share = sum(split.arm("m", c) == "canary" for c in CLIENTS) / len(CLIENTS)
    assert share == pytest.approx(weight, abs=0.02)


def test_a_client_stays_where_it_is_also_when_the_share_grows():
    first = {c for c in CLIENTS if SPLIT.arm("m", c) == "canary"}
    assert first == {c for c in CLIENTS if SPLIT.arm("m@live", c) == "canary"} == {
        c for c in CLIENTS if SPLIT.arm(None, c) == "canary"
    }  # fmt: skip
    more = SPLIT.model_copy(update={"weight": 0.3})
    assert first < {c for c in CLIENTS if more.arm("m", c) == "canary"}
    other = SPLIT.model_copy(update={"salt": "y"})
    assert first != {c for c in CLIENTS if other.arm("m", c) == "canary"}, "not the same people every time"


def test_an_id_always_means_its_version_and_other_models_are_not_divided():
    split = SPLIT.model_copy(update={"weight": 1.0})
    assert {split.arm("m@1", c) for c in CLIENTS} == {"stable"}
    assert {SPLIT.arm("m@2", c) for c in CLIENTS} == {"canary"}
    assert {split.arm("swords", c) for c in CLIENTS} == {"stable"}


@pytest.mark.parametrize(
    ("stable", "canary", "said"),
    [
        (tally(), tally(), None),
        (tally(), tally(errors=4), None),  # 2 % are allowed
        (tally(), tally(errors=5), "2.5% of its requests failed (5 of 200)"),
        (tally(errors=20), tally(errors=22), None),  # the stable one fails as well
        (tally(errors=20), tally(errors=40), "20.0%"),
        (tally(), tally(requests=1, errors=1), None),  # one is an accident
        (tally(), tally(requests=2, errors=2), "2 of 2"),  # the rest of the 50 could not make up for it
        (tally(requests=0), tally(requests=60, errors=10), "16.7%"),
        (tally(), tally(first_s=0.39), None),
        (tally(), tally(first_s=0.5), "first token takes 0.50 s (p95); 0.40 s are allowed"),
        (tally(), tally(requests=49, first_s=9.0), None),
        (tally(requests=49), tally(first_s=9.0), None),
    ],
)
def test_a_canary_goes_when_it_is_worse_than_the_margins_allow(stable, canary, said):
    reason = reason_to_roll_back(stable, canary, RULES)
    assert (reason is None) == (said is None), reason
    assert said is None or said in reason


def test_a_few_slow_streams_are_not_the_95th_percentile():
    canary = tally(requests=100)
    for _ in range(4):
        canary.add(Outcome("canary", False, 30.0))
    assert reason_to_roll_back(tally(), canary, RULES) is None
