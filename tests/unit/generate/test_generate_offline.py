"""Batch completion for evaluation."""

from __future__ import annotations

import pytest
import torch
from support.tiny_models import make_model, make_tokenizer

from novelray.errors import ModelError
from novelray.generate.limits import context_of, new_tokens
from novelray.generate.offline import complete
from novelray.generate.protocol import PromptTooLongError, Request, RequestError, Sampling


@pytest.mark.slow
def test_prompts_are_completed_in_order_and_the_same_again():
    tokenizer = make_tokenizer()
    model = make_model(tokenizer).train()
    weights = model.lm_head.weight.stride()
    prompts = ["话说", "The river", "话说"] * 9
    sampling = Sampling(max_tokens=12, seed=3, ignore_eos=True)
    texts = complete(model, tokenizer, prompts, sampling)
    assert texts == complete(model, tokenizer, prompts, sampling)
    assert len(texts) == 27
    assert texts[0] != texts[2], "each prompt has its own random numbers"
    assert model.training
    assert model.lm_head.weight.stride() == weights
    assert model.config._attn_implementation == "sdpa"


def test_greedy_completion_is_the_plain_loop():
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    ids = tokenizer("她说")["input_ids"]
    with torch.inference_mode():
        for _ in range(20):
            ids = [*ids, int(model(torch.tensor([ids])).logits[0, -1].argmax())]
    expected = tokenizer.decode(ids[len(tokenizer("她说")["input_ids"]) :], skip_special_tokens=True)
    got = complete(model, tokenizer, ["她说", "x"], Sampling(max_tokens=20, temperature=0, ignore_eos=True))[0]
    assert got == expected.replace("�", "")


def test_no_prompts_give_no_texts():
    tokenizer = make_tokenizer()
    assert complete(make_model(tokenizer), tokenizer, [], Sampling()) == []


def test_a_prompt_without_room_for_an_answer_is_refused():
    tokenizer = make_tokenizer()
    with pytest.raises(PromptTooLongError):
        complete(make_model(tokenizer), tokenizer, ["字" * 300], Sampling())


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1}, {"temperature": float("nan")}, {"top_p": 0}, {"max_tokens": -1},
              {"logit_bias": {99: 1.0}}, {"repetition_penalty": 0}, {"min_p": 2}, {"logprobs": -1},
              {"logit_bias": {1: float("inf")}}, {"typical_p": 0}, {"xtc_probability": 1.1}, {"xtc_threshold": -0.1},
              {"dry_multiplier": -1}, {"dry_base": 0.5}, {"dry_allowed_length": 0}, {"repetition_penalty_range": -1},
              {"stop_token_ids": (50,)}, {"min_tokens": 300}, {"min_tokens": -1}, {"max_chars": 0}, {"min_chars": -1},
              {"min_chars": 9, "max_chars": 8}, {"loop_repeats": 1}],
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(RequestError, match=next(iter(wrong))):
        new_tokens(Request("a", (1,), Sampling(**wrong)), 10, 50)


def test_a_sliding_window_bounds_the_context_and_state_space_layers_are_refused():
    tokenizer = make_tokenizer()
    model = make_model(tokenizer, "qwen2")
    assert context_of(model, None) == 256
    assert context_of(model, 100) == 100
    model.config.layer_types = ["full_attention", "sliding_attention"]
    model.config.sliding_window = 64
    assert context_of(model, None) == 64
    model.config.layer_types = ["full_attention", "linear_attention"]
    with pytest.raises(ModelError, match="linear_attention"):
        context_of(model, None)
