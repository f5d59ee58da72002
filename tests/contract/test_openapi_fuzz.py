"""Whatever the OpenAPI schema allows, and what it does not: an answer in OpenAI's form, and never a fault of ours."""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode
from support.endpoint import ScriptedEngine

from novelray.endpoint.app import create_app
from novelray.endpoint.chapters.table import ChapterTable
from novelray.endpoint.database import open_database
from novelray.endpoint.settings import ServedModel, Settings

EXAMPLES = int(os.environ.get("NOVELRAY_FUZZ_EXAMPLES", "15"))
"""Requests for each operation; some thousands find what fifteen do not."""

HANDLED = {200, 202, 400, 404, 405, 413, 422, 429}
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
PATHS = [
    "/v1/completions", "/v1/chat/completions", "/v1/tokenize", "/v1/classify", "/classify", "/v1/chapters",
    "/v1/completions/{job_id}/style", "/v1/chat/completions/{job_id}/style",
]  # fmt: skip
CHAPTER = "/v1/chapters/{chapter_id}"
CHAPTERS = {
    ("/v1/chapters", "GET"), (CHAPTER, "GET"), (CHAPTER, "DELETE"), (f"{CHAPTER}/text", "GET"),
    (f"{CHAPTER}/cancel", "POST"),
}  # fmt: skip
WITHOUT_INPUT = {"/health", "/ready", "/v1/models"}


@pytest.fixture(scope="module")
def engine():
    return ScriptedEngine(max_batch=4, max_queue=200, longest=20)


@pytest.fixture(scope="module")
def schema(engine, tmp_path_factory):
    table = ChapterTable(open_database(f"sqlite:///{tmp_path_factory.mktemp('chapters')}/chapters.db"))
    app = create_app(engine, Settings(models=(ServedModel.of("wuxia@0123456789ab"),)), None, chapters=table)
    return schemathesis.openapi.from_asgi("/openapi.json", app)


def test_every_path_that_takes_input_is_fuzzed(schema):
    assert set(schema) == {*PATHS, "/v1/models/{name}", *WITHOUT_INPUT, *(path for path, _ in CHAPTERS)}


@pytest.mark.parametrize("mode", [POSITIVE, NEGATIVE])
@pytest.mark.parametrize("path", PATHS)
def test_no_body_that_the_schema_can_make_is_a_fault_of_ours(schema, engine, path, mode):
    fuzz(schema[path]["POST"].as_strategy(generation_mode=mode))
    assert not engine.running


def test_no_name_of_a_model_is_a_fault_of_ours(schema):
    fuzz(schema["/v1/models/{name}"]["GET"].as_strategy(generation_mode=POSITIVE))


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [(*operation, mode) for operation in sorted(CHAPTERS) for mode in (POSITIVE, NEGATIVE)
     if mode is POSITIVE or (operation[1] == "GET" and operation[0] != CHAPTER)],
)  # fmt: skip
def test_no_id_or_offset_of_a_chapter_is_a_fault_of_ours(schema, path, method, mode):
    fuzz(schema[path][method].as_strategy(generation_mode=mode))


def fuzz(cases):
    """Send examples of these cases; each must be answered, and a refusal say why in a few words."""

    @given(case=cases)
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    def ask(case):
        response = case.call()
        assert response.status_code in HANDLED, response.text
        if response.status_code >= 400:
            assert set(response.json()["error"]) == {"message", "type", "param", "code"}
            assert len(response.text) < 2_000, "an error does not send back what it was sent"

    ask()
