"""Bodies as writing front ends send them, and what the engine is asked for then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from novelray.endpoint.aliases import ALIASES
from novelray.endpoint.schemas import ChatRequest, CompletionRequest
from novelray.generate.protocol import DRY_BREAKERS, Sampling

STOPS = ["\nAda:", "\n林黛玉："]
BREAKERS = '["\\n", ":", "\\"", "*", "。"]'


def sillytavern(kind):
    """What SillyTavern sends for a text completion: the fields of all kinds of server, then those of this one."""
    body = {
        "prompt": "夜雨初歇，", "model": None, "max_new_tokens": 180, "max_tokens": 180, "logprobs": 10,
        "temperature": 1.15, "top_p": 0.95, "typical_p": 0.98, "typical": 0.98, "sampler_seed": -1, "min_p": 0.03,
        "repetition_penalty": 1.08, "frequency_penalty": 0.1, "presence_penalty": 0.2, "top_k": -1, "skew": 0,
        "min_tokens": 20, "add_bos_token": True, "smoothing_factor": 0, "smoothing_curve": 1,
        "dry_allowed_length": 3, "dry_multiplier": 0.8, "dry_base": 1.8, "dry_sequence_breakers": BREAKERS,
        "dry_penalty_last_n": 1024, "max_tokens_second": 0, "stopping_strings": STOPS, "stop": STOPS,
        "truncation_length": 4096, "ban_eos_token": False, "skip_special_tokens": True, "top_a": 0, "tfs": 1,
        "mirostat_mode": 0, "mirostat_tau": 5, "mirostat_eta": 0.1, "custom_token_bans": "17,23",
        "banned_strings": [], "api_type": kind, "api_server": "http://127.0.0.1:8000", "legacy_api": False,
        "xtc_threshold": 0.12, "xtc_probability": 0.5, "stream": True,
    }  # fmt: skip
    if kind in ("vllm", "aphrodite"):
        body |= {"n": 1, "ignore_eos": False, "seed": None, "spaces_between_special_tokens": True}
        body |= {"best_of": 1} if kind == "vllm" else {"custom_token_bans": [17, 23], "temperature_last": True}
        return body
    body |= {
        "rep_pen": 1.08, "rep_pen_range": 2048, "repetition_penalty_range": 2048, "seed": -1, "guidance_scale": 1,
        "negative_prompt": "", "grammar_string": "", "repeat_penalty": 1.08, "tfs_z": 1, "repeat_last_n": 2048,
        "n_predict": 180, "num_predict": 180, "num_ctx": 4096, "mirostat": 0, "ignore_eos": False, "n_probs": 10,
        "rep_pen_slope": 1,
    }  # fmt: skip
    if kind == "ooba":
        body |= {"min_length": 20, "num_beams": 1, "do_sample": True, "temperature_last": True, "penalty_alpha": 0}
        body |= {"sampler_priority": ["dry", "temperature", "min_p", "xtc"], "encoder_repetition_penalty": 1}
    if kind == "koboldcpp":
        body |= {"sampler_order": [6, 0, 1, 3, 4, 2, 5], "grammar": ""}
    if kind == "tabby":
        body |= {"n": 1, "temperature_last": True, "repetition_decay": 0, "speculative_ngram": False}
    if kind == "llamacpp":
        body |= {"samplers": ["dry", "top_k", "xtc"], "cache_prompt": True, "grammar": "", "custom_token_bans": ""}
        body |= {"logit_bias": [[17, False], [23, False]]}
    return body


@pytest.mark.parametrize("kind", ["generic", "ooba", "koboldcpp", "llamacpp", "tabby", "vllm", "aphrodite"])
def test_sillytavern_is_understood_in_each_of_its_modes(client, engine, kind):
    response = client.post("/v1/completions", json=sillytavern(kind))
    assert response.status_code == 200
    sampling = engine.requests[0].sampling
    ranges = {} if kind in ("vllm", "aphrodite") else {"repetition_penalty_range": 2048}
    last = {"temperature_last": True} if kind in ("ooba", "tabby", "aphrodite") else {}
    assert sampling == Sampling(
        max_tokens=180, min_tokens=20, temperature=1.15, top_p=0.95, min_p=0.03, typical_p=0.98, xtc_probability=0.5,
        xtc_threshold=0.12, repetition_penalty=1.08, presence_penalty=0.2, frequency_penalty=0.1, dry_multiplier=0.8,
        dry_base=1.8, dry_allowed_length=3, dry_penalty_last_n=1024,
        dry_sequence_breakers=("\n", ":", '"', "*", "。"), seed=sampling.seed, stop=tuple(STOPS), logprobs=10,
        logit_bias={17: -100.0, 23: -100.0}, **ranges, **last,
    )  # fmt: skip
    applied = json.loads(response.text.split("\n\n")[0].removeprefix("data: "))["novelray"]["sampling"]
    assert applied["dry_multiplier"] == 0.8
    assert applied["xtc_threshold"] == 0.12
    assert "stop_token_ids" not in applied


def test_a_koboldai_body_is_understood(client, engine):
    body = {
        "prompt": "a", "max_context_length": 4096, "max_length": 90, "rep_pen": 1.05, "rep_pen_range": 360,
        "rep_pen_slope": 0.7, "temperature": 0.7, "top_p": 0.92, "top_k": 100, "top_a": 0, "typical": 0.9, "tfs": 1,
        "sampler_order": [6, 0, 1, 3, 4, 2, 5], "stop_sequence": ["\nYou:"], "sampler_seed": 11, "quiet": True,
    }  # fmt: skip
    answer = client.post("/v1/completions", json=body).json()
    assert answer["novelray"]["seed"] == 11
    assert engine.requests[0].sampling == Sampling(
        max_tokens=90, repetition_penalty=1.05, repetition_penalty_range=360, temperature=0.7, top_p=0.92, top_k=100,
        typical_p=0.9, stop=("\nYou:",), seed=11,
    )  # fmt: skip


def asked(**body):
    return CompletionRequest.model_validate({"prompt": "a", **body}).sampling(50, 1)


def test_aliases_are_understood_in_chats_too():
    body = {"messages": [{"role": "user", "content": "a"}], "rep_pen": 1.2, "xtc_probability": 0.5, "min_length": 3}
    sampling = ChatRequest.model_validate(body).sampling(50, 1)
    assert (sampling.repetition_penalty, sampling.xtc_probability, sampling.min_tokens) == (1.2, 0.5, 3)


def test_no_alias_is_a_field_and_none_stands_for_two():
    names = [alias for aliases in ALIASES.values() for alias in aliases]
    assert len(names) == len(set(names))
    assert not set(names) & set(CompletionRequest.model_fields) | set(ALIASES) - set(CompletionRequest.model_fields)


def test_the_documentation_lists_every_alias_and_every_field():
    page = (Path(__file__).parents[3] / "docs" / "serving.md").read_text("utf-8")
    for field, aliases in ALIASES.items():
        assert f"| `{field}` | {', '.join(f'`{a}`' for a in aliases)} |" in page
    unsaid = {"model", "prompt", "user", "stream_options"}
    assert not [f for f in {*CompletionRequest.model_fields} - unsaid if f"`{f}`" not in page]


def test_the_fields_own_name_goes_before_its_aliases_and_of_these_the_first():
    assert asked(rep_pen=1.3, repetition_penalty=1.1, repeat_penalty=1.2).repetition_penalty == 1.1
    assert asked(repeat_penalty=1.2, rep_pen=1.3).repetition_penalty == 1.3
    assert asked(repetition_penalty=None, rep_pen=None, repeat_penalty=1.2).repetition_penalty == 1.2
    assert asked(n_predict=-1).max_tokens == 50, "llama.cpp's word for no limit"
    assert asked(max_length=-1, n_predict=30).max_tokens == 30


@pytest.mark.parametrize("given", [["。", "\n"], '["。", "\\n"]', '"。", "\\n"'])
def test_breakers_come_as_a_list_or_as_json_in_a_text(given):
    assert asked(dry_multiplier=1, dry_sequence_breakers=given).dry_sequence_breakers == ("。", "\n")


def test_an_empty_list_of_breakers_means_none_and_an_empty_text_the_usual_ones():
    assert asked(dry_multiplier=1, dry_sequence_breakers=[]).dry_sequence_breakers == ()
    assert asked(dry_multiplier=1, dry_sequence_breakers="").dry_sequence_breakers == DRY_BREAKERS


def test_what_is_off_says_nothing_in_what_was_applied():
    off = {"dry_multiplier": 0, "dry_base": 3, "dry_allowed_length": 9, "dry_penalty_last_n": 7, "xtc_probability": 0,
           "dry_sequence_breakers": ["#"], "xtc_threshold": 0.4, "typical_p": 0, "repetition_penalty_range": -1,
           "custom_token_bans": "", "stop_on_loop": False, "top_k": -1, "min_tokens": 0, "min_chars": 0}  # fmt: skip
    assert asked(**off) == asked()


def test_a_loop_is_four_times_the_same_unless_the_request_says_how_often():
    assert [asked(stop_on_loop=v).loop_repeats for v in (None, False, True, 3)] == [0, 0, 4, 3]


def test_without_max_tokens_the_default_gives_way_to_what_a_length_needs():
    assert asked(min_tokens=80).max_tokens == 80
    assert asked(max_chars=2000).max_tokens == 8000
    assert asked(min_chars=1000, max_tokens=20).max_tokens == 20


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"typical": 1.5}, "typical_p"),
        ({"xtc_probability": 2}, "xtc_probability"),
        ({"rep_pen": 0}, "repetition_penalty"),
        ({"dry_multiplier": -1}, "dry_multiplier"),
        ({"dry_base": 0.5}, "dry_base"),
        ({"xtc_threshold": -1}, "xtc_threshold"),
        ({"dry_sequence_breakers": "[1, 2"}, "dry_sequence_breakers"),
        ({"dry_sequence_breakers": [""]}, "dry_sequence_breakers"),
        ({"custom_token_bans": "a,b"}, "custom_token_bans"),
        ({"stop_token_ids": [0x110000]}, "stop_token_ids"),
        ({"custom_token_bans": [0x110000]}, "custom_token_bans"),
        ({"stop_token_ids": ["x"]}, "stop_token_ids"),
        ({"min_tokens": 5, "max_tokens": 4}, "min_tokens"),
        ({"min_chars": 5, "max_chars": 4}, "min_chars"),
        ({"max_chars": 0}, "max_chars"),
        ({"stop_on_loop": 1}, "stop_on_loop"),
        ({"logit_bias": [[1, 2, 3]]}, "logit_bias"),
        ({"repetition_penalty_range": -2}, "repetition_penalty_range"),
        ({"dry_allowed_length": 0}, "dry_allowed_length"),
    ],
)
def test_values_out_of_range_are_refused_by_the_fields_name(client, wrong, param):
    response = client.post("/v1/completions", json={"prompt": "a", **wrong})
    assert (response.status_code, response.json()["error"]["param"]) == (422, param)
