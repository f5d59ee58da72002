"""What vLLM is asked for, and which requests our own samplers draw."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from novelray.generate.on_vllm.params import KEY, needs_ours, packed, params_of, unpacked
from novelray.generate.protocol import Sampling

EVERYTHING = Sampling(
    max_tokens=9, min_tokens=2, max_chars=50, min_chars=3, temperature=1.3, temperature_last=True, top_p=0.9, top_k=40,
    min_p=0.1, typical_p=0.9, xtc_probability=0.5, xtc_threshold=0.2, repetition_penalty=1.1,
    repetition_penalty_range=50, presence_penalty=0.3, frequency_penalty=0.2, dry_multiplier=0.8, dry_base=2.0,
    dry_allowed_length=3, dry_penalty_last_n=100, dry_sequence_breakers=("。",), seed=4, stop=("完",),
    stop_token_ids=(7,), loop_repeats=4, ignore_eos=True, logprobs=2, logit_bias={3: -1.5},
)  # fmt: skip


def test_what_vllm_has_in_our_order_is_asked_of_vllm():
    asked = Sampling(
        temperature=0.8, top_p=0.9, top_k=40, repetition_penalty=1.1, presence_penalty=0.3, frequency_penalty=0.2,
        min_tokens=5, seed=7, logprobs=3, stop=("完",), max_chars=90, loop_repeats=4,
    )  # fmt: skip
    assert params_of(asked, 64, frozenset({2, 0}), 7) == {
        "max_tokens": 64, "stop_token_ids": [0, 2], "ignore_eos": True, "detokenize": False, "logprobs": 3,
        "temperature": 0.8, "top_p": 0.9, "top_k": 40, "min_p": 0.0, "repetition_penalty": 1.1, "presence_penalty": 0.3,
        "frequency_penalty": 0.2, "min_tokens": 5, "seed": 7,
    }  # fmt: skip
    assert params_of(Sampling(logit_bias={3: 100.0}, top_k=-1), 9, frozenset(), 1)["logit_bias"] == {3: 100.0}


@pytest.mark.parametrize(
    "asked",
    [
        {"dry_multiplier": 0.8}, {"dry_multiplier": 0.8, "temperature": 0}, {"xtc_probability": 0.1},
        {"typical_p": 0.9}, {"min_chars": 1}, {"repetition_penalty": 1.1, "repetition_penalty_range": 5},
        {"temperature": 2.1}, {"temperature": 0.001}, {"temperature": 1.2, "temperature_last": True},
        {"presence_penalty": -2.5}, {"frequency_penalty": 3}, {"min_tokens": 1, "ignore_eos": True},
        {"logit_bias": {1: 1.0}, "repetition_penalty": 1.1}, {"top_p": 0.9, "min_p": 0.1},
    ],
)  # fmt: skip
def test_what_vllm_lacks_or_does_in_another_order_is_drawn_by_ours_and_all_of_it(asked):
    found = params_of(Sampling(**asked, top_k=50), 64, frozenset({2}), 7)
    assert found.keys() == {
        "max_tokens", "stop_token_ids", "ignore_eos", "detokenize", "logprobs", "temperature", "extra_args"
    }  # fmt: skip
    assert found["temperature"] == 0, "vLLM takes the one token that ours leave"
    assert unpacked(found["extra_args"][KEY]["sampling"]).top_k == 50


@pytest.mark.parametrize(
    "asked",
    [
        {}, {"temperature": 0}, {"temperature": 0, "xtc_probability": 1.0, "typical_p": 0.5, "temperature_last": True},
        {"min_p": 0.1, "top_k": 5}, {"repetition_penalty": 1.2}, {"min_tokens": 4}, {"temperature_last": True},
        {"stop": ("。",), "max_chars": 100, "loop_repeats": 4}, {"logit_bias": {1: 5.0}, "presence_penalty": 1.0},
    ],
)  # fmt: skip
def test_a_request_that_asks_for_nothing_special_costs_nothing(asked):
    assert not needs_ours(Sampling(**asked))
    assert "extra_args" not in params_of(Sampling(**asked), 64, frozenset(), 7)


def test_no_sampler_is_lost_on_the_way_to_the_workers():
    left_here = {"stop", "loop_repeats", "max_chars", "logprobs", "seed"}
    sent = json.loads(json.dumps(packed(EVERYTHING, 11)))
    found = unpacked(sent)
    assert found.seed == 11
    for each in fields(Sampling):
        assert getattr(EVERYTHING, each.name) != getattr(Sampling(), each.name), "this test asks for every field"
        if each.name not in left_here:
            assert getattr(found, each.name) == getattr(EVERYTHING, each.name)
    assert unpacked(packed(Sampling(), 1)) == Sampling(seed=1)


@pytest.mark.parametrize("seed", [-1, 2**70, -(2**63), 0])
def test_every_seed_is_one_for_vllm(seed):
    assert 0 <= params_of(Sampling(), 1, frozenset(), seed)["seed"] < 2**63


def test_every_name_is_one_of_vllms():
    sampling_params = pytest.importorskip("vllm.sampling_params")
    known = set(sampling_params.SamplingParams.__struct_fields__)
    for asked in (Sampling(logit_bias={1: 1.0}), EVERYTHING):
        assert params_of(asked, 64, frozenset(), 7).keys() <= known
