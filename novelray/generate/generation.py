"""One request while it runs: what it has said so far, what it may show, and when and why it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from novelray.generate import reading
from novelray.generate.detokenise import Vocabulary
from novelray.generate.loops import LoopDetector
from novelray.generate.protocol import LOOP, Chunk, FinishReason, Request, RequestError, TokenLogprob, Usage
from novelray.generate.samplers import SamplerState
from novelray.generate.stops import StopMatcher

Event = Chunk | Exception
"""What a stream receives. The last one is an exception or a chunk with a finish reason."""


class Generation:
    """The state of a request that is not about the model: its tokens, its text, its end."""

    def __init__(
        self,
        request: Request,
        limit: int,
        end_ids: frozenset[int],
        vocabulary: Vocabulary,
        deliver: Callable[[Event], None],
    ) -> None:
        """`limit`: most tokens of the answer (the request's own, clamped by the context). `deliver` gets each event."""
        self.request, self.limit = request, limit
        self.deliver: Callable[[Event], None] = _nowhere
        self.prompt = request.prompt_ids + request.resumed  # what is read before the next token
        self.sampler: SamplerState | None = None  # made when it is admitted: it may hold tensors
        self.steering = request.steering
        if self.steering is not None:
            self.steering.start(vocabulary)
        self.style = request.style  # may change while it runs
        self.prefilled = 0  # tokens of the prompt that are in the cache
        self.found = 0  # of these, how many had been read before
        self.piece = b""  # key of the prompt's last piece, see prefix.py
        self.last = -1  # the newest token, not in the cache yet
        self.cancelled = False
        self.finished = False
        self.submitted_at = time.monotonic()
        self._fresh = 0  # tokens since the prompt was read
        self._output: list[int] = []
        sampling = request.sampling
        self._end_ids = frozenset() if sampling.ignore_eos else end_ids
        self.ends = self._end_ids | set(sampling.stop_token_ids)
        self._detokeniser = vocabulary.detokeniser()
        self._stops = StopMatcher(sampling.stop)
        self._loops = LoopDetector(sampling.loop_repeats) if sampling.loop_repeats else None
        self._counts_chars = sampling.max_chars is not None or sampling.min_chars > 0
        self._chars = 0  # shown so far, as a reader counts
        self._unshown: list[int] = []
        self._logprobs: list[TokenLogprob] = []
        self._prompt_logprobs: list[TokenLogprob] = []
        for token_id in request.resumed:  # their text has been shown
            self.accept(token_id)
        if self.finished:
            raise RequestError("The answer to go on with has ended already.")
        self.deliver, self._fresh, self._unshown = deliver, 0, []

    @property
    def prefilling(self) -> bool:
        return self.prefilled < len(self.prompt)

    @property
    def cached(self) -> int:
        """Tokens in the cache: the prompt so far, and every output token but the newest."""
        return self.prefilled + max(0, self._fresh - 1)

    @property
    def begun(self) -> bool:
        """Whether the answer has a token."""
        return bool(self._output)

    @property
    def output(self) -> tuple[int, ...]:
        """The tokens of the answer so far."""
        return tuple(self._output)

    @property
    def too_short(self) -> bool:
        """Whether no token may end the answer yet."""
        least = self.request.sampling
        return len(self._output) < least.min_tokens or self._chars < least.min_chars

    def is_full(self, context: int) -> bool:
        """Whether the context has no room for the newest token."""
        return len(self.prompt) + self._fresh >= context

    def read_again(self, prompt: tuple[int, ...]) -> None:
        """Go on after reading this, which takes the place of all that is in the cache."""
        self.prompt, self.prefilled, self._fresh, self.piece = prompt, 0, 0, b""

    def accept(self, token_id: int, logprob: TokenLogprob | None = None) -> None:
        """Take the next token; deliver what it makes visible, and the end if this is it."""
        self._output.append(token_id)
        self._fresh += 1
        self.last = token_id
        self._unshown.append(token_id)
        if self.steering is not None:
            self.steering.push(token_id)
        if logprob is not None:
            self._logprobs.append(logprob)
        if token_id in self.ends:
            self._show("", "stop", None if token_id in self._end_ids else token_id)
            return
        text = self._stops.push(self._detokeniser.push(token_id))
        if self._stops.found is not None:
            self._show(text, "stop", self._stops.found)
        elif self._loops is not None and self._loops.push(token_id):
            self._show(text, "stop", LOOP)
        else:
            self._show(text, "length" if len(self._output) >= self.limit else None)
        if self.sampler is not None and self.sampler.holding:
            self.sampler.holding = self.too_short

    def score(self, entries: Sequence[TokenLogprob]) -> None:
        """Take the log-probabilities of some more of the prompt's tokens."""
        self._prompt_logprobs += entries

    def write_nothing(self) -> None:
        """End it after the prompt."""
        self._show("", "length")

    def cancel(self) -> None:
        """End it because somebody asked to."""
        self._show("", "cancelled")

    def fail(self, error: Exception) -> None:
        """End it with an error."""
        self.finished = True
        self.deliver(error)

    def _show(self, text: str, reason: FinishReason | None, stop_reason: int | str | None = None) -> None:
        if reason is not None:
            text += self._stops.flush()
        if self._counts_chars:
            whole, text = text, self._within_chars(text)
            full = self._chars == self.request.sampling.max_chars
            if reason != "cancelled" and full and (reason is None or reading.count(whole) > reading.count(text)):
                reason, stop_reason = "length", None
        self.finished = reason is not None
        if not text and reason is None:
            return  # its token ids go out with the text that they become part of
        usage = Usage(len(self.request.prompt_ids), len(self._output), self.found)
        chunk = Chunk(
            text, tuple(self._unshown), usage, tuple(self._logprobs), reason, stop_reason,
            prompt_logprobs=tuple(self._prompt_logprobs),
        )  # fmt: skip
        self._unshown, self._logprobs, self._prompt_logprobs = [], [], []
        self.deliver(chunk)

    def _within_chars(self, text: str) -> str:
        """As much of the text as `max_chars` leaves room for, maybe a part of a token."""
        most = self.request.sampling.max_chars
        if most is not None:
            text = reading.first(text, most - self._chars)
        self._chars += reading.count(text)
        return text


def _nowhere(_: Event) -> None:
    """What was shown before is not shown again."""
