"""Tiny models of the families that are trained, and their stages one after another in a process of their own."""

from __future__ import annotations

import json
import multiprocessing
import os
import traceback
from pathlib import Path
from typing import Any

from novelray.train.job import Job, Place

FAMILIES = ("llama", "qwen2", "deepseek_v2", "deepseek_v3")


def tiny_folder(kind: str, folder: Path, seed: int = 0, **changes: Any) -> Path:
    """A model with random weights, saved as its makers would."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    shape: dict[str, Any] = {
        "vocab_size": 400, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.1,
        "tie_word_embeddings": False, "bos_token_id": None, "eos_token_id": 0, "pad_token_id": 1,
    }  # fmt: skip
    if kind.startswith("deepseek"):  # latent attention and a mixture of experts
        shape |= {
            "num_key_value_heads": 4, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 8, "v_head_dim": 8, "n_routed_experts": 4, "n_shared_experts": 1,
            "num_experts_per_tok": 2, "moe_intermediate_size": 16, "first_k_dense_replace": 1, "n_group": 1,
            "topk_group": 1,
        }  # fmt: skip
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **shape | changes))
    for name, buffer in model.named_buffers():
        if "correction" in name:  # DeepSeek-V3's balance of the experts: not trained, and not to be lost
            buffer.copy_(torch.randn_like(buffer))
    model.save_pretrained(folder)
    return folder


def run_all(jobs: list[Job]) -> None:
    """Run stages one after another in one new process: starting one costs more than the stages."""
    worker = multiprocessing.get_context("spawn").Process(target=_work, args=(jobs,))
    worker.start()
    worker.join(timeout=200)
    assert worker.exitcode == 0, [problem_of(job) for job in jobs]


def problem_of(job: Job) -> str | None:
    """What a stage failed with."""
    path = f"{job.run}/problem.json"
    return json.loads(job.artifacts.store.read(path)) if job.artifacts.store.exists(path) else None


def _work(jobs: list[Job]) -> None:
    from support.training import _free_port

    os.environ.update(
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(_free_port()), RANK="0", WORLD_SIZE="1", LOCAL_RANK="0",
        DS_ACCELERATOR="cpu", DS_LOG_LEVEL="error",
    )  # fmt: skip
    import torch

    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=0, world_size=1)
    from novelray.train.stage import run_stage

    for job in jobs:
        try:
            run_stage(job, Place(0, 1, "cpu", "a"))
        except Exception:
            job.artifacts.store.write(f"{job.run}/problem.json", json.dumps(traceback.format_exc()).encode())
    torch.distributed.destroy_process_group()
