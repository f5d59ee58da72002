"""Where every engine's texts end and why, and the samplers of fiction in company."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from support.engines import PROMPTS, answer, ids, request, running

from novelray.generate.reading import count, first


def test_the_same_seed_gives_the_same_answer_among_thirty_one_with_every_sampler():
    plans = [
        {"dry_multiplier": 1.0, "dry_allowed_length": 1}, {"xtc_probability": 1.0}, {"typical_p": 0.8, "top_k": 90},
        {"repetition_penalty": 1.3, "repetition_penalty_range": 9}, {"min_chars": 40, "ignore_eos": False},
        {"temperature": 2.0, "temperature_last": True, "min_p": 0.1}, {"max_chars": 20, "loop_repeats": 2}, {},
    ]  # fmt: skip

    async def main():
        async with running(max_batch=32) as engine:
            wanted = [request(str(i), PROMPTS[i % 7], seed=i, **plans[i % 8]) for i in range(32)]
            together = await asyncio.gather(*[answer(engine, r) for r in wanted])
            for i in (0, 1, 2, 3, 4, 5, 6, 31):
                text, tokens, last = await answer(engine, wanted[i])
                assert (text, tokens, last.finish_reason) == (*together[i][:2], together[i][2].finish_reason)

    asyncio.run(main())


@pytest.mark.usefixtures("every_engine")
def test_a_stop_string_ends_the_answer_and_is_not_in_it():
    async def main():
        async with running() as engine:
            whole, *_ = await answer(engine, request(seed=1, max_tokens=60))
            stop = whole[20:26]
            text, _, last = await answer(engine, request(seed=1, max_tokens=60, stop=("never", stop)))
            assert (text, last.finish_reason, last.stop_reason) == (whole[: whole.find(stop)], "stop", stop)
            text, _, last = await answer(engine, request(seed=1, max_tokens=60, stop=(whole[-1:] + "never",)))
            assert (text, last.finish_reason) == (whole, "length"), "what was held back belongs to the answer"

    asyncio.run(main())


@pytest.mark.usefixtures("every_engine")
def test_the_end_token_stops_and_is_no_text():
    async def main():
        async with running() as engine:
            text, tokens, last = await answer(engine, request(ignore_eos=False, logit_bias={0: 1000.0}))
            assert (text, tokens, last.finish_reason, last.stop_reason) == ("", (0,), "stop", None)
            _, tokens, last = await answer(engine, request(max_tokens=3, logit_bias={0: 1000.0}))
            assert (tokens, last.finish_reason) == ((0, 0, 0), "length")

    asyncio.run(main())


@pytest.mark.usefixtures("every_engine")
def test_a_stop_token_ends_the_answer_is_named_and_is_no_text():
    async def main():
        async with running() as engine:
            whole, tokens, _ = await answer(engine, request(seed=1, max_tokens=60))
            stop = next(t for t in tokens[10:] if t not in tokens[:10])
            text, given, last = await answer(engine, request(seed=1, max_tokens=60, stop_token_ids=(383, stop)))
            assert given == tokens[: tokens.index(stop) + 1]
            assert (last.finish_reason, last.stop_reason) == ("stop", stop)
            assert whole.startswith(text)
            assert len(text) < len(whole)

    asyncio.run(main())


@pytest.mark.usefixtures("every_engine")
def test_before_its_least_tokens_no_token_ends_an_answer_and_then_the_first_may():
    async def main():
        async with running() as engine:
            ends = {0: 1000.0, 7: 900.0}
            wanted = request(ignore_eos=False, min_tokens=5, stop_token_ids=(7,), logit_bias=ends, seed=1)
            _, tokens, last = await answer(engine, wanted)
            assert not {0, 7} & set(tokens[:5])
            assert (tokens[5:], last.finish_reason, last.stop_reason) == ((0,), "stop", None)
            _, tokens, last = await answer(engine, request(min_tokens=5, stop_token_ids=(7,), logit_bias={7: 900.0}))
            assert (len(tokens), last.stop_reason) == (6, 7)

    asyncio.run(main())


@pytest.mark.usefixtures("every_engine")
def test_before_its_least_characters_no_token_ends_an_answer():
    async def main():
        async with running() as engine:
            for least in (1, 9, 30):
                wanted = request(ignore_eos=False, min_chars=least, logit_bias={0: 1000.0}, seed=least, max_tokens=99)
                text, _, last = await answer(engine, wanted)
                assert last.finish_reason == "stop"
                assert least <= count(text) < least + 12, "the end came with the first token that was allowed to"

    asyncio.run(main())


def test_the_most_characters_are_exact_even_inside_a_token():
    """The river's tokens have several letters each; the mountain's characters are several tokens."""

    async def main():
        async with running() as engine:
            many = dict.fromkeys(ids("The river carried the lamp away 满纸荒唐言，一把辛酸泪！"), 6.0)
            whole, *_ = await answer(engine, request(seed=2, max_tokens=60, logit_bias=many))
            assert count(whole) > 40
            for most in range(1, 40):
                asked = request(str(most), seed=2, max_tokens=60, logit_bias=many, max_chars=most, stop=("never",))
                text, tokens, last = await answer(engine, asked)
                assert text == first(whole, most)
                assert count(text) == most
                assert (last.finish_reason, last.stop_reason) == ("length", None)
                assert len(tokens) < 60

    asyncio.run(main())


def test_a_loop_ends_the_answer_with_whole_characters_only():
    async def main():
        async with running() as engine:
            unit = ids("猴")
            for token in (*unit, ids("a")[0]):  # alone, a Hanzi's first bytes are no character
                wanted = request(logit_bias={token: 1000.0}, loop_repeats=4, max_tokens=100)
                text, tokens, last = await answer(engine, wanted)
                assert (last.finish_reason, last.stop_reason) == ("stop", "loop")
                assert set(tokens) == {token}
                assert "�" not in text
            assert text == "a" * len(tokens)
            _, tokens, last = await answer(engine, request(logit_bias={token: 1000.0}, max_tokens=100))
            assert (len(tokens), last.finish_reason) == (100, "length"), "off unless asked for"

    asyncio.run(main())


@pytest.mark.usefixtures("every_engine")
def test_dry_keeps_an_answer_out_of_the_loop_that_would_end_it():
    async def main():
        async with running() as engine:
            drawn_to = {"temperature": 0, "max_tokens": 150, "loop_repeats": 3, "logit_bias": {ids("a")[0]: 30.0}}
            _, tokens, last = await answer(engine, request("g", "x", **drawn_to))
            assert last.stop_reason == "loop"
            _, tokens, last = await answer(engine, request("d", "x", **drawn_to, dry_multiplier=40.0))
            assert (last.finish_reason, len(tokens)) == ("length", 150)
            runs = [len(list(run)) for _, run in itertools.groupby(tokens)]
            assert max(runs) <= 4, "the first may be as long as it takes to become a repetition"

    asyncio.run(main())


@pytest.mark.usefixtures("every_engine")
def test_the_context_bounds_an_answer_and_says_length():
    async def main():
        async with running(context=40) as engine:
            _, tokens, last = await answer(engine, request(max_tokens=1000))
            assert (last.finish_reason, len(tokens)) == ("length", 40 - len(ids("话说天下")))
            assert engine.capacity().context == 40

    asyncio.run(main())
