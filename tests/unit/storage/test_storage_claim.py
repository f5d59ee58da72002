"""A claim on a piece of work: one holder at a time, whoever is gone stops nobody."""

import json
import time

import pytest

from novelray.errors import EXIT_RETRY, BusyError
from novelray.storage import Store
from novelray.storage.claim import claimed

PATH = "claims/update-tale.json"


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


def claim(store, **options):
    return claimed(store, PATH, "An update of tale", settle_s=0.0, **options)


def left_behind(store, age_s):
    then = time.time() - age_s
    record = {"owner": "gone", "host": "node-7", "process": 42, "since": then, "beat": then}
    store.write(PATH, json.dumps(record).encode())


def test_a_second_one_is_told_who_works_and_does_not_start(store):
    expected = pytest.raises(BusyError, match=r"An update of tale is running since .* \(process \d+")
    with claim(store), expected as caught, claim(store):
        raise AssertionError("it started")
    assert caught.value.exit_code == EXIT_RETRY


def test_the_claim_is_free_again_afterwards_also_after_a_failure(store):
    with pytest.raises(ZeroDivisionError), claim(store):
        raise ZeroDivisionError
    with claim(store):
        pass
    assert not store.exists(PATH)


@pytest.mark.parametrize(("age_s", "taken"), [(60, False), (3600, True)])
def test_a_claim_is_void_when_its_holder_has_not_been_heard_of_for_long(store, age_s, taken):
    left_behind(store, age_s)
    if taken:
        with claim(store):
            assert json.loads(store.read(PATH))["owner"] != "gone"
    else:
        with pytest.raises(BusyError, match="process 42 on node-7"), claim(store):
            pass


def test_who_works_longer_than_a_claim_lasts_keeps_it(store):
    with claim(store, beat_s=0.05, void_s=0.4):
        time.sleep(0.6)
        with pytest.raises(BusyError), claim(store, void_s=0.4):
            pass


def test_who_has_lost_the_claim_does_not_take_it_from_the_next(store):
    with claim(store, beat_s=0.02):
        left_behind(store, 0)
        time.sleep(0.1)
    assert json.loads(store.read(PATH))["owner"] == "gone"
