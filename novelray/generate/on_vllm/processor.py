"""The class that vLLM loads by name in each of its workers; nothing else imports this module.

It has not been run: it is written against vLLM 0.29.0 (vllm/v1/sample/logits_processor/interface.py). vLLM calls it
with float32 logits, after its own minimum length and biases and before its penalties and the temperature. Of the rows
that are ours it was asked for none of these (params.py), and takes the likeliest of the one token that is left.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from vllm.v1.sample.logits_processor import LogitsProcessor

from novelray.generate.detokenise import Vocabulary
from novelray.generate.on_vllm.rows import Rows
from novelray.shards.tokenizer import load_tokenizer


class FictionSamplers(LogitsProcessor):
    """Everything that vLLM's own samplers lack, by ours."""

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        model = vllm_config.model_config
        vocabulary = Vocabulary(load_tokenizer(Path(model.tokenizer)))
        self._rows = Rows(vocabulary, model.get_vocab_size(), torch.device(device))

    def is_argmax_invariant(self) -> bool:
        """The likeliest token is another one afterwards, so it has to run for greedy requests too."""
        return False

    def update_state(self, batch_update: Any) -> None:
        if batch_update is not None:
            self._rows.update(batch_update.removed, batch_update.added, batch_update.moved)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        return self._rows.apply(logits)
