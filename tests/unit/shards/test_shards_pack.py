"""Packing: nothing lost, nothing doubled, and every document alone."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelray.shards.pack import pack

EOS, PAD = 0, 1
documents = st.lists(st.lists(st.integers(2, 30_000), max_size=60), max_size=12)
contexts = st.integers(1, 32)


def named(ids):
    return [(f"book:{number:05d}", document) for number, document in enumerate(ids)]


def test_two_chapters_in_rows_of_six_look_like_this():
    packed = pack([("a", [11, 12, 13]), ("b", [21, 22, 23, 24])], 6, PAD, EOS)
    assert packed.input_ids.tolist() == [[11, 12, 13, EOS, 21, 22], [23, 24, EOS, PAD, PAD, PAD]]
    assert packed.position_ids.tolist() == [[0, 1, 2, 3, 0, 1], [0, 1, 2, 0, 1, 2]]
    assert packed.mask.tolist() == [[0, 1, 1, 1, 0, 1], [0, 1, 1, 0, 0, 0]]
    assert packed.trained.tolist() == [4, 2]
    assert packed.chapters == [["a", "b"], ["b"]]
    assert packed.tokens == 9


@given(documents, contexts)
@settings(max_examples=300, deadline=None)
def test_every_token_of_every_chapter_is_there_once_and_in_order(ids, context):
    packed = pack(named(ids), context, PAD, EOS)
    expected = [token for document in ids for token in [*document, EOS]]
    flat = packed.input_ids.reshape(-1)
    assert flat[: packed.tokens].tolist() == expected
    assert (flat[packed.tokens :] == PAD).all()
    assert flat.size - packed.tokens < context


@pytest.mark.slow
@given(documents, contexts)
@settings(max_examples=300, deadline=None)
def test_positions_mask_and_chapters_agree_with_a_plain_walk_over_the_tokens(ids, context):
    packed = pack(named(ids), context, PAD, EOS)
    cells = [(name, i) for name, document in named(ids) for i in range(len(document) + 1)]
    for row in range(packed.rows):
        inside = cells[row * context : (row + 1) * context]
        position = -1
        for column in range(context):
            continues = column > 0 and (
                inside[column][0] == inside[column - 1][0] if column < len(inside) else column > len(inside)
            )
            position = position + 1 if continues else 0
            assert packed.position_ids[row, column] == position
            assert packed.mask[row, column] == (column < len(inside) and position > 0)
        assert packed.chapters[row] == list(dict.fromkeys(name for name, _ in inside))


def test_no_chapters_make_no_rows():
    assert pack([], 8, PAD, EOS).input_ids.shape == (0, 8)


def test_packing_is_vectorised():
    rng = np.random.default_rng(0)
    chapters = [(str(n), rng.integers(2, 8000, 3000)) for n in range(500)]
    began = time.perf_counter()
    packed = pack(chapters, 1024, PAD, EOS)
    assert 1_500_000 / (time.perf_counter() - began) > 3e6  # tokens/s; a loop over tokens reaches 1e6
    assert packed.tokens == 500 * 3001
