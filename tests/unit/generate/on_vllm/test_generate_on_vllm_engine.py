"""Our side of vLLM, over a stand-in for its AsyncLLM: places, aborts, errors, styles."""

from __future__ import annotations

import asyncio
import contextlib
import math
from pathlib import Path

import pytest
from support.engines import TOKENIZER, answer, ids, make_adapter, request, settled
from support.tiny_models import make_model
from support.vllm_standin import standin_engine

from novelray.errors import ModelError
from novelray.generate.on_vllm import adapters
from novelray.generate.protocol import (
    EngineError,
    PromptTooLongError,
    QueueFullError,
    Request,
    RequestError,
    Sampling,
)


@contextlib.asynccontextmanager
async def running(**options):
    engine = standin_engine(make_model(TOKENIZER), TOKENIZER, **options)
    try:
        yield engine, engine._vllm.llm
    finally:
        await engine.close()


def test_a_text_that_ends_for_our_reasons_or_is_left_is_aborted_in_vllm():
    async def main():
        async with running(max_batch=2) as (engine, llm):
            _, _, last = await answer(engine, request("chars", max_chars=3, max_tokens=200))
            assert last.finish_reason == "length"
            stream = engine.generate(request("left", max_tokens=200))
            await anext(stream)
            await stream.aclose()
            await settled(engine)
            await asyncio.sleep(0)
            assert llm.aborted == ["chars", "left"]
            assert not llm.running
            assert not engine._live
            await answer(engine, request("whole", max_tokens=3))
            assert llm.aborted == ["chars", "left"], "what vLLM ended itself is not aborted"

    asyncio.run(main())


def test_a_reader_who_is_slow_holds_no_place_once_the_text_has_ended():
    async def main():
        async with running(max_batch=2) as (engine, llm):
            streams = [engine.generate(request("a", max_chars=9, max_tokens=200)), engine.generate(request("b"))]
            for stream in streams:
                await anext(stream)
            await settled(engine)
            assert (llm.running, llm.aborted) == (set(), ["a"])
            ends = [[c async for c in stream][-1].finish_reason for stream in streams]
            assert ends == ["length", "length"]

    asyncio.run(main())


def test_more_than_fit_are_refused_with_a_time_and_the_others_run_on():
    async def main():
        async with running(max_batch=2, max_queue=1) as (engine, _):
            tasks = [asyncio.create_task(answer(engine, request(str(i), max_tokens=20))) for i in range(5)]
            done = await asyncio.gather(*tasks, return_exceptions=True)
            refused = [d for d in done if isinstance(d, QueueFullError)]
            assert (len(refused), refused[0].retry_after_s >= 1) == (2, True)
            assert sum(not isinstance(d, Exception) for d in done) == 3
            await answer(engine, request())

    asyncio.run(main())


def test_cancel_ends_a_stream_as_cancelled_running_or_waiting():
    async def main():
        async with running(max_batch=1, max_queue=5) as (engine, llm):
            first, second = engine.generate(request("r", max_tokens=200)), engine.generate(request("w", max_tokens=200))
            await anext(first)
            waiting = asyncio.create_task(anext(second))
            await asyncio.sleep(0.01)
            assert (engine.capacity().running, engine.capacity().waiting) == (1, 1)
            for name in ("w", "r", "nobody"):
                engine.cancel(name)
            assert (await waiting).finish_reason == "cancelled"
            assert [c async for c in first][-1].finish_reason == "cancelled"
            await settled(engine)
            assert sorted(llm.aborted) == ["r", "w"]
            await answer(engine, request("r"))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (Request("a", tuple(range(40))), PromptTooLongError),
        (Request("a", (1, 999)), RequestError),
        (Request("a", (1,), Sampling(temperature=-1.0)), RequestError),
        (Request("a", (1,), style={"nobody@1": 1.0}), ModelError),
    ],
)
def test_a_request_that_cannot_run_never_reaches_vllm(wanted, error):
    async def main():
        async with running(context=40) as (engine, llm):
            with pytest.raises(error):
                await anext(engine.generate(wanted))
            assert not llm.asked
            assert engine.capacity().running == 0

    asyncio.run(main())


def test_what_goes_wrong_in_vllm_is_told_and_frees_its_place():
    class VLLMClientError(Exception):
        """As in vLLM."""

    wrapped = RuntimeError()
    wrapped.__cause__ = ValueError("no memory")

    async def main():
        async with running(max_batch=1) as (engine, llm):
            for error, kind, said in (
                (VLLMClientError("logprobs of 99"), RequestError, "logprobs of 99"),
                (wrapped, EngineError, "ValueError: no memory"),
            ):
                llm.fails = error
                with pytest.raises(kind, match=said):
                    await answer(engine, request())
                llm.fails = None
                await answer(engine, request())
            llm.errored = True
            with pytest.raises(EngineError, match="died"):
                engine.capacity()

    asyncio.run(main())


def test_close_ends_streams_as_cancelled_stops_vllm_and_refuses_new_ones():
    async def main():
        async with running(max_batch=1) as (engine, llm):
            stream = engine.generate(request(max_tokens=200))
            await anext(stream)
            await engine.close()
            assert [c async for c in stream][-1].finish_reason == "cancelled"
            assert llm.shut
            with pytest.raises(EngineError):
                await anext(engine.generate(request("b")))

    asyncio.run(main())


def test_logprobs_name_the_chosen_token_and_the_likeliest():
    async def main():
        async with running() as (engine, _):
            chunks = [c async for c in engine.generate(request(logprobs=2, max_tokens=8, temperature=2.0, seed=3))]
        entries = [e for c in chunks for e in c.logprobs]
        assert [e.token_id for e in entries] == [t for c in chunks for t in c.token_ids]
        for entry in entries:
            assert len(entry.top) == 2
            assert entry.top[0][2] >= max(entry.top[1][2], entry.logprob)
        assert chunks[-1].usage.cached_tokens == 3, "as vLLM counts them"

    asyncio.run(main())


@pytest.mark.parametrize("limit", [0, 2])
def test_a_prompts_own_logprobs_are_asked_of_vllm_and_told(limit):
    async def main():
        async with running() as (engine, _):
            asked = Request("r", ids("话说天下"), Sampling(max_tokens=limit, logprobs=2), scores_prompt=True)
            chunks = [c async for c in engine.generate(asked)]
        first, *scored = chunks[0].prompt_logprobs
        assert math.isnan(first.logprob)
        assert tuple(e.token_id for e in (first, *scored)) == asked.prompt_ids
        assert all(len(e.top) == 2 and e.logprob <= 0 for e in scored)
        assert (chunks[-1].usage.completion_tokens, chunks[-1].finish_reason) == (limit, "length")

    asyncio.run(main())


def test_a_request_without_a_seed_gets_one_for_all_gpus_and_no_other():
    async def main():
        async with running() as (engine, llm):
            for sampling in ({}, {}, {"dry_multiplier": 1.0}, {"dry_multiplier": 1.0}):
                await answer(engine, request(max_tokens=1, **sampling))
            seeds = [p.seed for _, p, _ in llm.asked[:2]]
            seeds += [p.extra_args["novelray"]["sampling"]["seed"] for _, p, _ in llm.asked[2:]]
            assert len(set(seeds)) == 4

    asyncio.run(main())


def test_an_adapter_loaded_again_under_its_id_is_another_one_for_vllm(tmp_path):
    make_adapter(tmp_path / "one", make_model(TOKENIZER), 1)

    async def main():
        async with running() as (engine, llm):
            await engine.load_adapter("x@1", str(tmp_path / "one"))
            await engine.load_adapter("x@1", str(tmp_path / "one"))
            assert len(llm.loras) == 1
            stream = engine.generate(request("busy", adapter="x@1", max_tokens=200))
            await anext(stream)
            with pytest.raises(RequestError, match="in use"):
                await engine.unload_adapter("x@1")
            with pytest.raises(RequestError, match="embedded"):
                await engine.restyle("busy", {})
            await stream.aclose()
            await engine.unload_adapter("x@1")
            assert not llm.loras
            with pytest.raises(ModelError, match="not loaded"):
                await answer(engine, request(adapter="x@1"))
            await engine.load_adapter("x@1", str(tmp_path / "one"))
            await answer(engine, request(adapter="x@1", max_tokens=1))
            first, second = llm.asked[0][2], llm.asked[-1][2]
            assert first.lora_name != second.lora_name, "by its name vLLM's prefix cache knows it"
            assert first.lora_int_id != second.lora_int_id

    asyncio.run(main())


def test_a_blend_is_made_once_and_thrown_away_when_there_are_too_many_or_a_part_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(adapters, "MOST_BLENDS", 2)
    for seed, name in enumerate(("a@1", "b@2")):
        make_adapter(tmp_path / name, make_model(TOKENIZER), seed)

    async def main():
        async with running() as (engine, llm):
            for name in ("a@1", "b@2"):
                await engine.load_adapter(name, str(tmp_path / name))
            same = [request(str(i), adapter={"a@1": 0.5, "b@2": 0.5}, max_tokens=2) for i in range(3)]
            await asyncio.gather(*[answer(engine, r) for r in same])
            assert len(llm.loras) == 3
            for weight in (0.1, 0.2, 0.3):
                await answer(engine, request(adapter={"a@1": weight}, max_tokens=2))
            assert len(llm.loras) == 4
            assert len(list(Path(engine._adapters._place.name).iterdir())) == 2
            await engine.unload_adapter("a@1")
            assert len(llm.loras) == 1, "its blends went with it"

    asyncio.run(main())


def test_styles_that_vllm_would_compute_otherwise_are_refused(tmp_path):
    make_adapter(tmp_path / "dora", make_model(TOKENIZER), 1, use_dora=True)
    for seed, name in enumerate(("a@1", "b@2")):
        make_adapter(tmp_path / name, make_model(TOKENIZER), seed)

    async def main():
        async with running(max_rank=7) as (engine, llm):
            with pytest.raises(ModelError, match="DoRA"):
                await engine.load_adapter("dora", str(tmp_path / "dora"))
            for name in ("a@1", "b@2"):
                await engine.load_adapter(name, str(tmp_path / name))
            with pytest.raises(RequestError, match="8 ranks together"):
                await answer(engine, request(adapter={"a@1": 0.5, "b@2": 0.5}))
            await answer(engine, request(adapter={"a@1": 0.5, "b@2": 0.0}, max_tokens=2))
        async with running(max_rank=3) as (engine, llm):
            with pytest.raises(ModelError, match="max_adapter_rank"):
                await engine.load_adapter("a@1", str(tmp_path / "a@1"))
            assert not llm.loras

    asyncio.run(main())


def test_heads_are_not_vllms():
    async def main():
        async with running() as (engine, _):
            assert engine.heads() == {}
            with pytest.raises(RequestError, match="embedded"):
                await engine.classify(ids("话说"))

    asyncio.run(main())
