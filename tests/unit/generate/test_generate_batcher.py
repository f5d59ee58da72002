"""Rows and places, without a model."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from novelray.generate.batcher import Batcher
from novelray.generate.protocol import QueueFullError


class Row(SimpleNamespace):
    __hash__ = object.__hash__
    __eq__ = object.__eq__


def row(adapter=None, prefilling=False):
    return Row(request=SimpleNamespace(adapter=adapter), prefilling=prefilling)


def test_rows_stay_without_holes_and_the_last_one_moves():
    batcher = Batcher(3, 3)
    a, b, c, d = (row() for _ in range(4))
    for one in (a, b, c, d):
        batcher.submit(one)
    assert batcher.admit() == [a, b, c]
    assert batcher.remove(a) == (2, 0)
    assert batcher.rows == [c, b]
    assert batcher.remove(b) is None
    assert batcher.admit() == [d]
    assert batcher.rows == [c, d]


def test_the_queue_is_bounded_and_says_when_to_come_back():
    batcher = Batcher(2, 1)
    batcher.check_room(2)
    with pytest.raises(QueueFullError) as caught:
        batcher.check_room(3)
    assert caught.value.retry_after_s >= 1
    for _ in range(3):
        batcher.submit(row())
    batcher.admit()
    with pytest.raises(QueueFullError):
        batcher.check_room(0)


def test_prompts_are_read_in_the_order_of_admission_though_rows_move():
    batcher = Batcher(3, 0)
    a, b, c = row(), row(prefilling=True), row(prefilling=True)
    for one in (a, b, c):
        batcher.submit(one)
        batcher.admit()
    batcher.remove(a)
    assert batcher.rows == [c, b]
    assert batcher.prefilling() == [b, c]
