"""The novels read once for all tests of quality."""

from __future__ import annotations

import pytest
from support import quality_trials as trials
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """As a task on Ray has it: threads of the linear algebra only get in each other's way on small matrices."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="session")
def shelf(novels):
    """The chapters of every book, by folder/file."""
    return trials.read_shelf(novels)


@pytest.fixture(scope="session")
def numbers(shelf):
    """The features of every chapter of every book."""
    return trials.numbers_of(shelf)
