"""When a model may take the place of the one it started from, and what a person is told when it may not."""

import pytest

from novelray.evaluate.gate import Change, judge
from novelray.recipe.registry import PromotionSection

FALLING = [4.0 - 0.01 * step for step in range(200)]
RISING = FALLING[::-1]


def verdict(heldout=None, old=None, losses=FALLING, **section):
    return judge(PromotionSection(**section), heldout and Change(*heldout), old and Change(*old), losses)


def test_a_model_that_is_no_worse_than_allowed_is_promoted():
    assert verdict((20, 20.9), (30, 32), heldout_rise=0.05, old_rise=0.1).promoted
    assert verdict((20, 15), (30, 29), heldout_rise=0.0, old_rise=0.0).promoted


def test_what_is_not_asked_for_is_no_reason():
    assert verdict((20, 200), (30, 300)).promoted
    assert verdict(None, None, heldout_rise=0.0, old_rise=0.0).promoted, "nothing was held out"


@pytest.mark.parametrize(("heldout", "promoted"), [((20, 21.0), True), ((20, 21.1), False)])
def test_the_limit_is_the_share_that_the_recipe_allows(heldout, promoted):
    assert verdict(heldout, heldout_rise=0.05).promoted is promoted


def test_a_model_that_learned_its_rows_by_heart_is_called_overfitted():
    found = verdict((20, 30), heldout_rise=0.05)
    (reason,), (hint,) = found.reasons, found.hints
    assert "rose from 20 to 30 (+50.0%, allowed +5.0%). Overfitting" in reason
    assert "loss 3.905 → 2.105" in reason
    assert "early_stopping" in hint


def test_a_model_that_did_not_learn_its_rows_either_is_not_called_overfitted():
    found = verdict((20, 30), heldout_rise=0.05, losses=RISING)
    assert "Overfitting" not in found.reasons[0]
    assert "learning_rate" in found.hints[0]


def test_forgetting_is_told_apart_from_overfitting():
    found = verdict((20, 10), (20, 40), heldout_rise=0.05, old_rise=0.1)
    (reason,), (hint,) = found.reasons, found.hints
    assert "old rows rose from 20 to 40 (+100.0%, allowed +10.0%). Distribution shift" in reason
    assert "replay" in hint


def test_both_are_said_when_both_happened():
    assert len(verdict((20, 30), (20, 40), heldout_rise=0.05, old_rise=0.1).reasons) == 2
