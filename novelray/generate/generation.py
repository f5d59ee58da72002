"""One request while it runs: what it has said so far, what it may show, and when and why it ends."""

from __future__ import annotations

import time
from collections.abc import Callable

from novelray.generate.detokenise import Vocabulary
from novelray.generate.protocol import Chunk, FinishReason, Request, TokenLogprob, Usage
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
        """`limit`: most new tokens (the request's own, clamped by the context). `deliver` gets each event."""
        self.request, self.limit, self.deliver = request, limit, deliver
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
        self._count = 0
        self._end_ids = frozenset() if request.sampling.ignore_eos else end_ids
        self._detokeniser = vocabulary.detokeniser()
        self._stops = StopMatcher(request.sampling.stop)
        self._unshown: list[int] = []
        self._logprobs: list[TokenLogprob] = []

    @property
    def prefilling(self) -> bool:
        return self.prefilled < len(self.request.prompt_ids)

    @property
    def cached(self) -> int:
        """Tokens in the cache: the prompt so far, and every output token but the newest."""
        return self.prefilled + max(0, self._count - 1)

    def accept(self, token_id: int, logprob: TokenLogprob | None = None) -> None:
        """Take the next token; deliver what it makes visible, and the end if this is it."""
        self._count += 1
        self.last = token_id
        self._unshown.append(token_id)
        if self.steering is not None:
            self.steering.push(token_id)
        if logprob is not None:
            self._logprobs.append(logprob)
        text = ""
        reason: FinishReason | None = None
        if token_id in self._end_ids:
            reason = "stop"
        else:
            text = self._stops.push(self._detokeniser.push(token_id))
            if self._stops.stopped:
                reason = "stop"
            elif self._count >= self.limit:
                reason = "length"
        self._show(text, reason)

    def cancel(self) -> None:
        """End it because somebody asked to."""
        self._show("", "cancelled")

    def fail(self, error: Exception) -> None:
        """End it with an error."""
        self.finished = True
        self.deliver(error)

    def _show(self, text: str, reason: FinishReason | None) -> None:
        if reason is not None:
            self.finished = True
            text += self._stops.flush()
        if not text and reason is None:
            return  # its token ids go out with the text that they become part of
        usage = Usage(len(self.request.prompt_ids), self._count, self.found)
        chunk = Chunk(text, tuple(self._unshown), usage, tuple(self._logprobs), reason)
        self._unshown, self._logprobs = [], []
        self.deliver(chunk)
