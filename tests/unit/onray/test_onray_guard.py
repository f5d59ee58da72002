"""The index of copies is found through what the served model was made from, and what is missing is said."""

from types import SimpleNamespace

import pytest

from novelray.generate.guard.copying import CopyRun, Limits
from novelray.onray.replica import ReplicaSettings
from novelray.onray.serving import About, _say_what_is_watched
from novelray.recipe import Recipe
from novelray.recipe.storage import StorageSection
from novelray.shards.grams import grams_bytes
from novelray.storage import Plan
from serve.engine import index_for

FIRST, SECOND = ("".join(chr(start + 3 * i) for i in range(100)) for start in (0x4E00, 0x6000))


def shards(artifacts, name, text):
    draft = artifacts.begin(Plan("shards", 3, section={"test": name}))
    draft.write("train/rows-00000.arrow", b"")
    if text:
        draft.write("train/grams-00000.parquet", grams_bytes([text]))
    return draft.commit({"train": {"chars": len(text)}})


def model(artifacts, shards, base):
    draft = artifacts.begin(Plan("model", 1, {"shards": shards.id, "base": base}))
    draft.write("config.json", b"{}")
    return draft.commit()


@pytest.fixture
def served(artifacts):
    """Models: the second was trained on from the first, the third on books that are not indexed."""
    first = model(artifacts, shards(artifacts, "first", FIRST), "0" * 64)
    second = model(artifacts, shards(artifacts, "second", SECOND), first.id)
    third = model(artifacts, shards(artifacts, "third", ""), second.id)
    return first, second, third


def settings_of(artifacts, artifact):
    storage = StorageSection(root=artifacts.store.uri)
    return ReplicaSettings(source=f"artifact:{artifact.id}", version="m@0123", storage=storage)


def test_the_books_of_a_model_and_of_those_it_was_made_from_are_known(artifacts, served):
    def known(artifact):
        index = index_for(settings_of(artifacts, artifact))
        return [CopyRun(index, Limits(60, 200)).push(text) is not None for text in (FIRST, SECOND)]

    assert known(served[0]) == [True, False]
    assert known(served[1]) == [True, True]
    assert known(served[2]) == [True, True]
    assert index_for(ReplicaSettings(source="folder:/nowhere", version="m@0123")) is None


def test_books_that_are_not_watched_are_named_when_serving_begins(artifacts, served):
    def said_of(artifact, action="steer"):
        said = []
        recipe = Recipe.model_validate({
            "name": "t", "model": {"base": "scratch:nano"}, "train": {"method": "full"},
            "serve": {"guard": {"copying": {"action": action}}},
        })  # fmt: skip
        _say_what_is_watched(About.by(recipe, artifacts), SimpleNamespace(artifact=artifact.id), said.append)
        return "".join(said)

    assert said_of(served[1]) == ""
    assert served[2].manifest.inputs["shards"] in said_of(served[2])
    alone = model(artifacts, shards(artifacts, "old", ""), "0" * 64)
    assert "copies of them are not watched" in said_of(alone)
    assert said_of(alone, "none") == ""
