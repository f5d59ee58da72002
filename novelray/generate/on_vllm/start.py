"""Start vLLM on a model folder. The only place, with processor.py, that imports vLLM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from novelray.errors import ModelError, missing_package
from novelray.generate.limits import end_ids
from novelray.generate.on_vllm.engine import EMBEDDED, Served, Vllm, VllmEngine
from novelray.generate.on_vllm.params import MOST_LOGPROBS
from novelray.models.heads import Head
from novelray.models.longtext import changes_in
from novelray.models.pattern import pattern_of

PROCESSOR = "novelray.generate.on_vllm.processor:FictionSamplers"


@dataclass(frozen=True)
class Options:
    """How vLLM is started; the recipe's `serve` section says what each means."""

    max_batch: int = 8
    max_queue: int = 32
    context: int | None = None
    gpus: int = 1
    memory_share: float = 0.9
    prefix_cache: bool = True
    max_adapters: int = 4
    max_adapter_rank: int = 64
    trust_remote_code: bool = False


def engine_args(folder: Path, options: Options) -> dict[str, Any]:
    """Arguments of vLLM's AsyncEngineArgs. Pure.

    With several GPUs vLLM's workers are Ray actors in the placement group of the actor that calls it (decision 29).
    """
    return {
        "model": str(folder),
        "tokenizer": str(folder),
        "trust_remote_code": options.trust_remote_code,
        "dtype": "bfloat16",
        "generation_config": "vllm",  # no sampling of the model's own: what was not asked for is not done
        "max_model_len": options.context,
        "max_num_seqs": options.max_batch,
        "gpu_memory_utilization": options.memory_share,
        "tensor_parallel_size": options.gpus,
        "distributed_executor_backend": "ray" if options.gpus > 1 else None,
        "enable_prefix_caching": options.prefix_cache,
        "enable_lora": options.max_adapters > 0,
        "max_loras": max(1, options.max_adapters),
        "max_lora_rank": options.max_adapter_rank,
        "max_logprobs": MOST_LOGPROBS,
        "logits_processors": [PROCESSOR],
        "disable_log_stats": True,  # the endpoint has its own metrics
    }


def start(
    folder: Path,
    tokenizer: Any,
    options: Options,
    *,
    heads: Sequence[Head] = (),
    model_id: str = "",
    base_digest: str | None = None,
) -> VllmEngine:
    """An engine on the whole model in a Hugging Face folder. `heads`: the model's own, if it has any.

    Raises ModelError for a model that vLLM does not compute as it was trained, and NovelRayError, naming the extra,
    where vLLM is not installed.
    """
    config, generation = _configs(folder, options.trust_remote_code)
    check(folder, config, heads)
    try:
        from vllm import SamplingParams
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.inputs import tokens_input
        from vllm.lora.request import LoRARequest
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.async_llm import AsyncLLM
    except ImportError:
        raise missing_package("vllm", "vllm") from None
    llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**engine_args(folder, options)))
    params = partial(SamplingParams, output_kind=RequestOutputKind.DELTA)
    vllm = Vllm(llm, params, LoRARequest, tokens_input)
    model = SimpleNamespace(config=config, generation_config=generation)
    served = Served(
        context=llm.model_config.max_model_len,
        vocabulary=llm.model_config.get_vocab_size(),
        end_ids=end_ids(model, tokenizer),
        model_id=model_id or folder.name,
        max_rank=options.max_adapter_rank if options.max_adapters else 0,
        changes=changes_in(config),
        base_digest=base_digest,
    )
    return VllmEngine(vllm, tokenizer, served, max_batch=options.max_batch, max_queue=options.max_queue)


def check(folder: Path, config: Any, heads: Sequence[Head]) -> None:
    """Raise ModelError for what vLLM would leave out: sparse attention, heads."""
    if pattern_of(config) is not None:
        raise ModelError(f"{folder} has sparse attention, which vLLM would compute as full.", EMBEDDED)
    if heads:
        raise ModelError(f"{folder} has heads, which vLLM does not compute.", EMBEDDED)


def _configs(folder: Path, trust_remote_code: bool) -> tuple[Any, Any]:
    """The model's configuration, and that of its generation, if there is one."""
    from transformers import AutoConfig, GenerationConfig

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=trust_remote_code)
    has_one = (folder / "generation_config.json").is_file()
    return config, GenerationConfig.from_pretrained(str(folder), local_files_only=True) if has_one else None
