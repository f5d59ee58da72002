import pytest

from novelray.recipe.train import StageSection
from novelray.train.schedule import learning_rate


def stage(**values):
    return StageSection.model_validate({"name": "s", "learning_rate": 1.0, "warmup": 0.1, **values})


def test_the_rate_rises_to_the_peak_during_the_warm_up():
    rates = [learning_rate(stage(), step, 100) for step in range(11)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates == [*sorted(rates[:10]), rates[10]]


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_the_rate_ends_at_its_floor(schedule):
    assert learning_rate(stage(schedule=schedule, final_learning_rate=0.2), 99, 100) == pytest.approx(0.2)


def test_a_constant_rate_stays_at_the_peak():
    assert {learning_rate(stage(schedule="constant"), step, 100) for step in range(10, 100)} == {1.0}


def test_one_single_step_has_the_full_rate():
    assert learning_rate(stage(), 0, 1) == pytest.approx(1.0)
