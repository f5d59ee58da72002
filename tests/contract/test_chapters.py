"""Chapters with a real engine and a real (tiny) model: longer than the context, and over the death of a replica."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from support.endpoint import until
from support.tiny import tiny_llama

from novelray.endpoint.keys import KeyStore, default_url
from novelray.generate.reading import count

CONTEXT = 128
ASKED = {
    "prompt": "山雨欲来风满楼，江湖夜雨十年灯。", "max_tokens": 900, "ignore_eos": True, "temperature": 0,
    "repetition_penalty": 1.3, "repetition_penalty_range": 60,
}  # fmt: skip
REPLICA = """
import sys, torch, uvicorn
from pathlib import Path
from novelray.endpoint.app import create_app
from novelray.endpoint.keys import KeyStore
from novelray.endpoint.settings import ChapterSettings, ServedModel, Settings
from novelray.generate.embedded import EmbeddedEngine
from novelray.models.load import load_for_serving

folder, database, port, context = sys.argv[1:]
torch.set_num_threads(1)
engine = EmbeddedEngine(*load_for_serving(Path(folder), None, "cpu"), max_batch=2, context=int(context))
chapters = ChapterSettings(lease_s=1, flush_s=0.05, poll_s=0.05)
settings = Settings(models=(ServedModel.of("tiny@0123456789ab"),), chapters=chapters, access_log=False)
uvicorn.run(create_app(engine, settings, KeyStore(database)), port=int(port), log_level="error")
"""


class Replica:
    """A server process."""

    def __init__(self, folder, home):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-c", REPLICA, str(folder), default_url(home), str(port), str(CONTEXT)]
        self.process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
        until(self._answers, 120)

    def _answers(self):
        assert self.process.poll() is None, "the replica did not start"
        try:
            return httpx.get(f"{self.url}/ready").status_code == 200
        except httpx.TransportError:
            return False

    def end(self, with_signal):
        self.process.send_signal(with_signal)
        self.process.wait(30)


@pytest.mark.slow
def test_a_replica_killed_in_the_middle_of_a_chapter_costs_no_character_and_doubles_none(tmp_path):
    folder = tiny_llama(tmp_path / "model")
    store = KeyStore(default_url(tmp_path))
    secret, record = store.create("ada")
    headers = {"Authorization": f"Bearer {secret}"}
    first = Replica(folder, tmp_path)
    try:
        with httpx.Client(base_url=first.url, headers=headers, timeout=30) as client:
            whole = client.post("/v1/chapters", json=ASKED).json()["id"]
            until(lambda: store.chapters.get(record.id, whole).status == "done", 120)
            broken = client.post("/v1/chapters", json=ASKED).json()["id"]
            until(lambda: store.chapters.get(record.id, broken).tokens > 300, 60)
            seen = client.get(f"/v1/chapters/{broken}/text").json()["text"]
        first.end(signal.SIGKILL)
        left = store.chapters.get(record.id, broken)
        assert (left.status, 300 < left.tokens < 900) == ("running", True)
        second = Replica(folder, tmp_path)
        try:
            with httpx.Client(base_url=second.url, headers=headers, timeout=60) as client:
                with client.stream("GET", f"/v1/chapters/{broken}/text?follow=true&offset={len(seen)}") as response:
                    assert response.read().decode().endswith("data: [DONE]\n\n")
                texts = [client.get(f"/v1/chapters/{c}/text").json()["text"] for c in (whole, broken)]
        finally:
            second.end(signal.SIGTERM)
    finally:
        if first.process.poll() is None:
            first.end(signal.SIGKILL)
    done = store.chapters.get(record.id, broken)
    used = store.usage.exchange({}, [record.id], datetime.now(UTC).date())[record.id].ever
    store.close()
    assert texts[1] == texts[0]
    assert texts[1].startswith(seen)
    assert done.tokens == 900 > 7 * CONTEXT, "far beyond the context"
    assert count(texts[1]) > CONTEXT
    assert (used.new_tokens, used.prompt_tokens, used.reserved) == (1_800, 2 * done.prompt_tokens, 0)
