"""From a replica's settings to a running engine."""

from __future__ import annotations

import os

from novelray.generate.protocol import Engine
from novelray.onray.replica import ReplicaSettings


def load_engine(settings: ReplicaSettings) -> Engine:
    """Load the model and start its engine. Raises ModelError when the folders hold no model that loads."""
    import torch
    from novelray.generate.embedded import EmbeddedEngine

    from novelray.models.load import load_for_serving

    if settings.device == "cpu":
        # Ray gives an actor as many threads as it reserved CPUs, which is one: far too few for a forward pass.
        torch.set_num_threads(settings.threads or max(1, (os.cpu_count() or 1) // settings.serve.replicas))
    device = "cuda" if settings.device == "gpu" else "cpu"
    model, tokenizer = load_for_serving(
        settings.base_folder, settings.adapter_folder, device, settings.trust_remote_code
    )
    engine: Engine = EmbeddedEngine(
        model, tokenizer, max_batch=settings.serve.max_batch, max_queue=settings.serve.max_queue
    )
    return engine
