"""Our samplers in vLLM's batch: rows that come, go and move, and tokens that are the embedded engine's."""

from __future__ import annotations

from enum import Enum, auto
from types import SimpleNamespace

import pytest
import torch
from support.tiny_models import make_tokenizer

from novelray.generate.detokenise import Vocabulary
from novelray.generate.on_vllm.params import params_of
from novelray.generate.on_vllm.rows import Rows
from novelray.generate.protocol import Sampling
from novelray.generate.samplers import Samplers, SamplerState

CPU = torch.device("cpu")
VOCABULARY = Vocabulary(make_tokenizer())
SIZE = VOCABULARY._tokenizer.vocab_size
ENDS = frozenset({0})
PROMPT = [40, 41, 42, 40, 41]
PLANS = [
    {"dry_multiplier": 2.0, "dry_allowed_length": 1, "top_k": 30},
    {"xtc_probability": 0.5, "xtc_threshold": 0.001, "temperature": 1.5},
    {"typical_p": 0.8, "repetition_penalty": 1.3, "repetition_penalty_range": 4, "presence_penalty": 3.0},
    {"min_chars": 6, "logit_bias": {0: 20.0}, "temperature_last": True, "temperature": 0.7},
    {"temperature": 0, "dry_multiplier": 5.0, "dry_allowed_length": 1, "logit_bias": {41: 9.0}},
]


class Direction(Enum):
    """The names of vLLM's."""

    UNIDIRECTIONAL = auto()
    SWAP = auto()


def logits(step, name):
    return torch.randn(SIZE, generator=torch.Generator().manual_seed(1000 * step + name)) * 3


class Batch:
    """vLLM's side: which request is in which row, and its list of tokens."""

    def __init__(self):
        self.rows, self.at, self.outputs = Rows(VOCABULARY, SIZE, CPU), {}, {}

    def add(self, name, index, plan=None):
        """`plan`: of a request that vLLM draws for, none."""
        output = self.outputs.setdefault(name, [])
        params = params_of(Sampling(**plan or {}), 99, ENDS, name)
        self.at[name] = index
        return (index, SimpleNamespace(extra_args=params.get("extra_args")), PROMPT, output)

    def step(self, waits=False):
        """One step; `waits`: the tokens come back from the device later, as with vLLM's asynchronous scheduling."""
        whole = torch.zeros(len(self.at), SIZE)
        for name, index in self.at.items():
            whole[index] = logits(len(self.outputs[name]), name)
        before = whole.clone()
        after = self.rows.apply(whole)
        found = {name: int(after[index].argmax()) for name, index in self.at.items()}
        if not waits:
            for name, token in found.items():
                self.outputs[name].append(token)
        return found, before, after


def alone(name, plan, count):
    """The embedded engine's samplers over the same logits."""
    sampling = Sampling(**plan, seed=name)
    state = SamplerState(sampling, PROMPT, SIZE, CPU, VOCABULARY, ENDS)
    samplers, tokens, text = Samplers([state], CPU), [], VOCABULARY.detokeniser()
    shown = ""
    for step in range(count):
        tokens += samplers.choose(logits(step, name)[None]).tokens
        shown += text.push(tokens[-1])
        state.holding = state.holding and len(shown.replace(" ", "").replace("\n", "")) < sampling.min_chars
    return tokens


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: "+".join(p))
def test_a_row_gets_the_token_that_the_embedded_engine_draws(plan):
    batch = Batch()
    batch.rows.update([], [batch.add(3, 0, plan)], [])
    for _ in range(25):
        _, _, after = batch.step()
        assert after.isfinite().sum() == 1
    assert batch.outputs[3] == alone(3, plan, 25)


def test_rows_that_come_go_move_and_change_places_keep_their_own_state():
    batch, plans = Batch(), dict(enumerate(PLANS))
    added = [batch.add(name, name, plan) for name, plan in plans.items()]
    batch.rows.update([], [*added, batch.add(9, 5)], [])
    for _ in range(4):
        _, before, after = batch.step()
        assert torch.equal(after[5], before[5]), "a row that vLLM draws for is left alone"
    # 1 leaves, 5 takes its row; 0 and 4 change places; the plain 9 moves to the row of 2, which left too.
    for name in (1, 2):
        del batch.at[name]
    moved = [(0, 4, Direction.SWAP), (5, 2, Direction.UNIDIRECTIONAL)]
    batch.rows.update([1, 2], [batch.add(5, 1, PLANS[0])], moved)
    batch.at |= {0: 4, 4: 0, 9: 2}
    for _ in range(6):
        batch.step()
    for name, count in ((0, 10), (3, 10), (4, 10), (5, 6)):
        assert batch.outputs[name] == alone(name, PLANS[0] if name == 5 else plans[name], count)
    batch.rows.update([0, 1, 3, 4], [], [])
    assert not batch.rows._rows


def test_a_step_that_gave_no_token_is_drawn_again_alike():
    """A prompt read in pieces goes through the samplers with each piece, and what they draw is thrown away."""
    batch = Batch()
    batch.rows.update([], [batch.add(1, 0, PLANS[1])], [])
    for _ in range(12):
        first, *_ = batch.step(waits=True)
        again, *_ = batch.step()
        assert first == again
    assert batch.outputs[1] == alone(1, PLANS[1], 12)


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: "+".join(p))
def test_a_request_that_was_taken_out_goes_on_as_if_it_had_stayed(plan):
    batch = Batch()
    batch.rows.update([], [batch.add(3, 0, plan)], [])
    for _ in range(8):
        batch.step()
    batch.rows.update([0], [], [])
    batch.rows.update([], [batch.add(3, 0, plan)], [])
    for _ in range(8):
        batch.step()
    assert batch.outputs[3] == alone(3, plan, 16)


def test_a_token_that_is_still_on_the_device_is_waited_for():
    batch = Batch()
    batch.rows.update([], [batch.add(3, 0, PLANS[0])], [])
    for _ in range(10):
        found, *_ = batch.step(waits=True)
        batch.outputs[3].append(-1)  # vLLM's placeholder
        batch.rows.update([], [], [])
        batch.outputs[3][-1] = found[3]  # put in before the samplers run
    assert batch.outputs[3] == alone(3, PLANS[0], 10)


def test_the_names_of_directions_are_vllms():
    interface = pytest.importorskip("vllm.v1.sample.logits_processor.interface")
    assert {d.name for d in interface.MoveDirectionality} == {d.name for d in Direction}
