"""How vLLM is started; it is not needed for these tests, and where it is there its names are compared."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
from pathlib import Path

import pytest
from support.tiny_models import make_model, make_tokenizer

from novelray.errors import ModelError, NovelRayError
from novelray.generate.on_vllm.start import PROCESSOR, Options, check, engine_args, start


def test_one_gpu_needs_no_ray_in_vllm_and_several_share_the_replicas_placement_group():
    one, four = engine_args(Path("/m"), Options()), engine_args(Path("/m"), Options(gpus=4, max_adapters=0))
    assert (one["tensor_parallel_size"], one["distributed_executor_backend"]) == (1, None)
    assert (four["tensor_parallel_size"], four["distributed_executor_backend"]) == (4, "ray")
    assert (one["enable_lora"], four["enable_lora"]) == (True, False)
    assert engine_args(Path("/m"), Options(9, 1, 512))["max_num_seqs"] == 9


def test_the_processor_has_the_name_that_vllm_is_given():
    module, _, name = PROCESSOR.partition(":")
    found = importlib.util.find_spec(module)
    assert f"class {name}(LogitsProcessor)" in Path(found.origin).read_text("utf-8")


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_the_extra_is_named(tmp_path):
    tokenizer = make_tokenizer()
    make_model(tokenizer).save_pretrained(tmp_path)
    with pytest.raises(NovelRayError) as caught:
        start(tmp_path, tokenizer, Options())
    assert "novelray[vllm]" in str(caught.value.hint)


def test_a_model_that_vllm_would_compute_otherwise_is_refused(tmp_path):
    config = make_model(make_tokenizer()).config
    check(tmp_path, config, ())
    with pytest.raises(ModelError, match="heads"):
        check(tmp_path, config, [object()])
    config.novelray_attention = {"type": "sparse"}
    with pytest.raises(ModelError, match="sparse"):
        check(tmp_path, config, ())


def test_every_argument_is_one_of_vllms():
    arguments = pytest.importorskip("vllm.engine.arg_utils")
    known = {field.name for field in dataclasses.fields(arguments.AsyncEngineArgs)}
    assert engine_args(Path("/m"), Options()).keys() <= known


def test_every_method_that_is_called_is_one_of_vllms():
    engine = pytest.importorskip("vllm.v1.engine.async_llm")
    generate = inspect.signature(engine.AsyncLLM.generate).parameters
    assert {"prompt", "sampling_params", "request_id", "lora_request"} <= generate.keys()
    assert all(hasattr(engine.AsyncLLM, name) for name in ("add_lora", "remove_lora", "errored", "shutdown"))
