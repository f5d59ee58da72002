"""What the engine's contract tests share: a tiny model behind an engine, requests, and answers that are checked."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path

import torch
from support.tiny_models import make_model, make_tokenizer
from support.vllm_standin import standin_engine

from novelray.generate.embedded import EmbeddedEngine
from novelray.generate.protocol import Request, Sampling

TOKENIZER = make_tokenizer()
PROMPTS = [
    "话说天下大势，",
    "The river carried ",
    "她说",
    "大闹天宫的猴子笑道：",
    "a",
    "满纸荒唐言，一把辛酸泪！" * 4,
    "🙂",
    "morning. " * 20,
]


def ids(text):
    return tuple(TOKENIZER(text)["input_ids"])


def request(name="a", prompt="话说天下", adapter=None, **sampling):
    """`adapter`: an adapter's id, or a whole style."""
    style = {} if adapter is None else adapter if isinstance(adapter, dict) else {adapter: 1.0}
    return Request(name, ids(prompt), Sampling(**{"ignore_eos": True, "max_tokens": 30} | sampling), style)


KIND = "embedded"
"""The engine that `running` starts; the fixture `every_engine` sets it."""


@contextlib.asynccontextmanager
async def running(model=None, **options):
    start = {"embedded": EmbeddedEngine, "stand-in": standin_engine, "vllm": vllm_engine}[KIND]
    engine = start(model or make_model(TOKENIZER), TOKENIZER, **options)
    try:
        yield engine
    finally:
        await engine.close()


def vllm_engine(model, tokenizer, max_batch=8, max_queue=32, context=None):
    """The real vLLM, which wants a folder."""
    from novelray.generate.on_vllm.start import Options, start

    folder = Path(tempfile.mkdtemp())
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return start(folder, tokenizer, Options(max_batch, max_queue, context, memory_share=0.3))


async def answer(engine, wanted):
    """(text, token ids, last chunk) of a request, its chunks checked on the way."""
    chunks = [c async for c in engine.generate(wanted)]
    assert all(c.finish_reason is None and c.text for c in chunks[:-1])
    assert chunks[-1].finish_reason is not None
    tokens = tuple(t for c in chunks for t in c.token_ids)
    assert chunks[-1].usage.completion_tokens == len(tokens)
    assert chunks[-1].usage.prompt_tokens == len(wanted.prompt_ids)
    return "".join(c.text for c in chunks), tokens, chunks[-1]


@torch.inference_mode()
def plain_loop(model, prompt, count):
    """Greedy tokens by whole forwards, without a cache: what any faster way has to equal."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(int(model(torch.tensor([tokens])).logits[0, -1].argmax()))
    return tuple(tokens[len(prompt) :])


def make_adapter(folder, model, seed, **changes):
    """A PEFT folder with random A and B, and the model with it in."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    usual = {"r": 4, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj", "up_proj"], "init_lora_weights": False}
    config = LoraConfig(**usual | changes)
    adapted = get_peft_model(model, config).eval()
    adapted.save_pretrained(folder, save_embedding_layers=False)
    return adapted


async def settled(engine):
    """Wait until nothing runs; fails when it takes long."""
    async with asyncio.timeout(5):
        while engine.capacity().running or engine.capacity().waiting:
            await asyncio.sleep(0.005)
