"""One step of the model at a time: take in who waits, read a piece of their prompts, give every running row a token.

No threads in here: `embedded.py` runs it in one, `offline.py` calls it directly.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from novelray.errors import NovelRayError
from novelray.generate.batcher import Batcher
from novelray.generate.cache import RowCache, Span
from novelray.generate.detokenise import Vocabulary
from novelray.generate.forward import Forward, General
from novelray.generate.generation import Generation
from novelray.generate.lora import Adapters
from novelray.generate.prefix import Piece, PrefixStore, key_after
from novelray.generate.protocol import EngineError, TokenLogprob
from novelray.generate.samplers import Samplers, SamplerState, scored
from novelray.generate.steady import FEWEST_ROWS, is_exact, padded_rows
from novelray.generate.windows import reading, window
from novelray.models.heads import Head, classify

log = logging.getLogger(__name__)

PREFILL_TOKENS = 512
"""Prompt tokens read in one step, so that a long prompt does not stop the others' streams for long."""

PIECE_TOKENS = 256
"""A prompt is cut at multiples of this, never elsewhere: how it is computed must not depend on who else is there."""


@dataclass(frozen=True)
class _Next:
    """The next piece of a prompt; `key` as in prefix.py."""

    generation: Generation
    tokens: tuple[int, ...]
    key: bytes

    @property
    def ends(self) -> bool:
        """Whether the prompt is read with it."""
        return self.generation.prefilled + len(self.tokens) == len(self.generation.prompt)


class Stepper:
    """The model, its cache and the rows in it."""

    def __init__(
        self,
        model: Any,
        vocabulary: Vocabulary,
        batcher: Batcher,
        context: int,
        base_digest: str | None = None,
        forward: Forward | None = None,
        prefix_bytes: int = 0,
    ) -> None:
        """`forward`: default: the model's own. `prefix_bytes`: memory for what may be read again (see prefix.py)."""
        self.model, self.vocabulary, self.batcher, self.context = model, vocabulary, batcher, context
        self.forward: Forward = forward or General(model)
        self.prefixes = PrefixStore(prefix_bytes)
        weight = next(model.parameters())
        self.device, self.dtype, self.exact = weight.device, weight.dtype, is_exact(model)
        self._always, self._never = torch.tensor([0.0, -math.inf], dtype=self.dtype, device=self.device)
        config = model.config.get_text_config()
        self.vocabulary_size = int(config.vocab_size)
        self.adapters = Adapters(model, self.exact, base_digest)
        self.cache = RowCache(int(config.num_hidden_layers), max(FEWEST_ROWS, batcher.max_batch), context)
        self._many = self.exact and self.forward.reads_many  # elsewhere a row's bits would depend on the others
        self._samplers: Samplers | None = None

    @property
    def idle(self) -> bool:
        return not self.batcher.rows and not self.batcher.waiting

    @torch.inference_mode()
    def prefill(self) -> bool:
        """Admit who waits, and read up to PREFILL_TOKENS of the prompts; finished prompts get their first token.

        Returns whether there was something to read.
        """
        self.drop_cancelled()
        for generation in self.batcher.admit():
            self._admit(generation)
        left = PREFILL_TOKENS
        while left > 0 and (batch := self._to_read(left)):
            left -= sum(len(n.tokens) for n in batch)
            self._guarded([n.generation for n in batch], lambda: self._prefill(batch))
        return left < PREFILL_TOKENS

    @torch.inference_mode()
    def decode(self) -> None:
        """One more token for every row whose prompt is read."""
        self.drop_cancelled()
        running = [g for g in self.batcher.rows if not g.prefilling]
        if running:
            self._guarded(running, lambda: self._decode(running))

    def classify(self, heads: Sequence[Head], token_ids: Sequence[int]) -> dict[str, list[float]]:
        """The probabilities of each head's classes for a text, read without the cache and without any adapter."""
        self.adapters.use([])
        try:
            return classify(self.model, heads, token_ids)
        except Exception as error:
            raise _explained(error) from error

    def fail_all(self, error: NovelRayError) -> None:
        """End everything that runs or waits with an error."""
        for generation in (*self.batcher.rows, *self.batcher.waiting):
            generation.fail(error)
        self.batcher.waiting.clear()
        for generation in list(self.batcher.rows):
            self._free(generation)
        self.cache.reset()

    def release(self) -> None:
        """Let go of the model and the cache; nothing may be run after this."""
        self.cache.reset()
        self.model = self.adapters = None  # type: ignore[assignment]

    def _admit(self, generation: Generation) -> None:
        request = generation.request
        gone = next((a for a in generation.style if a not in self.adapters), None)
        if gone is not None:
            generation.fail(EngineError(f"The adapter {gone} was unloaded.", "Try again."))
            self._free(generation)
            return
        generation.sampler = SamplerState(
            request.sampling, request.prompt_ids, self.vocabulary_size, self.device, self.vocabulary, generation.ends,
            request.resumed,
        )  # fmt: skip
        generation.sampler.holding &= generation.too_short
        if request.slides and request.resumed:
            generation.read_again(reading(request.prompt_ids, request.resumed, self.context, self.vocabulary.piece))

    def _to_read(self, most: int) -> list[_Next]:
        """The next piece of each prompt, oldest first, as far as they can be read together: in one style, no two alike
        (one finds then what the other read), no more than `most` tokens."""
        batch: list[_Next] = []
        for generation in self.batcher.prefilling():
            piece = self._next(generation)
            if not batch:
                batch.append(piece)
            elif generation.request.scores_prompt or batch[0].generation.request.scores_prompt:
                continue  # read alone
            elif not self._many or len(piece.tokens) > most - sum(len(n.tokens) for n in batch):
                break
            elif generation.style == batch[0].generation.style and all(piece.key != n.key for n in batch):
                batch.append(piece)
        return batch

    def _next(self, generation: Generation) -> _Next:
        tokens = generation.prompt[generation.prefilled : generation.prefilled + PIECE_TOKENS]
        return _Next(generation, tokens, key_after(generation.piece, self.adapters.key(generation.style), tokens))

    def _prefill(self, batch: Sequence[_Next]) -> None:
        """Bring these pieces of prompts into the cache, from the store or by reading them."""
        known = {n.key: piece for n in batch if (piece := self._stored(n)) is not None}
        for n in batch:
            if n.key in known:
                self.cache.paste(self.batcher.rows.index(n.generation), n.generation.prefilled, known[n.key].states)
                n.generation.found += len(n.tokens)
        known |= self._read_each([n for n in batch if n.key not in known])
        ended = []
        for n in batch:
            if n.key in known:
                ended += [(n.generation, logits)] if n.ends and (logits := known[n.key].logits) is not None else []
                n.generation.piece, n.generation.prefilled = n.key, n.generation.prefilled + len(n.tokens)
        for generation in [g for g, _ in ended if not g.limit]:
            generation.write_nothing()
            self._free(generation)
        if ended := [(g, logits) for g, logits in ended if g.limit]:
            self._extend([g for g, _ in ended], torch.cat([logits for _, logits in ended]))

    def _stored(self, n: _Next) -> Piece | None:
        if n.generation.request.scores_prompt:
            return None
        found = self.prefixes.get(n.key)
        return None if found is None or (n.ends and found.logits is None) else found

    def _read_each(self, batch: Sequence[_Next]) -> dict[bytes, Piece]:
        """Read them together; one by one where that fails, so that those are answered which are not at fault."""
        if len(batch) > 1:
            try:
                return self._read(batch)
            except Exception:
                log.exception("%d prompts could not be read together", len(batch))
        read: dict[bytes, Piece] = {}
        for n in batch:
            read |= self._guarded([n.generation], lambda: self._read([n])) or {}  # noqa: B023 - called here
        return read

    def _read(self, batch: Sequence[_Next]) -> dict[bytes, Piece]:
        """Run the model over pieces of prompts, each of another row, and keep what comes of it."""
        if not batch:
            return {}
        spans = [Span(self.batcher.rows.index(n.generation), n.generation.prefilled, len(n.tokens)) for n in batch]
        self.cache.prefill(*spans)
        self.adapters.use([batch[0].generation.style])
        ids = torch.tensor([[token for n in batch for token in n.tokens]], device=self.device)
        positions = torch.cat([torch.arange(s.start, s.start + s.length, device=self.device) for s in spans])
        first, every = batch[0].generation, batch[0].generation.request.scores_prompt
        logits = self.forward(ids, positions[None], None, self.cache, every)
        if every:
            first.score(self._scores(first, logits))
            logits = logits[-1:]
        return {n.key: self._kept(n, span, row) for n, span, row in zip(batch, spans, logits.split(1), strict=True)}

    def _scores(self, generation: Generation, logits: torch.Tensor) -> list[TokenLogprob]:
        """Log-probabilities of the tokens that come after each of a piece's. `logits` [tokens, vocabulary]."""
        prompt, start = generation.prompt, generation.prefilled
        scores = [] if start else [self._named(prompt[0], math.nan, [])]
        tokens = prompt[start + 1 : start + 1 + len(logits)]
        found = scored(logits[: len(tokens)].float().log_softmax(-1), tokens, generation.request.sampling.logprobs or 0)
        return scores + [self._named(token, *entry) for token, entry in zip(tokens, found, strict=True)]

    def _kept(self, n: _Next, span: Span, logits: torch.Tensor) -> Piece:
        """What was read of a piece, stored where it may be asked for again."""
        keeps = self.prefixes.max_bytes and not n.generation.begun  # no other text begins like the middle of this one
        states = self.cache.copy(span.row, span.start, span.start + span.length) if keeps else ()
        piece = Piece(states, logits.clone() if n.ends else None)
        if states and logits.isfinite().all():
            self.prefixes.put(n.key, piece)
        return piece

    def _decode(self, running: list[Generation]) -> None:
        rows = self.batcher.rows
        padding = padded_rows(len(rows), self.batcher.max_batch, self.exact) - len(rows)
        # A row that is still being read takes part too, without effect: what it writes comes where its next piece goes.
        counts = [g.cached for g in rows] + [0] * padding
        tokens = [max(0, g.last) for g in rows] + [0] * padding
        lengths = torch.tensor(counts, device=self.device)
        attended = self.cache.decode(lengths, max(counts))
        self.adapters.use([g.style for g in rows] + [{}] * padding)
        hidden = torch.arange(attended, device=self.device) > lengths[:, None]
        ids = torch.tensor(tokens, device=self.device)[:, None]
        logits = self.forward(ids, lengths[:, None], self._bias(hidden)[:, None, None], self.cache)
        if len(running) < len(counts):
            logits = logits[: len(rows)] if len(running) == len(rows) else logits[[rows.index(g) for g in running]]
        self._extend(running, logits)

    def _bias(self, hidden: torch.Tensor) -> torch.Tensor:
        """What is added to the attention scores: -inf where hidden, 0 elsewhere."""
        return torch.where(hidden, self._never, self._always)

    def _extend(self, generations: list[Generation], logits: torch.Tensor) -> None:
        """Sample, hand out, and free the rows of those that ended."""
        states = [s for g in generations if (s := g.sampler) is not None]
        if self._samplers is None or self._samplers.states != states:
            self._samplers = Samplers(states, self.device)
        _take_out(generations, logits)
        choice = self._samplers.choose(logits)
        for at, (generation, token) in enumerate(zip(generations, choice.tokens, strict=True)):
            if token < 0:
                self.cache.clear(self.batcher.rows.index(generation))
                generation.fail(
                    EngineError(
                        "The model's output for this request is not a number.",
                        "Its weights or its adapter may be damaged; bf16 and fp32 are safer than fp16.",
                    )
                )
            else:
                found = choice.logprobs.get(at)
                generation.accept(token, None if found is None else self._named(token, *found))
        # Only now that all have taken their token do their lengths say what is in the cache: rows may move.
        for generation in generations:
            if generation.finished:
                self._free(generation)
            elif generation.request.slides and generation.is_full(self.context):
                prompt, output = generation.request.prompt_ids, generation.output
                generation.read_again(window(prompt, output, self.context, self.vocabulary.piece))

    def _named(self, token: int, logprob: float, top: list[tuple[int, float]]) -> TokenLogprob:
        show = self.vocabulary.show
        return TokenLogprob(token, show(token), logprob, tuple((i, show(i), value) for i, value in top))

    def drop_cancelled(self) -> None:
        """End those that were cancelled and free their rows."""
        for generation in [g for g in self.batcher.waiting if g.cancelled]:
            self.batcher.waiting.remove(generation)
            generation.cancel()
        for generation in [g for g in self.batcher.rows if g.cancelled]:
            generation.cancel()
            self._free(generation)

    def _free(self, generation: Generation) -> None:
        move = self.batcher.remove(generation)
        if move is not None:
            self.cache.move(*move, self.batcher.rows[move[1]].cached)
        if not self.batcher.rows:
            self._samplers = None  # the last texts' states need no memory while nothing runs

    def _guarded(self, affected: list[Generation], work: Any) -> Any:
        """Run a forward; when it raises, those in it end with an error and the engine goes on."""
        try:
            return work()
        except Exception as error:
            log.exception("a step of the model failed for %d requests", len(affected))
            failure = _explained(error)
            for generation in affected:
                if not generation.finished:
                    generation.fail(failure)
                if generation in self.batcher.rows:
                    self.cache.clear(self.batcher.rows.index(generation))
                    self._free(generation)
            if not self.batcher.rows:
                self.cache.reset()
            return None


def _take_out(generations: Sequence[Generation], logits: torch.Tensor) -> None:
    """Make impossible what steered requests must not go on with. `logits` [rows, vocabulary]."""
    for row, generation in enumerate(generations):
        if generation.steering is not None and (banned := generation.steering.banned()):
            logits[row, [token for token in banned if token < logits.shape[1]]] = float("-inf")


def _explained(error: Exception) -> NovelRayError:
    if isinstance(error, NovelRayError):
        return error
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in str(error):
        return EngineError("The engine ran out of memory on this request.", "Try again, or lower serve.max_batch.")
    first = (str(error).strip().splitlines() or [""])[0]
    return EngineError(f"The model failed on this request: {type(error).__name__}: {first}", "Try again.")
