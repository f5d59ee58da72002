"""Samplers against the definitions in transformers, and rows against themselves in other company."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from novelray.generate.protocol import Sampling
from novelray.generate.samplers import Samplers, SamplerState

CPU = torch.device("cpu")
SIZE = 3000


def logits(rows=1, scale=2.0, seed=0):
    return torch.randn(rows, SIZE, generator=torch.Generator().manual_seed(seed)) * scale


def state(prompt=(), **sampling):
    return SamplerState(Sampling(**sampling), prompt, SIZE, CPU)


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
    one = Samplers([state(temperature=0.7, top_k=top_k, top_p=top_p, min_p=min_p)], CPU)
    probabilities = ((row - row.max()) / 0.7).softmax(-1)
    if top_k or top_p < 1:
        probabilities = one._draw._keep_likeliest(probabilities)
    if min_p:
        probabilities = torch.where(probabilities >= min_p * probabilities.amax(), probabilities, 0)
    mine = set(torch.nonzero(probabilities[0]).flatten().tolist())
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
    rows = logits(8)
    plans = [
        {"seed": 1}, {"temperature": 0}, {"seed": 2, "top_p": 0.9}, {"seed": 3, "top_k": 7, "repetition_penalty": 1.3},
        {"seed": 4, "min_p": 0.1, "logprobs": 3}, {"seed": 5, "top_p": 0.99, "top_k": 2500},
        {"seed": 6, "logit_bias": {4: 9.0}}, {"seed": 7, "presence_penalty": 1.0, "logprobs": 0},
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
    tokens = Samplers([state(temperature=0), state(seed=1, top_p=0.9), state(seed=2)], CPU).choose(rows).tokens
    assert tokens[1] == -1
    assert min(tokens[0], tokens[2]) >= 0


def test_requests_without_a_seed_differ():
    row = logits(scale=0.1)
    assert draws(row, 8) != draws(row, 8)
