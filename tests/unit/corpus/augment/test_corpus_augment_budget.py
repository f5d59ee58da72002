"""The budget: whatever the sizes and whatever comes back, no more is kept than the share allows."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelray.corpus.augment.budget import Pick, Source, allowances, choose
from novelray.corpus.augment.ledger import IN_HELDOUT, IN_TRAINING, OVER_BUDGET, Ledger, Outcome
from novelray.errors import NovelRayError
from novelray.recipe import Recipe
from novelray.recipe.augment import AugmentMethod

METHODS = ("reorder", "synonyms", "back_translation", "synthetic")
sizes = st.lists(st.integers(1, 100_000), max_size=12)
weights = st.dictionaries(st.sampled_from(METHODS), st.floats(0.01, 100), min_size=1)


def sources(chars, language="zh"):
    return [Source(f"{language}:{i:05d}", 0, language, n, "") for i, n in enumerate(chars)]


def methods_of(chosen):
    return [AugmentMethod(method=name, weight=weight) for name, weight in chosen.items()]


def total(chars):
    return {language: sum(found) for language, found in chars.items()}


@given(st.dictionaries(st.sampled_from(("zh", "en")), sizes), st.floats(0.0, 0.5), weights)
def test_the_allowances_of_a_language_are_at_most_its_share(chars, share, chosen):
    found = allowances(total(chars), share, methods_of(chosen), {})
    for language, count in total(chars).items():
        assert sum(n for (_, of), n in found.items() if of == language) <= Fraction(share) * count


@given(
    st.dictionaries(st.sampled_from(("zh", "en")), sizes, min_size=1), st.floats(0.0, 0.5), weights,
    st.integers(0, 2**31), st.data(),
)  # fmt: skip
def test_what_is_kept_is_never_above_the_share_whatever_comes_back(chars, share, chosen, seed, draw):
    everything = [source for language, found in chars.items() for source in sources(found, language)]
    ledger = Ledger(everything, allowances(total(chars), share, methods_of(chosen), {}), 4000, seed, (), ())
    kept: list[Outcome] = []
    for _ in range(4):
        picks = ledger.next_round()
        made = st.integers(0, 300_000)
        kept += ledger.settle([Outcome(p, draw.draw(made), f"{len(kept)}{p}", "") for p in picks])
    for language, count in total(chars).items():
        assert sum(one.chars for one in kept if one.pick.source.language == language) <= Fraction(share) * count
    assert len({(one.pick.method, one.pick.source.chapter_id) for one in kept}) == len(kept)
    assert len({one.pick.source.chapter_id for one in kept}) == len(kept)  # a chapter gives one piece


@given(sizes, st.integers(0, 200_000), st.floats(0.1, 3.0))
def test_the_next_chapters_are_expected_to_fit(chars, left, ratio):
    found = choose(sources(chars), left, left, ratio, None, {"zh:00000"})
    assert sum(max(1, round(s.chars * ratio)) for s in found) <= left
    assert "zh:00000" not in {s.chapter_id for s in found}


def test_which_chapters_are_taken_is_the_seeds_and_not_the_order_of_the_shelf():
    def picked(everything, seed):
        ledger = Ledger(everything, {("reorder", "zh"): 5000}, 4000, seed, (), ())
        return [pick.source.chapter_id for pick in ledger.next_round()]

    everything = sources([1000] * 40)
    assert picked(everything, 1) == picked(everything[::-1], 1)
    assert picked(everything, 1) != picked(everything, 2)
    assert len(picked(everything, 1)) == 5


def test_rejected_pieces_are_made_up_for_from_other_chapters_and_free_their_own_for_other_methods():
    ledger = Ledger(sources([1000] * 8), {("reorder", "zh"): 2000, ("synonyms", "zh"): 2000}, 4000, 1, (), ())
    first = ledger.next_round()
    assert [p.method for p in first].count("reorder") == 2
    refused = {p.source.chapter_id for p in first if p.method == "reorder"}
    ledger.settle([Outcome(p, 1000, str(p), "" if p.method == "synonyms" else "its meaning changed") for p in first])
    second = ledger.next_round()
    assert {p.method for p in second} == {"reorder"}
    assert not refused & {p.source.chapter_id for p in second}
    assert ledger.tallies["reorder"].rejected == {"its meaning changed": 2}


def test_a_piece_that_is_held_out_or_there_already_or_too_long_is_not_kept():
    everything = sources([1000] * 4)
    ledger = Ledger(everything, {("reorder", "zh"): 4000}, 4000, 1, {"train"}, {"held"})
    ledger.next_round()
    made = [("held", 900), ("train", 900), ("new", 4001), ("new", 1000), ("new", 1000)]
    outcomes = [Outcome(Pick("reorder", everything[i % 4]), n, digest, "") for i, (digest, n) in enumerate(made)]
    assert ledger.settle(outcomes) == [outcomes[3]]
    assert ledger.tallies["reorder"].rejected == {IN_HELDOUT: 1, IN_TRAINING: 2, OVER_BUDGET: 1}


def recipe_of(**augment):
    return Recipe.model_validate({"name": "t", "train": {"method": "full"}, "corpus": {"augment": augment}})


@pytest.mark.parametrize(
    ("augment", "said"),
    [
        ({"share": 0.51}, "share"),
        ({"share": -0.1}, "share"),
        ({"share": 0.3, "methods": [{"method": "synonyms"}]}, "no synonym data"),
        ({"share": 0.3, "methods": [{"method": "back_translation"}]}, "name a pair of models"),
        ({"share": 0.3, "methods": [{"method": "back_translation"}], "back_translation": [{}]}, "no forward model"),
        ({"share": 0.3, "methods": [{"method": "synthetic"}]}, "name a model that writes"),
        ({"methods": [{"method": "reorder"}, {"method": "reorder"}]}, "twice"),
        ({"back_translation": [{"forward": "a"}, {"forward": "b"}]}, "two pairs for 'zh'"),
        ({"synthetic": {"prompt": "{plot}"}}, "{plot} stands for nothing"),
    ],
)
def test_a_recipe_for_more_than_half_or_without_what_its_methods_need_is_refused(augment, said):
    with pytest.raises(ValueError, match=said):
        recipe_of(**augment)
    assert recipe_of(share=0.5).corpus.augment.share == 0.5


def test_the_refusal_of_too_large_a_share_reaches_the_user_in_words(tmp_path):
    from novelray.recipe import load_recipe

    (tmp_path / "recipe.yaml").write_text("name: t\ntrain: {method: full}\ncorpus: {augment: {share: 0.6}}\n", "utf-8")
    with pytest.raises(NovelRayError, match=r"corpus\.augment\.share.*0\.5") as refused:
        load_recipe(tmp_path / "recipe.yaml")
    assert refused.value.exit_code == 2
