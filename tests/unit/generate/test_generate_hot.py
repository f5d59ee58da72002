"""Adapters that come by themselves: loaded once, the longest unused makes room, one in use never does."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from novelray.errors import ModelError
from novelray.generate.hot import HotAdapters
from novelray.generate.protocol import AdaptersBusyError, Chunk, Request, RequestError, Usage


class Engine:
    """Writes until it is told to stop; knows which adapters are loaded and refuses to run without them."""

    def __init__(self):
        self.loaded, self.loads, self.styles, self.stop = set(), [], {}, asyncio.Event()

    async def load_adapter(self, adapter_id, folder):
        assert folder == f"/adapters/{adapter_id}"
        done = asyncio.get_running_loop().create_future()

        def load():  # goes on whoever still waits for it, as in the engine's thread
            self.loads.append(adapter_id)
            self.loaded.add(adapter_id)
            if not done.done():
                done.set_result(None)

        asyncio.get_running_loop().call_later(0.01, load)
        await done

    async def unload_adapter(self, adapter_id):
        if any(adapter_id in style for style in self.styles.values()):
            raise RequestError(f"{adapter_id} is in use")
        self.loaded.discard(adapter_id)

    async def generate(self, request):
        assert set(request.style) <= self.loaded
        self.styles[request.id] = request.style
        try:
            yield Chunk("a", (1,), Usage(1, 1))
            await self.stop.wait()
            yield Chunk("b", (2,), Usage(1, 2), finish_reason="stop")
        finally:
            del self.styles[request.id]

    async def restyle(self, request_id, style):
        assert set(style) <= self.loaded
        if request_id in self.styles:
            self.styles[request_id] = style
        return request_id in self.styles


def hot(most):
    fetched = []

    async def fetch(adapter_id):
        fetched.append(adapter_id)
        if adapter_id == "broken@1":
            raise ModelError("it is damaged")
        return f"/adapters/{adapter_id}"

    engine = HotAdapters(Engine(), fetch, most)
    engine.fetched = fetched
    return engine


def asked(name, *adapters):
    return Request(name, (1,), style=dict.fromkeys(adapters, 1.0))


async def whole(engine, request):
    engine._engine.stop.set()
    async with aclosing(engine.generate(request)) as chunks:
        return [chunk async for chunk in chunks]


def test_an_adapter_is_loaded_when_first_asked_for_and_once_for_all_who_wait():
    async def main():
        engine = hot(2)
        await asyncio.gather(*[whole(engine, asked(str(i), "wuxia@1")) for i in range(5)])
        await whole(engine, asked("base"))
        assert engine.fetched == engine._engine.loads == ["wuxia@1"]

    asyncio.run(main())


def test_the_longest_unused_makes_room():
    async def main():
        engine = hot(2)
        for name in ("a@1", "b@1", "a@1", "c@1"):
            await whole(engine, asked("x", name))
        assert engine.loaded == ("a@1", "c@1")
        assert engine._engine.loaded == {"a@1", "c@1"}
        assert engine._engine.loads == ["a@1", "b@1", "c@1"]

    asyncio.run(main())


def test_what_a_style_needs_does_not_make_room_for_the_rest_of_it():
    async def main():
        engine = hot(2)
        for name in ("a@1", "x@1"):
            await whole(engine, asked("x", name))
        await whole(engine, asked("y", "b@1", "a@1"))
        assert engine._engine.loads == ["a@1", "x@1", "b@1"]

    asyncio.run(main())


def test_one_in_use_is_never_evicted_and_too_many_at_once_are_told_to_come_back():
    async def main():
        engine = hot(2)
        streams = [engine.generate(asked(name, name)) for name in ("a@1", "b@1")]
        for stream in streams:
            await anext(stream)
        with pytest.raises(AdaptersBusyError, match="All 2 places") as caught:
            await anext(engine.generate(asked("c", "c@1")))
        assert caught.value.retry_after_s >= 1
        assert engine._engine.loaded == {"a@1", "b@1"}
        await streams[0].aclose()
        await whole(engine, asked("c", "c@1"))
        assert engine._engine.loaded == {"b@1", "c@1"}
        with pytest.raises(RequestError, match="3 adapters"):
            await anext(engine.generate(asked("d", "a@1", "b@1", "c@1")))

    asyncio.run(main())


def test_a_running_text_gets_adapters_that_were_not_loaded_and_keeps_them():
    async def main():
        engine = hot(2)
        stream = engine.generate(asked("live"))
        await anext(stream)
        assert await engine.restyle("live", {"a@1": 0.5})
        assert not await engine.restyle("gone", {"a@1": 0.5})
        for name in ("b@1", "c@1", "d@1"):
            engine._engine.stop.clear()
            other = engine.generate(asked(name, name))
            await anext(other)
            await other.aclose()
        assert "a@1" in engine._engine.loaded, "the text's own style was evicted under it"
        assert len(engine._engine.loaded) == 2
        await stream.aclose()

    asyncio.run(main())


def test_a_client_that_leaves_during_the_load_leaves_the_count_right():
    async def main():
        engine = hot(1)
        task = asyncio.create_task(whole(engine, asked("x", "a@1")))
        await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await whole(engine, asked("y", "b@1"))
        assert engine._engine.loaded == {"b@1"}
        await whole(engine, asked("z", "a@1"))
        assert engine.loaded == ("a@1",)
        assert engine._engine.loaded == {"a@1"}

    asyncio.run(main())


def test_one_that_cannot_be_fetched_costs_no_place_and_may_be_asked_again():
    async def main():
        engine = hot(1)
        await whole(engine, asked("x", "a@1"))
        for _ in range(2):
            with pytest.raises(ModelError, match="damaged"):
                await whole(engine, asked("y", "broken@1"))
        assert engine.loaded == ("a@1",)

    asyncio.run(main())
