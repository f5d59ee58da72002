"""Samplers against the definitions in transformers, and rows against themselves in other company."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from novelray.generate.protocol import Sampling
from novelray.generate.samplers import Samplers, SamplerState

CPU = torch.device("cpu")
SIZE = 3000


def logits(rows=1, scale=2.0, seed=0):
    return torch.randn(rows, SIZE, generator=torch.Generator().manual_seed(seed)) * scale


class Words:
    """Token i is written as the character i; token 10 is the line break."""

    def piece(self, token_id):
        return chr(token_id).encode()

    def containing(self, text):
        return frozenset({ord(text)})


def state(prompt=(), ends=(), **sampling):
    return SamplerState(Sampling(**sampling), prompt, SIZE, CPU, Words(), frozenset(ends))


def left(row, chance=1.0, **sampling):
    """The tokens that may be drawn."""
    draw = Samplers([state(**sampling)], CPU)._draw
    probabilities = draw.probabilities(row, row.max(-1).values, torch.full((1, 1), chance))
    return set(torch.nonzero(probabilities[0]).flatten().tolist())


def draws(row, count, **sampling):
    one = state(**sampling)
    sampler = Samplers([one], CPU)
    return [sampler.choose(row.clone()).tokens[0] for _ in range(count)]


def test_temperature_zero_takes_the_likeliest():
    rows = logits(4)
    assert Samplers([state(temperature=0)] * 4, CPU).choose(rows.clone()).tokens == rows.argmax(-1).tolist()


def test_a_tiny_temperature_is_not_a_number_for_nobody():
    row = logits(scale=50)
    assert draws(row, 5, temperature=1e-30) == [int(row.argmax())] * 5


@pytest.mark.parametrize("scale", [0.05, 1.0, 6.0])
@pytest.mark.parametrize(
    ("top_k", "top_p", "min_p"),
    [(5, 1, 0), (2000, 1, 0), (0, 0.5, 0), (0, 0.97, 0), (50, 0.8, 0), (0, 1, 0.1), (40, 0.9, 0.2)],
)  # fmt: skip
def test_what_may_be_drawn_is_what_transformers_keeps(scale, top_k, top_p, min_p):
    row = logits(scale=scale)
    kept = TemperatureLogitsWarper(0.7)(None, row)
    for wanted, warper in (
        (top_k, TopKLogitsWarper),
        (top_p < 1 and top_p, TopPLogitsWarper),
        (min_p, MinPLogitsWarper),
    ):
        kept = warper(wanted)(None, kept) if wanted else kept
    allowed = set(torch.nonzero(kept[0].isfinite()).flatten().tolist())
    mine = left(row, temperature=0.7, top_k=top_k, top_p=top_p, min_p=min_p)
    assert len(mine ^ allowed) <= (1 if top_p < 1 else 0)  # the sum of a nucleus may round to the other side of p
    assert set(draws(row, 200, temperature=0.7, top_k=top_k, top_p=top_p, min_p=min_p)) <= mine


def test_tokens_are_drawn_as_often_as_their_probability_says():
    row = torch.full((1, SIZE), float("-inf"))
    row[0, [3, 700, 2999]] = torch.tensor([0.5, 0.3, 0.2]).log()
    drawn = torch.tensor(draws(row, 4000, seed=1))
    shares = [(drawn == t).float().mean().item() for t in (3, 700, 2999)]
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


def test_the_repetition_penalty_covers_prompt_and_output_as_in_transformers():
    row = logits()
    likely, unlikely = int(row.argmax()), int(row.argmin())
    one = state(prompt=(likely, 2, 2), repetition_penalty=1.7, temperature=0)
    one.observe(unlikely)
    mine = row.clone()
    Samplers([one], CPU).choose(mine)
    assert torch.equal(mine, RepetitionPenaltyLogitsProcessor(1.7)(torch.tensor([[likely, 2, unlikely]]), row))


def test_presence_and_frequency_count_the_output_only():
    row = torch.zeros(1, SIZE)
    one = state(prompt=(1, 2), presence_penalty=0.5, frequency_penalty=0.25, temperature=0, logit_bias={8: -100.0})
    for token in (7, 7, 8):
        one.observe(token)
    Samplers([one], CPU).choose(row)
    assert row[0, [1, 2, 7, 8]].tolist() == [0, 0, -1.0, -100.75]


def test_a_row_draws_the_same_alone_and_in_any_company():
    rows = logits(13)
    plans = [
        {"seed": 1}, {"temperature": 0}, {"seed": 2, "top_p": 0.9}, {"seed": 3, "top_k": 7, "repetition_penalty": 1.3},
        {"seed": 4, "min_p": 0.1, "logprobs": 3}, {"seed": 5, "top_p": 0.99, "top_k": 2500},
        {"seed": 6, "logit_bias": {4: 9.0}}, {"seed": 7, "presence_penalty": 1.0, "logprobs": 0},
        {"seed": 8, "typical_p": 0.7, "top_k": 100, "top_p": 0.9}, {"seed": 9, "xtc_probability": 0.5, "min_p": 0.02},
        {"seed": 10, "temperature": 2.0, "temperature_last": True, "top_p": 0.8, "xtc_probability": 1.0},
        {"seed": 11, "dry_multiplier": 2.0, "top_k": 3, "repetition_penalty": 1.1, "repetition_penalty_range": 4},
        {"seed": 12, "min_tokens": 2, "typical_p": 0.3, "ends": (5,)},
    ]  # fmt: skip
    together = Samplers([state(**p) for p in plans], CPU)
    alone = [Samplers([state(**p)], CPU) for p in plans]
    for _ in range(20):
        many = together.choose(rows.clone())
        ones = [sampler.choose(rows[i : i + 1].clone()) for i, sampler in enumerate(alone)]
        assert many.tokens == [one.tokens[0] for one in ones]
        assert many.logprobs == {i: one.logprobs[0] for i, one in enumerate(ones) if one.logprobs}


def test_logprobs_are_the_models_own_likeliest_first():
    row = logits()
    choice = Samplers([state(temperature=0.3, seed=1, logprobs=4, logit_bias={5: 100.0})], CPU).choose(row.clone())
    own = row.log_softmax(-1)[0]
    value, top = choice.logprobs[0]
    assert choice.tokens == [5]
    assert value == own[5].item()
    assert [t for t, _ in top] == own.topk(4).indices.tolist()


def test_logits_that_are_no_numbers_are_reported_for_their_row_only():
    rows = logits(3)
    rows[1, 5] = float("nan")
    every = {"typical_p": 0.5, "top_p": 0.9, "min_p": 0.1, "xtc_probability": 1.0, "dry_multiplier": 1.0}
    states = [state(temperature=0), state(seed=1, temperature_last=True, **every), state(seed=2)]
    tokens = Samplers(states, CPU).choose(rows).tokens
    assert tokens[1] == -1
    assert min(tokens[0], tokens[2]) >= 0


def test_requests_without_a_seed_differ():
    row = logits(scale=0.1)
    assert draws(row, 8) != draws(row, 8)


@pytest.mark.parametrize("scale", [0.3, 2.0, 6.0])
@pytest.mark.parametrize(("top_k", "mass", "top_p"), [(0, 0.2, 1), (0, 0.9, 1), (40, 0.5, 1), (60, 0.8, 0.7)])
def test_typical_keeps_what_transformers_keeps_between_top_k_and_top_p(scale, top_k, mass, top_p):
    row = logits(scale=scale)
    kept = TopKLogitsWarper(top_k)(None, row) if top_k else row
    kept = TypicalLogitsWarper(mass)(None, kept)
    kept = TopPLogitsWarper(top_p)(None, kept) if top_p < 1 else kept
    allowed = set(torch.nonzero(kept[0].isfinite()).flatten().tolist())
    assert len(left(row, top_k=top_k, typical_p=mass, top_p=top_p) ^ allowed) <= 1  # sums round to either side


PROBABILITIES = {7: 0.4, 8: 0.25, 9: 0.15, 11: 0.12, 12: 0.08}


def chances(**moved):
    """A row with the probabilities above; `moved` puts a token's probability on another id."""
    row = torch.full((1, SIZE), float("-inf"))
    for token, probability in PROBABILITIES.items():
        row[0, moved.get(f"t{token}", token)] = torch.tensor(probability).log()
    return row


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [(0.1, {11, 12}), (0.14, {9, 11, 12}), (0.3, {7, 8, 9, 11, 12}), (0.9, {7, 8, 9, 11, 12}), (0.0, {12})],
)  # fmt: skip
def test_xtc_leaves_the_least_likely_of_those_that_reach_the_threshold(threshold, expected):
    asked = {"xtc_probability": 0.5, "xtc_threshold": threshold}
    if threshold:
        assert left(chances(), chance=0.4999, **asked) == expected
    assert left(chances(), chance=0.5, **asked) == set(PROBABILITIES), "not its turn"


def test_xtc_takes_out_nothing_where_a_line_break_or_an_end_would_go():
    asked = {"xtc_probability": 1.0, "ends": (20,)}
    assert left(chances(t8=10), chance=0.0, **asked) == {7, 10, 9, 11, 12}
    assert left(chances(t7=20), chance=0.0, **asked) == {20, 8, 9, 11, 12}
    assert left(chances(t11=10), chance=0.0, **asked) == {10, 12}, "the one that stays may be a line break"


def test_xtc_looks_at_what_the_samplers_before_it_left():
    assert left(chances(), chance=0.0, xtc_probability=1.0, xtc_threshold=0.3, top_k=2) == {8}


def test_xtc_has_its_turn_as_often_as_asked_and_the_same_again_for_the_same_seed():
    row = torch.full((1, SIZE), float("-inf"))
    row[0, [7, 8]] = torch.tensor([0.8, 0.2]).log()
    drawn = draws(row, 2000, seed=3, xtc_probability=0.5)
    assert drawn.count(8) / 2000 == pytest.approx(0.5 + 0.5 * 0.2, abs=0.04)
    assert drawn == draws(row, 2000, seed=3, xtc_probability=0.5)


def test_a_last_temperature_is_applied_to_what_the_cuts_left():
    row = chances()
    assert left(row, temperature=50.0, min_p=0.3) == set(PROBABILITIES)
    assert left(row, temperature=50.0, min_p=0.3, temperature_last=True) == {7, 8, 9, 11}
    drawn = draws(row, 3000, seed=1, temperature=0.5, temperature_last=True, top_k=2)
    assert drawn.count(7) / 3000 == pytest.approx(0.4**2 / (0.4**2 + 0.25**2), abs=0.03)


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=12), st.lists(st.integers(0, 5), max_size=12), st.integers(1, 8))
def test_the_repetition_penalty_over_a_range_sees_its_last_tokens_only(prompt, output, width):
    one = state(prompt=tuple(prompt), repetition_penalty=2.0, repetition_penalty_range=width, temperature=0)
    for token in output:
        one.observe(token)
    row = torch.ones(1, SIZE)
    Samplers([one], CPU).choose(row)
    assert set(torch.nonzero(row[0] == 0.5).flatten().tolist()) == set([*prompt, *output][-width:])


def test_no_end_is_chosen_while_it_is_held_back():
    row = logits()
    row[0, [3, 4]] = 100.0
    one = state(ends=(3, 4), min_tokens=1, temperature=0, logit_bias={3: 50.0})
    sampler = Samplers([one], CPU)
    assert sampler.choose(row.clone()).tokens[0] not in (3, 4)
    one.holding = False
    assert sampler.choose(row.clone()).tokens == [3]


def test_a_sampler_that_no_row_asks_for_is_not_run(monkeypatch):
    def never(*_, **__):
        raise AssertionError("it was run")

    for name in ("_typical", "_floor", "_descending", "_ascending"):
        monkeypatch.setattr(f"novelray.generate.draw.{name}", never)
    monkeypatch.setattr("novelray.generate.draw.Draw._without_top_choices", never)
    monkeypatch.setattr("novelray.generate.samplers.Dry", never)
    monkeypatch.setattr("novelray.generate.samplers.Samplers._hold_ends_back", never)
    monkeypatch.setattr(Words, "containing", never)
    one = state(ends=(3,), seed=1)
    Samplers([one], CPU).choose(logits())
    assert one.recent is None
    assert one.counts is None
