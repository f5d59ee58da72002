"""Many prompts in one call, for evaluation: the engine's own core, without its thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from novelray.generate.batcher import Batcher
from novelray.generate.detokenise import Vocabulary
from novelray.generate.generation import Event, Generation
from novelray.generate.limits import context_of, end_ids, new_tokens
from novelray.generate.prompts import Prompts
from novelray.generate.protocol import Request, Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MAX_BATCH = 16


def complete(model: Any, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], sampling: Sampling) -> list[str]:
    """The continuation of each prompt, in their order. Prompt number i draws with seed `sampling.seed` + i.

    The model is left as it was. Raises PromptTooLongError and RequestError before anything is computed.
    """
    from novelray.generate.stepper import Stepper

    training = model.training
    context, ends, encoder, vocabulary = (
        context_of(model, None), end_ids(model, tokenizer), Prompts(tokenizer), Vocabulary(tokenizer)
    )  # fmt: skip
    stepper = Stepper(model.eval(), vocabulary, Batcher(MAX_BATCH, len(prompts)), context)
    answers: list[list[Event]] = [[] for _ in prompts]
    try:
        for i, prompt in enumerate(prompts):
            seeded = sampling if sampling.seed is None else replace(sampling, seed=sampling.seed + i)
            request = Request(str(i), encoder.encode(prompt), seeded)
            limit = new_tokens(request, context, stepper.vocabulary_size)
            stepper.batcher.submit(Generation(request, limit, ends, vocabulary, answers[i].append))
        while not stepper.idle:
            stepper.prefill()
            stepper.decode()
    finally:
        model.train(training)
    return [_text(events) for events in answers]


def _text(events: list[Event]) -> str:
    for event in events:
        if isinstance(event, Exception):
            raise event
    return "".join(event.text for event in events if not isinstance(event, Exception))
