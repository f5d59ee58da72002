"""What a row computes does not depend on its neighbours: bit by bit, fp32 on the CPU."""

from __future__ import annotations

import pytest
import torch
from support.tiny_models import make_model, make_tokenizer

from novelray.generate.cache import RowCache, Span
from novelray.generate.decoder import Decoder
from novelray.generate.forward import General
from novelray.generate.steady import make_steady, padded_rows


@torch.inference_mode()
def decode_logits(forward, cache, lengths, row):
    count = padded_rows(len(lengths), 32, True)
    lengths = torch.tensor(lengths + [0] * (count - len(lengths)))
    attended = cache.decode(lengths, int(lengths.max()))
    mask = torch.zeros(count, 1, 1, attended).masked_fill(
        torch.arange(attended) > lengths[:, None, None, None], float("-inf")
    )
    return forward(torch.full((count, 1), 7), lengths[:, None], mask, cache)[row]


@torch.inference_mode()
def read(forward, cache, row, length, seed):
    ids = torch.randint(2, 300, (1, length), generator=torch.Generator().manual_seed(seed))
    cache.prefill(Span(row, 0, length))
    forward(ids, torch.arange(length)[None], None, cache)


@pytest.mark.slow
@pytest.mark.parametrize("way", [Decoder.of, General])
@pytest.mark.parametrize("kind", ["llama", "qwen2"])
@pytest.mark.parametrize("length", [5, 70, 300])
def test_logits_are_the_same_bits_alone_and_among_others_longer_and_shorter(kind, length, way):
    model = make_model(make_tokenizer(), kind, hidden_size=192, num_attention_heads=6, max_position_embeddings=1024)
    make_steady(model)
    forward = way(model)
    alone = RowCache(2, 32, 1024)
    read(forward, alone, 0, length, seed=99)
    expected = decode_logits(forward, alone, [length], 0)
    for others in ([30], [900, 1], [10 * i + 3 for i in range(7)], [25 * i + 3 for i in range(31)]):
        for row in (0, len(others)):
            lengths = [*others]
            lengths.insert(row, length)
            cache = RowCache(2, 32, 1024)
            for i, n in enumerate(lengths):
                read(forward, cache, i, n, seed=99 if i == row else i)
            assert torch.equal(decode_logits(forward, cache, lengths, row), expected)


@torch.inference_mode()
def test_a_moved_row_goes_on_as_before_and_growing_loses_nothing():
    model = make_model(make_tokenizer(), max_position_embeddings=1024)
    make_steady(model)
    forward = Decoder.of(model)
    cache = RowCache(2, 8, 1024)
    for i in range(3):
        read(forward, cache, i, 20, seed=i)
    expected = decode_logits(forward, cache, [20, 20, 20], 2)
    cache.move(2, 0, 20)
    read(forward, cache, 1, 500, seed=5)
    assert torch.equal(decode_logits(forward, cache, [20, 500], 0), expected)
    assert len(cache.layers[0].keys) < 8
    assert cache.layers[0].keys.shape[2] < 1024


@torch.inference_mode()
def test_a_cleared_row_cannot_poison_the_next_text():
    forward = Decoder.of(make_model(make_tokenizer()))
    cache = RowCache(2, 8, 256)
    read(forward, cache, 0, 50, seed=0)
    cache.layers[0].values[0, :, 30] = float("nan")
    cache.clear(0)
    read(forward, cache, 0, 10, seed=1)
    assert decode_logits(forward, cache, [10], 0).isfinite().all()


def test_the_layout_changes_and_the_values_do_not():
    model = make_model(make_tokenizer())
    before = {k: v.clone() for k, v in model.state_dict().items()}
    make_steady(model)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not model.model.layers[0].mlp.up_proj.weight.is_contiguous()


@torch.inference_mode()
def test_prompts_read_together_get_the_bits_that_each_gets_alone():
    model = make_model(make_tokenizer(), hidden_size=192, num_attention_heads=6, max_position_embeddings=1024)
    make_steady(model)
    forward = Decoder.of(model)
    lengths = [1, 70, 3, 256, 2, 40]
    texts = [torch.randint(2, 300, (2, n), generator=torch.Generator().manual_seed(n)) for n in lengths]

    def two_pieces(rows):
        cache, found = RowCache(2, 8, 1024), []
        for piece in (0, 1):
            spans = [Span(at, piece * lengths[row], lengths[row]) for at, row in enumerate(rows)]
            cache.prefill(*spans)
            positions = torch.cat([torch.arange(s.start, s.start + s.length) for s in spans])
            found.append(forward(torch.cat([texts[row][piece] for row in rows])[None], positions[None], None, cache))
        return found, [cache.copy(at, 0, 2 * lengths[row]) for at, row in enumerate(rows)]

    logits, states = two_pieces(range(len(lengths)))
    for row in range(len(lengths)):
        alone, its_states = two_pieces([row])
        assert all(torch.equal(logits[piece][row], alone[piece][0]) for piece in (0, 1))
        assert all(torch.equal(a, b) for a, b in zip(states[row], its_states[0], strict=True))
