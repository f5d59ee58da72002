"""Serving speed: our endpoint beside a bare decoding loop and beside `transformers serve`, same model, same prompts.

    python benchmarks/serve.py [--model nano|mini] [--clients 8 32] [--tokens 128] [--rounds 3] [--books FOLDER]

- bare: one process, one batch, the engine's own forward over its own cache: read each prompt, then draw a token for
  every row until all have theirs. No server, no stop rules, no text.
- ours: `novelray serve` on Ray Serve, asked over HTTP; each client streams its answer.
- peer: `transformers serve`, with continuous batching and without; the better one counts.
- one client: time to the first token and between tokens, through HTTP and Serve, and of the engine alone in a process.

Every client asks for the same number of new tokens after a prompt of 100 characters from the books, temperature 0.8; no
text ends early; connections are up before the clock starts. Rounds alternate, medians are compared. Clients run in a
process of their own on the same cores.
Not covered: GPUs, several replicas, long prompts.

Prints a table and, last, one JSON object: `ratio_bare_N` and `ratio_transformers_N` are our tokens/s over theirs at N
clients; `added_ttft_ms` and `added_itl_ms` what HTTP and Serve add at one client (medians).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # this file's own folder would hide the package `serve` behind this file

CONTEXT = 1024
SAMPLING = {"temperature": 0.8}
ALONE = 8
"""Requests that one client makes, one after the other."""


def main() -> None:
    """Measure and print."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="novelray-bench-") as name:
        folder = Path(name)
        prompts = make_model(folder / "model", options)
        rows: dict[tuple[str, int], list[dict[str, float]]] = {}
        with ours(folder, options) as ask_ours:
            peers = {} if options.no_peer else {mode: Peer(folder / "model", mode) for mode in ("static", "batching")}
            for number in range(options.rounds + 1):  # the first round warms up and is not counted
                for clients in (1, *options.clients):
                    some = random.Random(number).sample(prompts, max(clients, ALONE))
                    measured = {"ours": ask_ours(some, clients)}
                    measured["bare"] = apart(bare if clients > 1 else engine_alone, folder / "model", some, options)
                    for mode, peer in peers.items():
                        measured[mode] = peer.ask(some, clients, options)
                    for who, found in measured.items():
                        if number:
                            rows.setdefault((who, clients), []).append(found)
                        print(
                            f"round {number} {clients:3} {who:9} "
                            + "  ".join(f"{k} {v:9.2f}" for k, v in found.items())
                        )
            for peer in peers.values():
                peer.close()
    report(rows, options)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Our endpoint beside a bare loop and transformers serve.")
    parser.add_argument("--model", default="nano", choices=["nano", "mini"])
    parser.add_argument("--clients", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--tokens", type=int, default=128, help="new tokens per request")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--books", type=Path, help="folder of .txt novels; default: the stories of the package")
    parser.add_argument("--no-peer", action="store_true", help="leave transformers serve out")
    return parser.parse_args()


def make_model(folder: Path, options: argparse.Namespace) -> list[str]:
    """A model of random weights whose texts never end, in a folder; returns prompts."""
    import torch
    from transformers import AutoModelForCausalLM

    import novelray
    from novelray.models.scratch import scratch_config
    from novelray.shards.tokenizer import save_tokenizer, train_bpe

    books = options.books or Path(novelray.__file__).parent / "samples"
    texts = [p.read_text("utf-8", errors="ignore") for p in sorted(books.rglob("*.txt"))]
    tokenizer = train_bpe([t[:400_000] for t in texts], 8192)
    save_tokenizer(tokenizer, folder)
    torch.manual_seed(1)
    config = scratch_config(options.model, len(tokenizer), CONTEXT, 0, 1)
    config.eos_token_id = None
    model = AutoModelForCausalLM.from_config(config)
    model.generation_config.eos_token_id = None
    model.save_pretrained(folder)
    rng = random.Random(1)
    starts = [
        (text, rng.randrange(len(text) - 200)) for text in rng.choices([t for t in texts if len(t) > 1000], k=256)
    ]
    return [text[at : at + 100].replace("\n", " ") for text, at in starts]


# ---------------------------------------------------------------- the bare loop and the bare engine


def apart(work: Callable[..., dict[str, float]], *args: object) -> dict[str, float]:
    """The result of `work` in a fresh process, which has nothing of the benchmark's in its memory."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(work, args)


def loaded(folder: Path):
    """The model as the endpoint prepares it, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    from novelray.generate.steady import make_steady
    from novelray.shards.tokenizer import load_tokenizer

    disable_progress_bar()
    torch.set_num_threads(os.cpu_count() or 1)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    make_steady(model)
    return model, load_tokenizer(folder)


def bare(folder: Path, prompts: list[str], options: argparse.Namespace) -> dict[str, float]:
    """Tokens per second of a loop written by hand."""
    import torch

    from novelray.generate.cache import RowCache, Span
    from novelray.generate.forward import fastest

    model, tokenizer = loaded(folder)
    forward = fastest(model)
    ids = [tokenizer(p)["input_ids"] for p in prompts]
    with torch.inference_mode():
        for _ in range(2):  # the first one warms up
            cache = RowCache(model.config.num_hidden_layers, max(4, len(ids)), CONTEXT)
            began = time.perf_counter()
            logits = []
            for row, prompt in enumerate(ids):
                cache.prefill(Span(row, 0, len(prompt)))
                logits.append(forward(torch.tensor([prompt]), torch.arange(len(prompt))[None], None, cache))
            tokens = draw(torch.cat(logits))
            lengths = torch.tensor([len(prompt) for prompt in ids])
            for _ in range(options.tokens - 1):
                attended = cache.decode(lengths, int(lengths.max()))
                hidden = torch.arange(attended) > lengths[:, None]
                mask = torch.zeros(hidden.shape).masked_fill_(hidden, float("-inf"))[:, None, None]
                tokens = draw(forward(tokens, lengths[:, None], mask, cache))
                lengths = lengths + 1
            seconds = time.perf_counter() - began
    return {"tok_s": len(ids) * options.tokens / seconds}


def draw(logits):
    """A token [rows, 1] of each row."""
    import torch

    return torch.multinomial((logits / SAMPLING["temperature"]).softmax(-1), 1)


def engine_alone(folder: Path, prompts: list[str], options: argparse.Namespace) -> dict[str, float]:
    """Tokens per second, time to the first token and between tokens (medians, ms) of the engine without a server."""
    from novelray.generate.embedded import EmbeddedEngine
    from novelray.generate.protocol import Request, Sampling

    async def run() -> dict[str, float]:
        with ThreadPoolExecutor(1) as thread:  # as in serve/engine.py
            engine = thread.submit(lambda: EmbeddedEngine(*loaded(folder), max_batch=32)).result()
        sampling = Sampling(max_tokens=options.tokens, **SAMPLING)
        times = []
        for i, prompt in enumerate(["。", *prompts]):  # the first one warms up
            request = Request(str(i), engine.encode(prompt), sampling)
            times.append([time.perf_counter(), *[time.perf_counter() async for _ in engine.generate(request)]])
        await engine.close()
        return timed(times[1:], options.tokens)

    return asyncio.run(run())


# ---------------------------------------------------------------- servers and clients


@contextmanager
def ours(folder: Path, options: argparse.Namespace) -> Iterator[Callable[[list[str], int], dict[str, float]]]:
    """Our endpoint, up inside the `with`; gives a function that asks it."""
    from novelray.onray import session
    from novelray.onray.deploy import deploy, undeploy
    from novelray.onray.replica import ReplicaSettings
    from novelray.recipe.serve import ServeSection

    session.start(num_cpus=os.cpu_count())
    section = ServeSection(port=free_port(), max_batch=32, max_queue=64, require_key=False)
    settings = ReplicaSettings(source=f"folder:{folder / 'model'}", version="bench@1", device="cpu", serve=section)
    try:
        url = deploy(settings, lambda line: None).url
        yield lambda prompts, at_once: ask(url, "bench", prompts, at_once, options)
    finally:
        undeploy(lambda line: None)
        session.stop()


class Peer:
    """`transformers serve` in one of its modes. It is stopped while it is not asked."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.port, self.name = free_port(), str(folder)
        flag = "--continuous-batching" if mode == "batching" else "--no-continuous-batching"
        command = [str(Path(sys.executable).with_name("transformers")), "serve", self.name, flag, "--device", "cpu",
                   "--port", str(self.port), "--log-level", "error"]  # fmt: skip
        if mode == "batching":
            command += ["--attn-implementation", "sdpa"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until_up(f"http://127.0.0.1:{self.port}/health", self.process)
        self.pause()

    def ask(self, prompts: list[str], at_once: int, options: argparse.Namespace) -> dict[str, float]:
        """As `ask`."""
        self.signal("CONT")
        try:
            return ask(f"http://127.0.0.1:{self.port}", self.name, prompts, at_once, options)
        finally:
            self.pause()

    def pause(self) -> None:
        """Its threads spin while it waits for work, and would slow the others."""
        self.signal("STOP")

    def signal(self, name: str) -> None:
        """Send a signal by its name."""
        subprocess.run(["kill", f"-{name}", str(self.process.pid)], check=True)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


def ask(url: str, model: str, prompts: list[str], at_once: int, options: argparse.Namespace) -> dict[str, float]:
    """What so many clients see who ask at once, each with its own connection, in a process of their own."""
    return apart(clients, url, model, prompts, at_once, options.tokens)


def clients(url: str, model: str, prompts: list[str], at_once: int, tokens: int) -> dict[str, float]:
    """The body of that process."""
    import aiohttp

    async def warm(session: aiohttp.ClientSession) -> None:
        body = {"model": model, "prompt": "。", "max_tokens": 1}
        async with session.post(f"{url}/v1/completions", json=body) as answer:
            await answer.read()

    async def one(session: aiohttp.ClientSession, prompt: str, times: list[float]) -> None:
        body = {"model": model, "prompt": prompt, "max_tokens": tokens, "stream": True, **SAMPLING}
        await places.acquire()
        times.append(time.perf_counter())
        async with session.post(f"{url}/v1/completions", json=body) as answer:
            assert answer.status == 200, await answer.text()
            async for line in answer.content:
                if line.startswith(b"data: {") and b'"text"' in line:
                    assert b'"error"' not in line, line
                    times.append(time.perf_counter())
        places.release()

    places = asyncio.Semaphore(at_once)

    async def run() -> dict[str, float]:
        timeout = aiohttp.ClientTimeout(total=600)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
            times: list[list[float]] = [[] for _ in prompts]
            await asyncio.gather(*[warm(session) for _ in range(at_once)])
            await asyncio.gather(*[one(session, p, t) for p, t in zip(prompts, times, strict=True)])
        return timed(times, tokens)

    return asyncio.run(run())


def timed(times: list[list[float]], tokens: int) -> dict[str, float]:
    """Of each request the time it was sent and those of its pieces: tokens/s of all, and medians in ms."""
    seconds = max(t[-1] for t in times) - min(t[0] for t in times)
    gaps = [(t[-1] - t[1]) / (tokens - 1) for t in times]  # a piece may hold several tokens
    return {
        "tok_s": tokens * len(times) / seconds,
        "ttft_ms": 1e3 * statistics.median(t[1] - t[0] for t in times),
        "itl_ms": 1e3 * statistics.median(gaps),
    }


def until_up(url: str, process: subprocess.Popen, seconds: float = 180) -> None:
    """Wait until a server answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2)
            return
        except OSError:
            time.sleep(0.5)
    raise SystemExit(f"{url} did not come up")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def report(rows: dict[tuple[str, int], list[dict[str, float]]], options: argparse.Namespace) -> None:
    """The table, and the ratios as JSON."""
    middle = {
        key: {name: statistics.median(found[name] for found in several) for name in several[0]}
        for key, several in rows.items()
    }
    print(f"\n{'clients':>7} {'':9} {'tokens/s':>9} {'first, ms':>10} {'between, ms':>12}")
    for (who, count), found in sorted(middle.items(), key=lambda item: item[0][1]):
        latency = f"{found['ttft_ms']:10.1f} {found['itl_ms']:12.2f}" if "ttft_ms" in found else ""
        print(f"{count:7} {who:9} {found['tok_s']:9,.0f} {latency}")
    result: dict[str, float] = {}
    for count in options.clients:
        mine = middle["ours", count]["tok_s"]
        result[f"ratio_bare_{count}"] = mine / middle["bare", count]["tok_s"]
        others = [middle[mode, count]["tok_s"] for mode in ("static", "batching") if (mode, count) in middle]
        if others:
            result[f"ratio_transformers_{count}"] = mine / max(others)
    for name in ("ttft_ms", "itl_ms"):
        result[f"added_{name}"] = middle["ours", 1][name] - middle["bare", 1][name]
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    main()
