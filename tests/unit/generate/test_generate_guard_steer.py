"""A model that would copy a book is steered away from it, token by token, and tells so."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
import torch
from support.guarding import index_of
from support.tiny import tiny_llama
from support.tiny_models import sentencepiece_like

from novelray.generate.detokenise import Vocabulary
from novelray.generate.embedded import EmbeddedEngine
from novelray.generate.guard.build import build_guard
from novelray.generate.guard.copying import CopyRun, Limits
from novelray.generate.guard.engine import Guard, guarded
from novelray.generate.guard.steer import Steerer
from novelray.generate.protocol import Request, Sampling
from novelray.models.load import from_folder
from novelray.recipe.guard import GuardSection
from novelray.shards.tokenizer import load_tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")
LIMITS = Limits(30, 60)
BOOK = (
    "山雨欲来风满楼，江湖夜雨十年灯。老船夫把船系在柳树下，坐在船头抽了一袋烟，说今夜有雨。"
    "The rain fell on the river town, and she wrote a letter to nobody in particular, sealed it, and let it go. "
    "他笑而不答。河水涨了一尺，桥上的人都回家去了，只有灯还亮着。"
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tiny_llama(tmp_path_factory.mktemp("tiny"))
    return folder, load_tokenizer(folder)


class Copying:
    """A forward that always finds the book's next token by far the likeliest, whatever was written before."""

    def __init__(self, forward, ids, start):
        self.forward, self.ids, self.start = forward, ids, start

    def __call__(self, input_ids, positions, mask, cache, every=False):
        logits = self.forward(input_ids, positions, mask, cache, every)
        for row, at in enumerate(positions[:, -1].tolist()):
            logits[row, self.ids[(at + 1 - self.start) % len(self.ids)]] += 50
        return logits


def written(parts, guard, n=1, **sampling):
    """The answers of the copying model: texts, last chunks and interventions."""
    answers = pieces_of(parts, guard, [()] * n, **sampling)
    return [("".join(c.text for c in of), of[-1], done_in(of)) for of in answers]


def done_in(chunks):
    return [d for c in chunks for d in c.interventions]


def pieces_of(parts, guard, resumed, **sampling):
    """The chunks of the copying model's answers, which go on after the tokens that are there."""
    folder, tokenizer = parts
    ids = tokenizer(BOOK)["input_ids"]
    engine = EmbeddedEngine(from_folder(folder, torch.float32), tokenizer, prefix_bytes=0)
    prompt = engine.encode("从前，")
    engine._stepper.forward = Copying(engine._stepper.forward, ids, len(prompt))
    engine._stepper.vocabulary_size = min(engine._stepper.vocabulary_size, len(tokenizer))

    async def one(number, tokens):
        wanted = Sampling(max_tokens=len(ids), ignore_eos=True, **sampling)
        asked = Request(str(number), prompt, wanted, resumed=tokens)
        return [c async for c in guarded(engine, guard).generate(asked)]

    async def all_of_them():
        found = await asyncio.gather(*map(one, range(len(resumed)), resumed))
        await engine.close()
        return found

    return asyncio.run(all_of_them())


def test_a_model_that_copies_is_led_away_at_the_limit_and_goes_on_writing(parts):
    index = index_of(BOOK)
    ((copied, last, _),) = written(parts, Guard(), temperature=0)
    assert (copied, last.finish_reason) == (BOOK, "length")
    steered = written(parts, Guard(index=index, limits=LIMITS, steerer=Steerer(index, LIMITS)), 3, temperature=0.7)
    for text, last, done in steered:
        assert last.finish_reason == "length"
        assert CopyRun(index, LIMITS).push(text) is None
        assert text.startswith("山雨欲来风满楼，江湖夜雨十年灯。老船夫把船系在柳树下，坐在船头")
        assert not text.startswith(BOOK[:40])
        assert len(done) >= 3  # it takes up the book again, and is led away again
        assert {(d.rule, d.action) for d in done} == {("copying", "steer")}
        assert [d.offset for d in done] == sorted(d.offset for d in done)
    ((text, last, _),) = written(parts, Guard(index=index, limits=LIMITS), temperature=0)
    assert last.finish_reason == "content_filter"
    assert steered[0][0].startswith(text)


def test_a_copy_that_was_led_away_from_is_told_once_wherever_the_answer_was_broken_off(parts):
    index = index_of(BOOK)
    guard = Guard(index=index, limits=LIMITS, steerer=Steerer(index, LIMITS))
    (whole,) = pieces_of(parts, guard, [()], temperature=0)
    for k in range(1, len(whole), 7):
        (rest,) = pieces_of(parts, guard, [tuple(t for c in whole[:k] for t in c.token_ids)], temperature=0)
        both = [*whole[:k], *rest]
        assert "".join(c.text for c in both) == "".join(c.text for c in whole), f"broken off after {k} pieces"
        assert done_in(both) == done_in(whole)
    assert len(done_in(whole)) >= 3


def test_the_table_of_tokens_is_made_when_a_replica_starts_and_not_while_texts_stream(parts):
    vocabulary, index = Vocabulary(parts[1]), index_of(BOOK)
    section = GuardSection.model_validate({"copying": {"action": "steer"}})
    guard = build_guard(section, SimpleNamespace(vocabulary=vocabulary), lambda: index)
    assert vocabulary in guard.steerer._tables


@pytest.mark.parametrize("kind", ["byte-level", "byte fallback"])
def test_exactly_the_tokens_that_go_too_far_are_taken_out(parts, kind):
    """Against trying every token of the vocabulary, at each place of the book."""
    tokenizer = parts[1] if kind == "byte-level" else sentencepiece_like()
    vocabulary, index = Vocabulary(tokenizer), index_of(BOOK)
    steering = Steerer(index, LIMITS).new()
    steering.start(vocabulary)
    run, followed = CopyRun(index, LIMITS), vocabulary.detokeniser()
    found = 0
    for token in tokenizer(BOOK)["input_ids"]:
        expected = {t for t in range(vocabulary.size) if run.copy().push(followed.peek(t)) is not None}
        assert set(steering.banned()) == expected
        found += len(expected)
        if token in expected:  # something else comes in its place
            token = next(t for t in tokenizer("z鑫z")["input_ids"] if t not in expected)
        steering.push(token)
        run.push(followed.push(token))
    assert found > 5


def test_a_neighbour_without_a_guard_writes_what_it_writes_alone(parts):
    index = index_of(BOOK)
    guard = Guard(index=index, limits=LIMITS, steerer=Steerer(index, LIMITS))
    alone = written(parts, guard, temperature=1.0, seed=3)[0][0]
    among = written(parts, guard, 3, temperature=1.0, seed=3)
    assert {text for text, _, _ in among} == {alone}
