"""Which engines the contract is for, and one endpoint that the official clients share."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from support.endpoint import running
from support.tiny import tiny_llama

from novelray.endpoint.app import create_app
from novelray.endpoint.keys import KeyStore, default_url
from novelray.endpoint.settings import ServedModel, Settings

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


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """(base URL, key) of an endpoint of the model "tiny", with room for four and a queue of four."""
    from novelray.generate.embedded import EmbeddedEngine
    from novelray.models.load import load_for_serving

    torch.set_num_threads(1)
    folder = tiny_llama(tmp_path_factory.mktemp("tiny"))
    engine = EmbeddedEngine(*load_for_serving(folder, None, "cpu"), max_batch=4, max_queue=4)
    keys = KeyStore(default_url(tmp_path_factory.mktemp("home")))
    secret, _ = keys.create("test")
    settings = Settings(models=(ServedModel.of("tiny@0123456789ab"),), headers_after_s=0.1)
    with running(create_app(engine, settings, keys)) as url:
        yield url, secret
