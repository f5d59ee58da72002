"""Adapters over HTTP with a real engine, a real registry and a real (tiny) model: what is loaded is what was merged."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import openai
import pytest
from support.adapters import register_adapter
from support.endpoint import running
from support.tiny import tiny_llama

from novelray.endpoint.app import create_app
from novelray.generate.protocol import Request, Sampling
from novelray.onray.replica import ReplicaSettings
from novelray.recipe.serve import ServeSection
from novelray.recipe.storage import StorageSection
from novelray.storage import Artifacts, Store
from serve.engine import load_engine

ASKED = {"prompt": "山雨欲来", "max_tokens": 24, "temperature": 1, "seed": 3, "ignore_eos": True}
BLEND = {"wuxia": 0.7, "letters@live": 0.3}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """(base folder, versions by name, the folder of the store); the adapter `odd` belongs to another base."""
    root = tmp_path_factory.mktemp("styles")
    base, other = tiny_llama(root / "base"), tiny_llama(root / "other", context=512)
    artifacts = Artifacts(Store(str(root / "store")), cache=root / "cache")
    versions = {
        name: register_adapter(artifacts, name, other if name == "odd" else base, seed, root / name, "live")
        for seed, name in enumerate(("wuxia", "letters", "odd"))
    }
    return base, versions, root


def settings_for(root, source, version, **section):
    storage = StorageSection(root=str(root / "store"), cache=str(root / "cache"))
    serve = ServeSection(adapters=("wuxia", "letters", "odd"), max_batch=4, **section)
    return ReplicaSettings(source=source, version=version, storage=storage, device="cpu", threads=1, serve=serve)


@pytest.fixture(scope="module")
def client(place):
    base, _, root = place
    loaded = load_engine(settings_for(root, f"folder:{base}", "tiny@0123456789ab", max_adapters=2))
    app = create_app(loaded.engine, loaded.settings, None, catalogue=loaded.catalogue)
    with running(app) as url, httpx.Client(base_url=url, timeout=60) as found:
        yield found


def text(client, **body):
    answer = client.post("/v1/completions", json={**ASKED, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["text"]


def merged(place, weights):
    """What the base with the weighted adapters merged in by PEFT writes."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from novelray.generate.embedded import EmbeddedEngine
    from novelray.shards.tokenizer import load_tokenizer

    base, _, root = place
    names = list(weights)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), root / names[0], names[0])
    for name in names[1:]:
        model.load_adapter(root / name, adapter_name=name)
    model.add_weighted_adapter(names, list(weights.values()), "blend", combination_type="cat")
    model.set_adapter("blend")

    async def write():
        engine = EmbeddedEngine(model.merge_and_unload(adapter_names=["blend"]), load_tokenizer(base))
        request = Request("a", engine.encode(ASKED["prompt"]), Sampling(24, seed=3, ignore_eos=True))
        parts = [chunk.text async for chunk in engine.generate(request)]
        await engine.close()
        return "".join(parts)

    return asyncio.run(write())


def test_a_blend_over_http_writes_what_the_merged_weights_write(client, place):
    found = {name: text(client, style=style) for name, style in (("base", {}), ("blend", BLEND), ("one", {"wuxia": 1}))}
    assert found["blend"] == merged(place, {"wuxia": 0.7, "letters": 0.3})
    assert found["one"] == merged(place, {"wuxia": 1.0}) == text(client, model="wuxia")
    assert len(set(found.values())) == 3


def test_an_adapter_of_another_base_is_refused_and_says_which(client, place):
    answer = client.post("/v1/completions", json={**ASKED, "style": {"odd": 1}})
    assert answer.status_code == 404
    assert "was trained on the base folder-" in answer.json()["error"]["message"]
    listed = [m["id"] for m in client.get("/v1/models").json()["data"]]
    assert listed == ["tiny@0123456789ab", place[1]["wuxia"].id, place[1]["letters"].id]


@pytest.mark.slow
def test_the_style_changes_while_the_text_streams_on(client):
    asked = {**ASKED, "max_tokens": 1500, "stream": True, "logprobs": 0}

    def tokens(change):
        found = []
        with client.stream("POST", "/v1/completions", json=asked) as response:
            for line in response.iter_lines():
                if not line.startswith("data: {"):
                    continue
                piece = json.loads(line.removeprefix("data: "))
                if change and not found:
                    said = client.post(f"/v1/completions/{piece['id']}/style", json={"style": change})
                    assert said.status_code == 200, said.text
                found += piece["choices"][0]["logprobs"]["tokens"] if piece["choices"][0]["logprobs"] else []
        return found

    plain, changed = tokens(None), tokens({"letters": 1.0})
    same = next(i for i, (a, b) in enumerate(zip(plain, changed, strict=False)) if a != b)
    assert 1 <= same < 1400, "what was written stays, what follows is in the new style"


def test_a_model_that_is_an_adapter_stays_beside_its_base(place):
    _, versions, root = place
    own = versions["wuxia"]
    loaded = load_engine(settings_for(root, f"artifact:{own.artifact}", own.id))
    with (
        running(create_app(loaded.engine, loaded.settings, None, catalogue=loaded.catalogue)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        cards = client.get("/v1/models").json()["data"]
        assert [m["id"] for m in cards] == [own.id, cards[1]["id"], versions["letters"].id]
        assert [m.get("parent") for m in cards] == [cards[1]["id"], None, cards[1]["id"]]
        assert cards[1]["id"].startswith("base@"), "named after its folder and its content"
        assert text(client) == merged(place, {"wuxia": 1.0})
        assert text(client, style={"letters": 0.5}) == merged(place, {"wuxia": 1.0, "letters": 0.5})
        assert text(client, model=cards[1]["id"]) == text(client, style={"wuxia": 0})


def examples(language):
    """The requests that docs/versions.md shows in a language."""
    page = (Path(__file__).parents[2] / "docs" / "versions.md").read_text("utf-8")
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", page, re.S | re.M)
    return [block for block in blocks if language == "python" or "curl" in block]


@pytest.mark.slow
def test_the_examples_of_the_documentation_run(client, tmp_path, monkeypatch, capsys):
    url = str(client.base_url).rstrip("/")

    def here(text):
        text = text.replace("http://127.0.0.1:8000", url).replace("my-novel", "tiny")
        # A tiny model would be done before anybody could change its style.
        return text.replace("max_tokens=200", "max_tokens=3000").replace(
            "extra_body={", 'extra_body={"ignore_eos": True, '
        )

    (tmp_path / ".novelray").mkdir()
    (tmp_path / ".novelray" / "api-key").write_text("nr-x")
    names = {"client": openai.OpenAI(base_url=f"{url}/v1", api_key="nr-x"), "key": "nr-x"}
    for example in examples("python"):
        exec(compile(here(example), "docs/versions.md", "exec"), names)
    names["client"].close()
    assert [a["weight"] for a in names["changed"]["style"]] == [0.2, 0.8]
    if shutil.which("curl"):
        script = here("set -e; ID=cmpl-0\n" + "\n".join(f"{e}\necho" for e in examples("bash")))
        done = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            timeout=60,
            check=True,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        first, second = (json.loads(line) for line in done.stdout.decode().splitlines() if line)
        assert [a["weight"] for a in first["novelray"]["style"]] == [0.7, 0.3]
        assert second["error"]["code"] == "generation_not_found"
