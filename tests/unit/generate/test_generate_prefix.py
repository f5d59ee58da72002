"""The store of prompts that were read: bounded, and never confused."""

from __future__ import annotations

import torch

from novelray.generate.prefix import Piece, PrefixStore, key_after

KB = Piece((torch.zeros(256),))  # 1,024 bytes


def test_what_was_used_last_stays_within_the_bound():
    store = PrefixStore(3 * KB.nbytes)
    for name in (b"a", b"b", b"c"):
        store.put(name, KB)
    assert store.get(b"a") is KB
    store.put(b"d", KB)
    assert [name for name in (b"a", b"b", b"c", b"d") if store.get(name)] == [b"a", b"c", b"d"]
    assert store.nbytes == 3 * KB.nbytes


def test_a_piece_put_again_is_counted_once_and_one_too_large_is_not_kept():
    store = PrefixStore(2 * KB.nbytes)
    for _ in range(5):
        store.put(b"a", KB)
    assert store.nbytes == KB.nbytes
    store.put(b"big", Piece((torch.zeros(1024),)))
    assert store.get(b"big") is None
    assert store.get(b"a") is KB


def test_the_same_tokens_after_others_or_in_another_style_have_another_key():
    begin = key_after(b"", b"base", (1, 2, 3))
    keys = [
        begin, key_after(b"", b"wuxia", (1, 2, 3)), key_after(b"", b"base", (1, 2)),
        key_after(begin, b"base", (1, 2, 3)), key_after(key_after(b"", b"base", (1,)), b"base", (2, 3)),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert begin == key_after(b"", b"base", (1, 2, 3))
