"""What all of training rests on: in a packed row each document gets the logits it gets alone."""

import numpy as np
import pytest

from novelray.shards.pack import pack

EOS, PAD, VOCAB, CONTEXT = 0, 1, 64, 48


@pytest.fixture(scope="module")
def model():
    torch = pytest.importorskip("torch")
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def logits(model, ids, positions):
    import torch

    with torch.no_grad():
        return model(input_ids=torch.tensor(ids), position_ids=torch.tensor(positions), use_cache=False).logits.numpy()


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_packed_rows_give_each_document_the_logits_it_gets_alone(model, attention):
    model.set_attn_implementation(attention)
    rng = np.random.default_rng(1)
    documents = [(str(n), rng.integers(2, VOCAB, length)) for n, length in enumerate([5, 17, 1, 30, 60, 9, 2])]
    packed = pack(documents, CONTEXT, PAD, EOS)
    assert packed.rows == 3
    assert (packed.position_ids == 0).sum() > packed.rows
    together = logits(model, packed.input_ids.astype(np.int64), packed.position_ids.astype(np.int64))
    for row in range(packed.rows):
        starts = np.flatnonzero(packed.position_ids[row] == 0)
        for start, stop in zip(starts, [*starts[1:], CONTEXT], strict=True):
            ids = packed.input_ids[row, start:stop].astype(np.int64)
            alone = logits(model, ids[None], np.arange(stop - start)[None])[0]
            np.testing.assert_allclose(together[row, start:stop], alone, atol=1e-5)


def test_without_restarting_positions_documents_would_see_each_other(model):
    """The test above can fail: the same row under running positions gives other logits."""
    model.set_attn_implementation("sdpa")
    ids = np.random.default_rng(2).integers(2, VOCAB, (1, CONTEXT))
    running = np.arange(CONTEXT)[None]
    restarted = np.concatenate([np.arange(20), np.arange(CONTEXT - 20)])[None]
    difference = logits(model, ids, running)[0, 20:] - logits(model, ids, restarted)[0, 20:]
    assert np.abs(difference).max() > 1e-3
