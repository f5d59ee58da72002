"""What every engine promises (novelray.generate.protocol.Engine), run against the embedded one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import pytest
import torch
from support.tiny_models import make_model, make_tokenizer

from novelray.errors import ModelError, NovelRayError
from novelray.generate.embedded import EmbeddedEngine
from novelray.generate.protocol import (
    EngineError,
    PromptTooLongError,
    QueueFullError,
    Request,
    RequestError,
    Sampling,
)

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
    style = {} if adapter is None else adapter if isinstance(adapter, dict) else {adapter: 1.0}
    return Request(name, ids(prompt), Sampling(**{"ignore_eos": True, "max_tokens": 30} | sampling), style)


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


@torch.inference_mode()
def plain_loop(model, prompt, count):
    """Greedy tokens by whole forwards, without a cache: what any faster way has to equal."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(int(model(torch.tensor([tokens])).logits[0, -1].argmax()))
    return tuple(tokens[len(prompt) :])


async def settled(engine):
    """Wait until nothing runs; fails when it takes long."""
    async with asyncio.timeout(5):
        while engine.capacity().running or engine.capacity().waiting:
            await asyncio.sleep(0.005)


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


def test_a_prompt_that_comes_again_is_not_read_again_and_its_text_is_the_same(monkeypatch):
    monkeypatch.setattr("novelray.generate.stepper.PIECE_TOKENS", 16)
    longer = PROMPTS[5] + "她说"
    whole, again = ids(PROMPTS[5]), ids(longer)

    async def main():
        model = make_model(TOKENIZER)
        async with running(model, prefix_bytes=0) as engine:
            cold = [await answer(engine, request(prompt=p, seed=1, logprobs=1)) for p in (PROMPTS[5], longer)]
            assert [last.usage.cached_tokens for *_, last in cold] == [0, 0]
        async with running(model) as engine:
            first = await answer(engine, request(prompt=PROMPTS[5], seed=1, logprobs=1))
            calls = []
            engine._stepper.forward = watch(engine._stepper.forward, calls)
            retry = await answer(engine, request(prompt=PROMPTS[5], seed=1, logprobs=1))
            assert not [n for n in calls if n > 1], "no piece of the prompt is computed"
            goes_on = await answer(engine, request(prompt=longer, seed=1, logprobs=1))
        assert first[:2] == retry[:2] == cold[0][:2]
        assert goes_on[:2] == cold[1][:2]
        assert first[2].logprobs == retry[2].logprobs, "not even in the last bit"
        assert [r[2].usage.cached_tokens for r in (first, retry)] == [0, len(whole)]
        common = next((i for i, (a, b) in enumerate(zip(whole, again, strict=False)) if a != b), len(whole))
        assert goes_on[2].usage.cached_tokens == common // 16 * 16 > 0

    asyncio.run(main())


def watch(forward, calls):
    """The forward, noting how many tokens of each row it is given."""

    def watched(ids, *rest):
        calls.append(ids.shape[1])
        return forward(ids, *rest)

    return watched


def test_answers_to_one_prompt_read_it_once():
    async def main():
        async with running(max_batch=4) as engine:
            wanted = [request(str(i), PROMPTS[5], seed=i) for i in range(4)]
            usages = [last.usage for *_, last in await asyncio.gather(*[answer(engine, r) for r in wanted])]
            assert sorted(u.cached_tokens for u in usages) == [0, *[len(ids(PROMPTS[5]))] * 3]

    asyncio.run(main())


def test_what_was_read_with_one_adapter_is_not_used_with_another_nor_after_a_reload(tmp_path):
    for name in ("one", "two"):
        make_adapter(tmp_path / name, make_model(TOKENIZER), {"one": 1, "two": 2}[name])

    async def main():
        async with running() as engine:
            await engine.load_adapter("x@1", str(tmp_path / "one"))
            styles = [{}, {"x@1": 1.0}, {"x@1": 0.5}]
            texts = [await answer(engine, request(adapter=s, temperature=0)) for s in styles]
            assert len({tokens for _, tokens, _ in texts}) == 3
            assert [last.usage.cached_tokens for *_, last in texts] == [0, 0, 0]
            await engine.unload_adapter("x@1")
            await engine.load_adapter("x@1", str(tmp_path / "two"))  # an id that lies
            other = await answer(engine, request(adapter="x@1", temperature=0))
            assert other[2].usage.cached_tokens == 0
            assert other[1] != texts[1][1]

    asyncio.run(main())


def test_the_same_seed_gives_the_same_answer_alone_and_among_31_others():
    plans = [{}, {"temperature": 0.7, "top_p": 0.9}, {"top_k": 20, "repetition_penalty": 1.2, "logprobs": 2}]

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


def test_a_stop_string_ends_the_answer_and_is_not_in_it():
    async def main():
        async with running() as engine:
            whole, *_ = await answer(engine, request(seed=1, max_tokens=60))
            stop = whole[20:26]
            text, _, last = await answer(engine, request(seed=1, max_tokens=60, stop=("never", stop)))
            assert (text, last.finish_reason) == (whole[: whole.find(stop)], "stop")
            text, _, last = await answer(engine, request(seed=1, max_tokens=60, stop=(whole[-1:] + "never",)))
            assert (text, last.finish_reason) == (whole, "length"), "what was held back belongs to the answer"

    asyncio.run(main())


def test_the_end_token_stops_and_is_no_text():
    async def main():
        async with running() as engine:
            text, tokens, last = await answer(engine, request(ignore_eos=False, logit_bias={0: 1000.0}))
            assert (text, tokens, last.finish_reason) == ("", (0,), "stop")
            _, tokens, last = await answer(engine, request(max_tokens=3, logit_bias={0: 1000.0}))
            assert (tokens, last.finish_reason) == ((0, 0, 0), "length")

    asyncio.run(main())


def test_the_context_bounds_an_answer_and_says_length():
    async def main():
        async with running(context=40) as engine:
            _, tokens, last = await answer(engine, request(max_tokens=1000))
            assert (last.finish_reason, len(tokens)) == ("length", 40 - len(ids("话说天下")))
            assert engine.capacity().context == 40

    asyncio.run(main())


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


def make_adapter(folder, model, seed, **changes):
    """A PEFT folder with random A and B, and the model with it in."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(
        r=4, lora_alpha=16, target_modules=["q_proj", "v_proj", "up_proj"], init_lora_weights=False, **changes
    )
    adapted = get_peft_model(model, config).eval()
    adapted.save_pretrained(folder)
    return adapted


def test_rows_with_different_adapters_and_none_share_a_batch(tmp_path):
    prompt = ids("话说天下")
    expected = {None: plain_loop(make_model(TOKENIZER), prompt, 30)}
    for seed, name, kind in ((1, "wuxia@1", {}), (2, "letters@2", {}), (3, "dora@3", {"use_dora": True})):
        adapted = make_adapter(tmp_path / name, make_model(TOKENIZER), seed, **kind)
        expected[name] = plain_loop(adapted, prompt, 30)
    assert len(set(expected.values())) == 4

    async def main():
        async with running(max_batch=6) as engine:
            for name in ("wuxia@1", "letters@2", "dora@3"):
                await engine.load_adapter(name, str(tmp_path / name))
            order = [None, "wuxia@1", "letters@2", "dora@3", "wuxia@1", None]
            wanted = [request(str(i), adapter=name, temperature=0) for i, name in enumerate(order)]
            answers = await asyncio.gather(*[answer(engine, r) for r in wanted])
            assert [tokens for _, tokens, _ in answers] == [expected[name] for name in order]

            stream = engine.generate(request("busy", adapter="wuxia@1", max_tokens=200))
            await anext(stream)
            with pytest.raises(RequestError, match="in use"):
                await engine.unload_adapter("wuxia@1")
            await stream.aclose()
            await settled(engine)
            await engine.unload_adapter("wuxia@1")
            with pytest.raises(ModelError, match="not loaded"):
                await answer(engine, request(adapter="wuxia@1"))
            assert (await answer(engine, request(temperature=0)))[1] == expected[None]

    asyncio.run(main())


def test_a_style_is_the_weighted_sum_of_what_its_adapters_add(tmp_path):
    from peft import PeftModel

    style = {"wuxia@1": 0.7, "letters@2": 0.3}
    for seed, name in enumerate(style):
        make_adapter(tmp_path / name, make_model(TOKENIZER), seed + 1)
    model = make_model(TOKENIZER)
    blended = PeftModel.from_pretrained(make_model(TOKENIZER), tmp_path / "wuxia@1", adapter_name="wuxia")
    blended.load_adapter(tmp_path / "letters@2", adapter_name="letters")
    blended.add_weighted_adapter(["wuxia", "letters"], [0.7, 0.3], "both", combination_type="cat")
    blended.set_adapter("both")
    expected = plain_loop(blended.merge_and_unload(adapter_names=["both"]), ids("话说天下"), 30)

    async def main():
        async with running(model) as engine:
            for name in style:
                await engine.load_adapter(name, str(tmp_path / name))
            wanted = [request("blend", adapter=style, temperature=0), request("base", temperature=0)]
            blend, base = await asyncio.gather(*[answer(engine, r) for r in wanted])
            nothing = await answer(engine, request(adapter={"wuxia@1": 0.0}, temperature=0))
        assert blend[1] == expected
        assert nothing[1] == base[1] != blend[1]

    asyncio.run(main())


def test_a_style_changes_while_the_text_streams_on(tmp_path):
    make_adapter(tmp_path / "wuxia", make_model(TOKENIZER), 1)
    adapter = "wuxia@1"

    async def main():
        async with running(max_batch=2) as engine:
            await engine.load_adapter(adapter, str(tmp_path / "wuxia"))
            plain = (await answer(engine, request(temperature=0, max_tokens=120)))[1]
            tokens = []
            async for chunk in engine.generate(request("live", temperature=0, max_tokens=120)):
                if not tokens:
                    assert await engine.restyle("live", {adapter: 1.0})
                tokens += chunk.token_ids
            same = next(i for i, (a, b) in enumerate(zip(tokens, plain, strict=True)) if a != b)
            assert 1 <= same < 100, "what was said before stays, what follows is in the new style"
            with pytest.raises(ModelError, match="not loaded"):
                await engine.restyle("live", {"nobody@9": 1.0})
            with pytest.raises(RequestError, match="weight"):
                await engine.restyle("live", {adapter: float("nan")})
            assert not await engine.restyle("gone", {adapter: 1.0})

    asyncio.run(main())


def test_an_adapter_that_does_not_fit_is_refused_and_changes_nothing(tmp_path):
    make_adapter(tmp_path / "wide", make_model(TOKENIZER, hidden_size=128), 1)
    make_adapter(tmp_path / "biased", make_model(TOKENIZER), 1, lora_bias=True)
    make_adapter(tmp_path / "dora", make_model(TOKENIZER), 1)
    config = tmp_path / "dora" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"use_dora": True}))
    make_adapter(tmp_path / "other", make_model(TOKENIZER), 1)
    (tmp_path / "other" / "base.json").write_text(json.dumps({"source": "folder:/x", "digest": "abc"}))
    (tmp_path / "torn").mkdir()

    async def main():
        async with running(base_digest="xyz") as engine:
            before = await answer(engine, request(temperature=0))
            for name, why in (
                ("wide", "does not fit"),
                ("biased", "lora_bias"),
                ("dora", "DoRA lengths"),
                ("other", "abc"),
                ("torn", "adapter_config"),
            ):
                with pytest.raises(ModelError, match=why):
                    await engine.load_adapter(name, str(tmp_path / name))
            assert (await answer(engine, request(temperature=0)))[:2] == before[:2]

    asyncio.run(main())
