"""From a registered version to an endpoint that answers, and what a person sees of it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.text import Text

from novelray.endpoint.client import own_key, own_key_file, stream_completion
from novelray.endpoint.keys import borrowed_key, ensure_key
from novelray.onray.deploy import Deployed, ReplicaSettings, undeploy
from novelray.onray.versions import replace
from novelray.recipe import Recipe
from novelray.recipe.serve import ServeSection
from novelray.recipe.storage import StorageSection
from novelray.registry import Version
from novelray.storage import Artifacts, Store

Say = Callable[[str], None]


def bring_up(recipe: Recipe, artifacts: Artifacts, version: Version, say: Say) -> Deployed:
    """Serve a version with the recipe's serve section; the first time a key is made and shown once."""
    return replace(settings_of(version, About.by(recipe, artifacts), say), say)


@dataclass(frozen=True)
class About:
    """How versions are to be served: as a recipe says, or by default."""

    section: ServeSection
    storage: StorageSection  # with an absolute root: it has to mean the same on every node
    alias: str = "latest"
    device: Literal["auto", "cpu", "gpu"] = "auto"
    trust_remote_code: bool = False

    @classmethod
    def by(cls, recipe: Recipe, artifacts: Artifacts) -> About:
        """As this recipe says."""
        storage = recipe.storage.model_copy(update={"root": artifacts.store.uri})
        trusted = recipe.model.trust_remote_code
        return cls(recipe.serve, storage, recipe.registry.alias, recipe.scaling.device, trusted)


def settings_of(version: Version, about: About, say: Say) -> ReplicaSettings:
    """What replicas of a registered version are told; the first time a key is made and shown once."""
    section = about.section
    if section.require_key:
        secret = ensure_key(url=section.keys)
        if secret is not None:
            say(f"serve: your API key, shown once: {secret} (kept in {own_key_file()}, readable by you only)")
        elif not own_key():
            say("serve: API keys were made before; one for you: novelray keys create NAME")
    _say_what_is_watched(about, version, say)
    return ReplicaSettings(
        source=f"artifact:{version.artifact}",
        storage=about.storage,
        version=version.id,
        aliases=(about.alias,),
        device=about.device,
        trust_remote_code=about.trust_remote_code,
        serve=section,
    )


def _say_what_is_watched(about: About, version: Version, say: Say) -> None:
    from novelray.generate.guard.index import indexed
    from novelray.onray.pipeline import known_shards

    if about.section.guard.copying.action == "none":
        return
    artifacts = Artifacts(Store(about.storage.root, about.storage.endpoint))
    having, lacking = indexed(artifacts, known_shards(artifacts, f"artifact:{version.artifact}"))
    if not having:
        say("serve: warning: the training books of this model are not indexed, so copies of them are not watched; "
            "models whose shards were made by this release are")  # fmt: skip
    elif lacking:
        say(f"serve: warning: copies of the books in {', '.join(lacking)} are not watched: they are not indexed")


def demonstrate(deployed: Deployed, prompt: str, section: ServeSection, tokens: int = 96) -> None:
    """Stream one continuation from the endpoint to the terminal, as a client sees it. `section`: how it is served."""
    console = Console(soft_wrap=True, highlight=False)
    console.print(Text(prompt, style="dim"), end="")
    options = {"model": deployed.model, "max_tokens": tokens, "temperature": 0.8, "seed": 1}
    with borrowed_key(own_key(), section.keys) if section.require_key else nullcontext("") as key:
        for piece in stream_completion(deployed.url, key, prompt, **options):
            console.print(Text(piece), end="")
    console.print("\n")


def next_commands(deployed: Deployed, recipe: str, prompt: str) -> list[str]:
    """What to try now, ready to be pasted. `recipe`: the recipe's path as the user wrote it."""
    novelray, path = _own_command(), shlex.quote(recipe)
    key = f"$(cat {own_key_file()})" if own_key_file().is_file() else "$NOVELRAY_API_KEY"
    body = {"model": deployed.model, "prompt": prompt, "max_tokens": 100, "stream": True}
    return [
        f"{novelray} serve {path}",
        f"curl -N {deployed.url}/v1/completions -H 'Content-Type: application/json' "
        f'-H "Authorization: Bearer {key}" '
        f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}",
        f"{novelray} models list {path}",
        f"{novelray} init my-novel",
    ]


def _own_command() -> str:
    """How this program was called, so that a line can be pasted into the same shell."""
    called = sys.argv[0]
    if os.path.basename(called) != "novelray" or shutil.which("novelray") == called:
        return "novelray"
    return os.path.relpath(called)


def stay(say: Say) -> None:
    """Keep the endpoint up until Ctrl-C, or SIGTERM as containers get it, then let running generations finish."""
    with suppress(KeyboardInterrupt):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        say("serve: press Ctrl-C to stop")
        threading.Event().wait()
    undeploy(say)
