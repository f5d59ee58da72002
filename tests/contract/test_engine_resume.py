"""An answer that goes on after its first tokens, and one that is longer than the context."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from support.engines import TOKENIZER, answer, ids, request, running, settled

from novelray.generate.detokenise import Vocabulary
from novelray.generate.protocol import RequestError
from novelray.generate.windows import reading, window

PIECE = Vocabulary(TOKENIZER).piece
FEW = dict.fromkeys(ids("天下大势分久必合"), 30.0)
"""A text of few tokens repeats itself."""
CASES = {
    "greedy": {"temperature": 0},
    "drawn": {"seed": 5, "temperature": 0.8, "top_p": 0.9},
    "xtc": {"seed": 5, "xtc_probability": 0.5, "xtc_threshold": 0.05, "temperature": 0.9},
    "penalties": {"seed": 2, "repetition_penalty": 1.2, "repetition_penalty_range": 9, "presence_penalty": 0.5},
    "dry": {"seed": 3, "dry_multiplier": 3, "dry_allowed_length": 1, "dry_sequence_breakers": (), "logit_bias": FEW},
    "repetition": {"seed": 2, "repetition_penalty": 2.0, "temperature": 2.0},
    "frequency": {"seed": 3, "frequency_penalty": 1.5, "logit_bias": FEW},
    "characters": {"seed": 4, "max_chars": 50, "max_tokens": 400},
    "least": {"seed": 4, "min_tokens": 20, "ignore_eos": False, "logit_bias": {0: 100.0}},
}


def run(*wanted, **options):
    async def all_of_them():
        async with running(**options) as engine:
            return [await answer(engine, one) for one in wanted]

    return asyncio.run(all_of_them())


async def chunks_of(engine, wanted):
    return [c async for c in engine.generate(wanted)]


@pytest.mark.parametrize("case", CASES)
def test_an_answer_goes_on_as_if_it_had_never_stopped(case):
    wanted = request(prompt="满纸荒唐言，一把辛酸泪！", max_tokens=60)
    wanted = replace(wanted, sampling=replace(wanted.sampling, **{"max_tokens": 60} | CASES[case]))

    async def both():
        async with running() as engine:
            whole = await chunks_of(engine, wanted)
            parts = whole[: len(whole) // 2], whole[:-1]
            tokens = [tuple(t for c in part for t in c.token_ids) for part in parts]
            rests = [await chunks_of(engine, replace(wanted, resumed=some)) for some in tokens]
            await settled(engine)
        return whole, parts, rests

    whole, parts, rests = asyncio.run(both())
    assert len(whole) > 4
    for part, rest in zip(parts, rests, strict=True):
        assert "".join(c.text for c in (*part, *rest)) == "".join(c.text for c in whole)
        assert (rest[-1].finish_reason, rest[-1].stop_reason) == (whole[-1].finish_reason, whole[-1].stop_reason)
        assert rest[-1].usage.completion_tokens == whole[-1].usage.completion_tokens


def test_a_stop_string_that_begins_before_the_break_is_found_after_it():
    ((_, tokens, _),) = run(request(max_tokens=40, temperature=0))
    at = next(i for i in range(5, 30) if PIECE(tokens[i]).isascii() and PIECE(tokens[i - 1]).isascii())
    stop = (PIECE(tokens[at - 1]) + PIECE(tokens[at])).decode()
    wanted = request(max_tokens=40, temperature=0, stop=(stop,))
    ((cut, seen, last),) = run(wanted)
    assert last.stop_reason == stop

    async def resumed():
        async with running() as engine:
            found = []
            for k in range(1, len(seen)):
                rest = await chunks_of(engine, replace(wanted, resumed=seen[:k]))
                found.append((rest[-1].stop_reason, cut.endswith("".join(c.text for c in rest))))
            return found

    assert set(asyncio.run(resumed())) == {(stop, True)}


def test_a_text_slides_past_the_context_and_does_so_again_when_it_is_gone_on_with():
    wanted = replace(request(prompt="话说天下大势，分久必合。", max_tokens=300, temperature=0), slides=True)

    async def both():
        async with running(context=64) as engine:
            text, tokens, last = await answer(engine, wanted)
            for k in (40, 64, 65, 150, 299):
                rest = [c async for c in engine.generate(replace(wanted, resumed=tokens[:k]))]
                assert tuple(t for c in rest for t in c.token_ids) == tokens[k:], k
            return text, tokens, last

    text, tokens, last = asyncio.run(both())
    assert len(tokens) == 300
    assert last.finish_reason == "length"
    assert text


def test_what_slides_reads_its_window_as_a_prompt():
    wanted = replace(request(prompt="话说天下大势，分久必合。", max_tokens=120, temperature=0), slides=True)
    first = 64 - len(wanted.prompt_ids)

    async def both():
        async with running(context=64) as engine:
            _, tokens, _ = await answer(engine, wanted)
            read = window(wanted.prompt_ids, tokens[:first], 64, PIECE)
            _, again, _ = await answer(engine, replace(wanted, id="b", prompt_ids=read, slides=False))
            return tokens, again

    tokens, again = asyncio.run(both())
    assert tokens[first : first + len(again)] == again


def test_a_sliding_text_is_the_same_alone_and_among_others():
    wanted = replace(request(max_tokens=200, seed=3), slides=True)

    async def both():
        async with running(context=64, max_batch=4) as engine:
            alone = await answer(engine, wanted)
            others = [request(f"o{i}", max_tokens=40 + i, seed=i) for i in range(5)]
            return alone, (await asyncio.gather(answer(engine, wanted), *[answer(engine, o) for o in others]))[0]

    alone, among = asyncio.run(both())
    assert alone[1] == among[1]


def test_an_answer_that_has_ended_is_not_gone_on_with():
    with pytest.raises(RequestError):
        run(replace(request(max_tokens=3), resumed=ids("abcdef")))
    with pytest.raises(RequestError):
        run(replace(request(stop=("b",)), resumed=ids("abc")))
    with pytest.raises(RequestError):
        run(replace(request(), resumed=(10**6,)))


def test_a_window_keeps_the_beginning_and_the_newest_text_cut_at_ends():
    def read(text):
        return tuple(text.encode())

    def piece(token):
        return bytes([token])

    prompt = "序。这是开头的一句话。" + "甲" * 40
    output = "乙乙乙。" * 20 + "\n" + "丙丙。" * 12
    found = window(read(prompt), read(output), 240, piece)
    text = bytes(found).decode()
    assert text == "序。这是开头的一句话。" + "丙丙。" * 12
    assert len(found) <= 180
    endless = window(read("啊" * 80), read("呀" * 200), 240, piece)
    assert bytes(endless).decode() == "啊" * 20 + "呀" * 40, "cut between characters where no sentence ends"


@pytest.mark.parametrize("context", [4, 7, 64])
def test_a_window_always_leaves_room(context):
    prompt, output = tuple(range(97, 97 + context - 1)), tuple([98] * 200)
    for k in range(200):
        assert len(reading(prompt, output[:k], context, lambda t: bytes([t % 128]))) < context
