"""A prompt that was read is not read again, and nobody can tell by the text."""

from __future__ import annotations

import asyncio

from support.engines import PROMPTS, TOKENIZER, answer, ids, request, running
from support.tiny_models import make_model


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
