"""Our samplers inside vLLM's batch, without vLLM: which row holds whose state, and what becomes of its logits.

vLLM tells its processors who left the batch, who came and who moved to another row. It may run a step again that gave
no token (a prompt in pieces) and bring a request back that it had taken out, with the tokens it had: so a row is
brought up to date from the list of its tokens each time, and its random numbers belong to places in the text.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from novelray.generate.detokenise import Vocabulary
from novelray.generate.generation import Event, Generation
from novelray.generate.on_vllm.params import KEY, unpacked
from novelray.generate.protocol import Request
from novelray.generate.samplers import Samplers, SamplerState

SWAP = "SWAP"
"""Name of vLLM's direction of a move in which two rows change places; in any other the first takes the second's."""


class Numbers(random.Random):
    """A request's random numbers; the ones of a place in the text stay the same until its next token is there."""

    def __init__(self, seed: int | None) -> None:
        super().__init__(seed)
        self._drawn: list[float] = []
        self._at = 0

    def random(self) -> float:
        if self._at == len(self._drawn):
            self._drawn.append(super().random())
        self._at += 1
        return self._drawn[self._at - 1]

    def again(self) -> None:
        """From the first number of this place on."""
        self._at = 0

    def forward(self) -> None:
        """On to the next place."""
        self._drawn.clear()
        self._at = 0


class Row:
    """One request: its samplers' state, and the text so far as far as they ask for it (`min_chars`)."""

    def __init__(
        self,
        asked: Mapping[str, Any],
        prompt: Sequence[int],
        output: Sequence[int],
        size: int,
        device: torch.device,
        vocabulary: Vocabulary,
    ) -> None:
        """`asked`: what params.py packed. `output`: vLLM's own list, which grows. `size`: of the vocabulary."""
        sampling, self._output, self._seen = unpacked(asked["sampling"]), output, 0
        ends = frozenset(asked["ends"])
        self.state = SamplerState(sampling, prompt, size, device, vocabulary, ends)
        self._numbers = self.state.random = Numbers(sampling.seed)
        request = Request("", tuple(prompt), sampling)
        self._generation = Generation(request, sampling.max_tokens + 1, ends, vocabulary, _nobody)
        self._generation.sampler = self.state  # it says when the text is long enough to end

    def catch_up(self) -> None:
        """Take in the tokens that are new. A negative one has not come back from the device."""
        while self._seen < len(self._output) and (token := self._output[self._seen]) >= 0:
            self._pass_numbers()
            self.state.observe(token)
            self._generation.accept(token)
            self._seen += 1
        self._numbers.again()

    def _pass_numbers(self) -> None:
        """The numbers of a place that has its token, also where another process drew it."""
        self._numbers.again()
        for _ in range(self.state.numbers_per_token):
            self._numbers.random()
        self._numbers.forward()


class Rows:
    """The rows of a batch that our samplers draw for; the others are left alone and cost nothing."""

    def __init__(self, vocabulary: Vocabulary, size: int, device: torch.device) -> None:
        """`size`: of the model's vocabulary, the width of the logits."""
        self._vocabulary, self._size, self._device = vocabulary, size, device
        self._rows: dict[int, Row] = {}
        self._samplers: Samplers | None = None  # of these rows, in their order

    def update(
        self, removed: Sequence[int], added: Sequence[tuple[int, Any, Any, Any]], moved: Sequence[tuple[int, int, Any]]
    ) -> None:
        """What changed in the batch, in vLLM's words and in the order in which it has to be done.

        `removed`: rows. `added`: (row, its SamplingParams, prompt ids, list of output ids). `moved`: (row, row,
        direction).
        """
        for index in removed:
            self._rows.pop(index, None)
        for index, params, prompt, output in added:
            asked = (params.extra_args or {}).get(KEY)
            self._put(index, None if asked is None else self._row(asked, prompt, output))
        for first, second, direction in moved:
            here, there = self._rows.pop(first, None), self._rows.pop(second, None)
            self._put(second, here)
            self._put(first, there if direction.name == SWAP else None)
        self._samplers = None

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Leave one token in each of our rows of `logits` [rows, vocabulary], which are changed in place."""
        if not self._rows:
            return logits
        places = sorted(self._rows)
        rows = [self._rows[place] for place in places]
        for row in rows:
            row.catch_up()
        if self._samplers is None:
            self._samplers = Samplers([row.state for row in rows], self._device)
        tokens, _ = self._samplers.draw(logits[places])
        logits[places] = float("-inf")
        logits[places, tokens] = 0.0
        return logits

    def _row(self, asked: Mapping[str, Any], prompt: Sequence[int], output: Sequence[int]) -> Row:
        return Row(asked, prompt, output, self._size, self._device, self._vocabulary)

    def _put(self, index: int, row: Row | None) -> None:
        if row is None:
            self._rows.pop(index, None)
        else:
            self._rows[index] = row


def _nobody(event: Event) -> None:
    """The text is shown where the request came from."""
