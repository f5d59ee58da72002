"""What the engine's contract tests share: a tiny model behind an engine, requests, and answers that are checked."""

from __future__ import annotations

import contextlib

from support.tiny_models import make_model, make_tokenizer

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
    return Request(name, ids(prompt), Sampling(**{"ignore_eos": True, "max_tokens": 30} | sampling), adapter)


@contextlib.asynccontextmanager
async def running(model=None, **options):
    engine = EmbeddedEngine(model or make_model(TOKENIZER), TOKENIZER, **options)
    try:
        yield engine
    finally:
        await engine.close()


async def answer(engine, wanted):
    """(text, token ids, last chunk) of a request, its chunks checked on the way."""
    chunks = [c async for c in engine.generate(wanted)]
    assert all(c.finish_reason is None and c.text for c in chunks[:-1])
    assert chunks[-1].finish_reason is not None
    tokens = tuple(t for c in chunks for t in c.token_ids)
    assert chunks[-1].usage.completion_tokens == len(tokens)
    assert chunks[-1].usage.prompt_tokens == len(wanted.prompt_ids)
    return "".join(c.text for c in chunks), tokens, chunks[-1]
