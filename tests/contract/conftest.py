"""Which engines the contract is for."""

from __future__ import annotations

import importlib.util

import pytest
import torch

WITHOUT = importlib.util.find_spec("vllm") is None or not torch.cuda.is_available()
ENGINES = [
    "embedded",
    "stand-in",
    pytest.param("vllm", marks=[pytest.mark.gpu, pytest.mark.skipif(WITHOUT, reason="needs vLLM and a GPU")]),
]


@pytest.fixture(params=ENGINES)
def every_engine(request, monkeypatch):
    """Runs a test with each engine behind `support.engines.running`. The stand-in is our side of vLLM without vLLM."""
    monkeypatch.setattr("support.engines.KIND", request.param)
