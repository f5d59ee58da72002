"""Rows of the batch change hands while others have not been read yet."""

from __future__ import annotations

import asyncio

from support.tiny_models import make_model, make_tokenizer

from novelray.generate.embedded import EmbeddedEngine
from novelray.generate.protocol import Request, Sampling

PROMPTS = ["话说天下大势，", "The river carried ", "她说", "a", "满纸荒唐言，" * 4, "🙂"]


def test_texts_that_end_with_their_first_token_make_room_for_those_not_read_yet():
    tokenizer = make_tokenizer()

    async def main():
        engine = EmbeddedEngine(make_model(tokenizer), tokenizer, max_batch=4, max_queue=60)

        async def first(name, prompt):
            request = Request(name, engine.encode(prompt), Sampling(1, temperature=0, ignore_eos=True))
            return [chunk.token_ids async for chunk in engine.generate(request)]

        alone = [await first(prompt, prompt) for prompt in PROMPTS]
        together = [first(f"{i}", PROMPTS[i % 6]) for i in range(18)]
        assert await asyncio.wait_for(asyncio.gather(*together), 30) == alone * 3
        await engine.close()

    asyncio.run(main())
