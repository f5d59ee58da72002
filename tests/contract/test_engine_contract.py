"""What every engine promises (novelray.generate.protocol.Engine), run against the embedded one."""

from __future__ import annotations

import asyncio
import math
import time

import pytest
import torch
from support.engines import PROMPTS, TOKENIZER, answer, ids, plain_loop, request, running, settled
from support.tiny_models import make_model, make_tokenizer

from novelray.errors import ModelError, NovelRayError
from novelray.generate.embedded import FRAME_S, EmbeddedEngine
from novelray.generate.protocol import (
    EngineError,
    PromptTooLongError,
    QueueFullError,
    Request,
    RequestError,
    Sampling,
)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "deepseek"])
def test_greedy_answers_are_those_of_a_plain_loop(kind):
    model = make_model(TOKENIZER, kind)
    expected = [plain_loop(model, ids(p), 30) for p in PROMPTS]

    async def main():
        async with running(model, max_batch=3) as engine:
            wanted = [request(str(i), p, temperature=0) for i, p in enumerate(PROMPTS)]
            answers = await asyncio.gather(*[answer(engine, r) for r in wanted])
        assert [tokens for _, tokens, _ in answers] == expected
        assert {last.finish_reason for *_, last in answers} == {"length"}

    asyncio.run(main())


def test_a_long_prompt_read_in_pieces_gives_what_a_plain_loop_gives(monkeypatch):
    monkeypatch.setattr("novelray.generate.stepper.PIECE_TOKENS", 16)
    model = make_model(TOKENIZER, max_position_embeddings=512)
    prompt = "天宫的猴子" * 40
    expected = plain_loop(model, ids(prompt), 20)

    async def main():
        async with running(model) as engine:
            others = [answer(engine, request(str(i), PROMPTS[i], max_tokens=60)) for i in range(4)]
            long = answer(engine, request("long", prompt, temperature=0, max_tokens=20))
            assert (await asyncio.gather(long, *others))[0][1] == expected

    asyncio.run(main())


@pytest.mark.slow
def test_the_same_seed_gives_the_same_answer_alone_and_among_31_others():
    plans = [
        {}, {"temperature": 0.7, "top_p": 0.9}, {"top_k": 20, "repetition_penalty": 1.2, "logprobs": 2},
        {"dry_multiplier": 0.8, "xtc_probability": 0.5, "typical_p": 0.9, "repetition_penalty": 1.1,
         "repetition_penalty_range": 20, "min_tokens": 70, "loop_repeats": 4, "max_chars": 200},
    ]  # fmt: skip

    async def main():
        async with running(max_batch=32) as engine:
            for plan in plans:
                wanted = request("mine", seed=7, max_tokens=80, **plan)
                alone = await answer(engine, wanted)
                for round_ in range(2):
                    company = [{"max_tokens": 5 * i + 4, "top_p": 0.8 + i / 200, "seed": i + round_} for i in range(31)]
                    others = [answer(engine, request(str(i), PROMPTS[i % 8], **c)) for i, c in enumerate(company)]
                    together = (await asyncio.gather(*others[:4], answer(engine, wanted), *others[4:]))[4]
                    assert together[:2] == alone[:2]
                    assert together[2].logprobs == alone[2].logprobs, "not even in the last bit"

    asyncio.run(main())


def test_other_seeds_and_no_seed_give_other_answers():
    async def main():
        async with running() as engine:
            texts = [(await answer(engine, request("a", seed=s)))[0] for s in (1, 2, None, None)]
            assert len(set(texts)) == 4

    asyncio.run(main())


def test_chunks_are_whole_characters_and_together_the_tokenizers_text():
    async def main():
        async with running() as engine:
            for seed in range(12):
                text, tokens, _ = await answer(engine, request(seed=seed, max_tokens=25, temperature=0.8))
                whole = TOKENIZER.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
                assert text == whole.replace("�", "")

    asyncio.run(main())


def test_one_reader_gets_every_token_at_once_and_many_get_theirs_in_pieces(monkeypatch):
    async def posts(engine, readers):
        count, post = [], engine._post
        engine._post = lambda: (count.append(1), post())
        wanted = [request(str(i), "The river", temperature=0, max_tokens=100) for i in range(readers)]
        chunks = await asyncio.gather(*[collect(engine, r) for r in wanted])
        engine._post = post
        assert len({"".join(c.text for c in of) for of in chunks}) == 1
        assert {sum(len(c.token_ids) for c in of) for of in chunks} == {100}
        return len(count)

    async def main():
        async with running(max_batch=8) as engine:
            assert await posts(engine, 1) >= 99
            began = time.monotonic()
            assert await posts(engine, 8) < 5 + (time.monotonic() - began) / FRAME_S * 1.5
            monkeypatch.setattr("novelray.generate.embedded.FRAME_S", 0.0)
            monkeypatch.setattr("novelray.generate.embedded.PIECES_PER_S", 10**6)
            assert await posts(engine, 8) >= 99
            monkeypatch.setattr("novelray.generate.embedded.PIECES_PER_S", 100)
            assert await posts(engine, 8) < 60
            logprobs = await collect(engine, request(logprobs=1, max_tokens=50))
            assert all(len(c.logprobs) == 1 for c in logprobs if c.text and len(c.token_ids) == 1)
            assert sum(len(c.logprobs) for c in logprobs) == 50

    asyncio.run(main())


async def collect(engine, wanted):
    return [chunk async for chunk in engine.generate(wanted)]


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (Request("a", tuple(range(40))), PromptTooLongError),
        (Request("a", ()), RequestError),
        (Request("a", (1, 999)), RequestError),
        (Request("a", (1,), Sampling(temperature=-1.0)), RequestError),
        (Request("a", (1,), style={"nobody@1": 1.0}), ModelError),
    ],
)
def test_a_request_that_cannot_run_is_refused_before_the_first_chunk(wanted, error):
    async def main():
        async with running(context=40) as engine:
            with pytest.raises(error) as caught:
                await anext(engine.generate(wanted))
            assert isinstance(caught.value, NovelRayError)
            assert caught.value.hint
            await answer(engine, request())

    asyncio.run(main())


def test_more_than_fit_are_refused_with_a_time_and_the_others_run_on():
    async def main():
        async with running(max_batch=2, max_queue=1) as engine:
            tasks = [asyncio.create_task(answer(engine, request(str(i), max_tokens=100))) for i in range(5)]
            done = await asyncio.gather(*tasks, return_exceptions=True)
            refused = [d for d in done if isinstance(d, QueueFullError)]
            assert len(refused) == 2
            assert all(r.retry_after_s >= 1 for r in refused)
            assert sum(not isinstance(d, Exception) for d in done) == 3

    asyncio.run(main())


def test_cancel_ends_a_stream_as_cancelled_running_or_waiting():
    async def main():
        async with running(max_batch=1, max_queue=5) as engine:
            first, second = engine.generate(request("r", max_tokens=200)), engine.generate(request("w", max_tokens=200))
            await anext(first)
            waiting = asyncio.create_task(anext(second))
            await asyncio.sleep(0)
            engine.cancel("w")
            engine.cancel("r")
            engine.cancel("nobody")
            assert (await waiting).finish_reason == "cancelled"
            assert [c async for c in first][-1].finish_reason == "cancelled"
            await settled(engine)
            await answer(engine, request("r"))

    asyncio.run(main())


def test_a_closed_stream_frees_its_row_within_a_step():
    async def main():
        async with running(max_batch=4, max_queue=300) as engine:
            steps = _count_steps(engine)
            for _ in range(5):
                streams = [engine.generate(request(f"{i}", max_tokens=200)) for i in range(30)]
                firsts = [asyncio.create_task(anext(s)) for s in streams]
                await asyncio.wait(firsts[:4])
                for task in firsts:
                    task.cancel()
                await asyncio.gather(*firsts, return_exceptions=True)
                for stream in streams:
                    await stream.aclose()
                before = steps[0]
                await settled(engine)
                assert steps[0] - before <= 2
            assert not engine._live
            await answer(engine, request())

    asyncio.run(main())


def _count_steps(engine):
    steps, decode = [0], engine._stepper.decode

    def counted():
        steps[0] += 1
        decode()

    engine._stepper.decode = counted
    return steps


def test_a_failing_forward_ends_its_requests_and_the_engine_lives_on():
    async def main():
        async with running(max_batch=2) as engine:
            expected = await answer(engine, request(seed=1))
            forward, calls = engine._stepper.forward, []

            def failing(*args):
                calls.append(1)
                if len(calls) == 6:
                    raise torch.OutOfMemoryError("no room")
                return forward(*args)

            engine._stepper.forward = failing
            done = await asyncio.gather(
                *[answer(engine, request(str(i), seed=1)) for i in range(3)], return_exceptions=True
            )
            assert [type(d) for d in done] == [EngineError, EngineError, tuple]
            assert "memory" in done[0].message
            assert done[2][:2] == expected[:2]

    asyncio.run(main())


def test_of_prompts_that_are_read_together_only_the_one_at_fault_fails():
    async def main():
        wanted = [request(str(i), prompt, seed=1) for i, prompt in enumerate(PROMPTS[:3])]
        async with running(max_batch=6) as engine:
            expected = [await answer(engine, r) for r in wanted]
        async with running(max_batch=6) as engine:
            forward, read, fault = engine._stepper.forward, [], ids("坏")[-1]

            def failing(tokens, *args):
                if not read:
                    time.sleep(0.3)  # the others come meanwhile, and wait together
                read.append(len(engine._stepper.cache.spans))
                if read[-1] and fault in tokens:
                    raise RuntimeError("this token cannot be read")
                return forward(tokens, *args)

            engine._stepper.forward = failing
            bad = Request("bad", (*wanted[0].prompt_ids, fault), wanted[0].sampling)
            first = request("first", seed=1)
            _, *done = await asyncio.gather(*[answer(engine, r) for r in (first, *wanted, bad)], return_exceptions=True)
            assert [d[:2] for d in done[:3]] == [e[:2] for e in expected]
            assert isinstance(done[3], EngineError)
            assert max(read) > 1, "they were read together first"

    asyncio.run(main())


def test_logits_that_are_no_numbers_end_their_own_request_only():
    async def main():
        async with running(max_batch=2) as engine:
            expected = await answer(engine, request(seed=1, max_tokens=60))
            forward, calls = engine._stepper.forward, []

            def poisoned(*args):
                logits = forward(*args)
                calls.append(1)
                if len(calls) == 8:
                    logits[0] = float("nan")
                    engine._stepper.cache.layers[0].values[0] = float("nan")
                return logits

            engine._stepper.forward = poisoned
            done = await asyncio.gather(
                *[answer(engine, request(str(i), seed=1, max_tokens=60)) for i in range(5)], return_exceptions=True
            )
            assert [isinstance(d, EngineError) for d in done].count(True) == 1
            assert all(d[:2] == expected[:2] for d in done if not isinstance(d, EngineError))

    asyncio.run(main())


def test_logprobs_are_the_models_and_name_their_tokens():
    model = make_model(TOKENIZER)
    prompt = ids("话说天下")

    async def main():
        async with running(model) as engine:
            chunks = [c async for c in engine.generate(request(seed=3, logprobs=3, max_tokens=10, temperature=0.5))]
        entries = [e for c in chunks for e in c.logprobs]
        tokens = [t for c in chunks for t in c.token_ids]
        assert [e.token_id for e in entries] == tokens
        with torch.inference_mode():
            own = model(torch.tensor([[*prompt, *tokens]])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        for at, entry in enumerate(entries):
            assert entry.logprob == pytest.approx(own[at, entry.token_id].item(), abs=1e-4)
            assert [i for i, _, _ in entry.top] == own[at].topk(3).indices.tolist()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["llama", "deepseek"])
@pytest.mark.parametrize("limit", [0, 3])
def test_a_prompts_own_logprobs_are_the_models_whatever_was_read_before(kind, limit, monkeypatch):
    monkeypatch.setattr("novelray.generate.stepper.PIECE_TOKENS", 16)
    model = make_model(TOKENIZER, kind)
    prompt = ids("话说天下大势，分久必合，合久必分。" * 2)

    async def main():
        async with running(model) as engine:
            await answer(engine, Request("before", prompt, Sampling(max_tokens=2, temperature=0)))
            asked = Request("r", prompt, Sampling(max_tokens=limit, temperature=0, logprobs=2), scores_prompt=True)
            chunks, other = await asyncio.gather(collect(engine, asked), answer(engine, request("o", max_tokens=3)))
        first, *scored = [e for c in chunks for e in c.prompt_logprobs]
        assert (first.token_id, math.isnan(first.logprob), first.top) == (prompt[0], True, ())
        assert [e.token_id for e in scored] == list(prompt[1:])
        with torch.inference_mode():
            own = model(torch.tensor([prompt])).logits[0].log_softmax(-1)
        for at, entry in enumerate(scored):
            assert entry.logprob == pytest.approx(own[at, entry.token_id].item(), abs=1e-4)
            assert [i for i, _, _ in entry.top] == own[at].topk(2).indices.tolist()
        assert (chunks[-1].finish_reason, chunks[-1].usage.completion_tokens) == ("length", limit)
        assert sum(len(c.token_ids) for c in chunks) == limit
        assert len(other[1]) == 3

    asyncio.run(main())


def test_an_idle_engine_takes_no_processor_time():
    async def main():
        async with running() as engine:
            await answer(engine, request())
            before = time.process_time()
            await asyncio.sleep(0.5)
            assert time.process_time() - before < 0.05

    asyncio.run(main())


def test_close_ends_streams_as_cancelled_and_refuses_new_ones():
    async def main():
        engine = EmbeddedEngine(make_model(TOKENIZER), TOKENIZER, max_batch=1)
        stream = engine.generate(request(max_tokens=200))
        await anext(stream)
        await engine.close()
        assert [c async for c in stream][-1].finish_reason == "cancelled"
        with pytest.raises(EngineError):
            await anext(engine.generate(request("b")))
        await engine.close()

    asyncio.run(main())


def test_prompts_are_encoded_as_in_training_and_chats_by_the_template():
    tokenizer = make_tokenizer()

    async def main():
        engine = EmbeddedEngine(make_model(tokenizer), tokenizer)
        messages = [{"role": "system", "content": "天宫"}, {"role": "user", "content": "话说"}]
        assert TOKENIZER.eos_token_id not in engine.encode("a<|endoftext|>b")
        assert engine.encode_chat(messages) == engine.encode("天宫\n话说")
        tokenizer.chat_template = "{% for m in messages %}{{ m.content }}<|endoftext|>{% endfor %}"
        assert engine.encode_chat(messages) == (*engine.encode("天宫"), 0, *engine.encode("话说"), 0)
        tokenizer.chat_template = "{{ raise_exception('user first') }}"
        with pytest.raises(RequestError, match="user first"):
            engine.encode_chat(messages)
        await engine.close()

    asyncio.run(main())
