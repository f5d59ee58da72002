"""Adapters beside a base, and styles made of them: what every engine promises."""

from __future__ import annotations

import asyncio
import json

import pytest
from support.engines import TOKENIZER, answer, ids, make_adapter, plain_loop, request, running, settled
from support.tiny_models import make_model

from novelray.errors import ModelError
from novelray.generate.protocol import RequestError


def test_rows_with_different_adapters_and_none_share_a_batch(tmp_path):
    prompt = ids("话说天下")
    expected = {None: plain_loop(make_model(TOKENIZER), prompt, 30)}
    kinds = {"wuxia@1": {}, "letters@2": {}, "dora@3": {"use_dora": True}, "head@4": {"target_modules": ["lm_head"]}}
    for seed, (name, kind) in enumerate(kinds.items(), 1):
        adapted = make_adapter(tmp_path / name, make_model(TOKENIZER), seed, **kind)
        expected[name] = plain_loop(adapted, prompt, 30)
    assert len(set(expected.values())) == 5

    async def main():
        async with running(max_batch=6) as engine:
            for name in kinds:
                await engine.load_adapter(name, str(tmp_path / name))
            order = [None, *kinds, None]
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


@pytest.mark.usefixtures("every_engine")
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
