"""Where a model comes from: what the recipe's `model.base` means, checked before anything heavy is loaded.

A source is a short string that travels to the workers:

    scratch:nano        a configuration of ours with random weights
    folder:/a/b         a Hugging Face folder that every node can read
    artifact:model-...  a model that NovelRay trained, in storage
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from novelray.errors import ModelError, missing_package
from novelray.models.fits import check_files
from novelray.models.scratch import SIZES
from novelray.recipe.model import ModelSection
from novelray.storage.store import sha256_of

WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.spm", "*.jinja", "*.tiktoken"]


def resolve(section: ModelSection) -> str:
    """The source for `model.base`. Names in the registry (`name@...`) are resolved by the caller, which has the store.

    Raises ModelError when the base is not there, has no safetensors, or is an unknown scratch model.
    """
    base = section.base
    if base.startswith("scratch:"):
        return _scratch(base)
    folder = Path(base).expanduser()
    if folder.is_absolute() or folder.is_dir():
        return f"folder:{checked_folder(folder, section.trust_remote_code)}"
    return f"folder:{checked_folder(_from_hub(section), section.trust_remote_code)}"


def checked_folder(folder: Path, trust_remote_code: bool = False) -> Path:
    """The folder, when it holds a model we may load: config.json and safetensors, no code unless trusted."""
    if not folder.is_dir():
        raise ModelError(f"There is no model folder {folder}.", "Check model.base; it may also be a hub id.")
    config = folder / "config.json"
    if not config.is_file() and (folder / "adapter_config.json").is_file():
        base = _config(folder / "adapter_config.json").get("base_model_name_or_path")
        raise ModelError(
            f"{folder} is an adapter (PEFT) on {base}.",
            "Merge it into its base with PEFT first (merge_and_unload), and point model.base at the result.",
        )
    if not config.is_file():
        raise ModelError(f"{folder} has no config.json.", "Point model.base at a Hugging Face model folder.")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder} has no *.safetensors weights.",
            "Only safetensors are loaded, since other formats can run code. Convert the weights, or take another copy.",
        )
    if "auto_map" in _config(config) and not trust_remote_code:
        raise ModelError(
            f"{folder} needs Python code of its own.",
            "Read that code, then set model.trust_remote_code: true if you want to run it.",
        )
    check_files(folder, _config(config))
    return folder.resolve()


def check_context(folder: Path, context: int) -> None:
    """Raise ModelError when rows of `context` tokens are longer than the model in a folder reads."""
    limit = _config(folder / "config.json").get("max_position_embeddings")
    if isinstance(limit, int) and context > limit:
        raise ModelError(
            f"shards.context is {context} tokens and the base model in {folder} reads {limit}.",
            f"Set shards.context to at most {limit}.",
        )


def digest_of_source(source: str) -> str:
    """What a source contributes to an artifact's identity: content for folders, the name for the others."""
    kind, _, value = source.partition(":")
    return f"folder-{_folder_digest(Path(value))}" if kind == "folder" else (value if kind == "artifact" else source)


def _scratch(base: str) -> str:
    name = base.removeprefix("scratch:")
    if name in SIZES:
        return base
    near = difflib.get_close_matches(name, SIZES, n=1, cutoff=0.4)
    hint = f"Did you mean scratch:{near[0]}?" if near else f"Use one of: scratch:{', scratch:'.join(SIZES)}."
    raise ModelError(f"There is no scratch model {name!r}.", hint)


def _from_hub(section: ModelSection) -> Path:
    """The local snapshot of a hub id. Nothing is fetched unless the recipe allows it."""
    fetch = _modelscope if section.hub == "modelscope" else _huggingface
    try:
        return Path(fetch(section))
    except ModelError:
        raise
    except Exception as error:  # the two hubs raise dozens of types for "not there" and "not reachable"
        what = "could not be fetched" if section.download else "is not in the local cache"
        hint = "Check the id and the network" if section.download else "Set model.download: true to fetch it"
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"The base model {section.base!r} {what} ({section.hub}): {first_line}",
            f"{hint}, or give a local folder (is there one of this name?) or scratch:nano.",
        ) from error


def _huggingface(section: ModelSection) -> str:
    from huggingface_hub import snapshot_download

    return snapshot_download(
        section.base, revision=section.revision, local_files_only=not section.download, allow_patterns=WANTED
    )


def _modelscope(section: ModelSection) -> str:
    try:
        from modelscope import snapshot_download
    except ImportError:
        raise ModelError(*missing_package("modelscope", "modelscope").args) from None
    return str(
        snapshot_download(
            section.base, revision=section.revision, local_files_only=not section.download, allow_patterns=WANTED
        )
    )


def _config(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} does not parse: {error}.", "Fetch the model again.") from None
    return dict(value)


def _folder_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of the files that decide what a model computes."""
    if not folder.is_dir():
        raise ModelError(f"There is no model folder {folder}.", "Put it back, or mount it on this node too.")
    digest = hashlib.sha256()
    for path in sorted(p for pattern in WANTED for p in folder.glob(pattern) if p.is_file()):
        digest.update(f"{path.name} {_cached_sha256(path)}\n".encode())
    return digest.hexdigest()[:32]


def _cached_sha256(path: Path) -> str:
    """The file's SHA-256; remembered by (path, size, time), since a base has tens of gigabytes."""
    stat = path.stat()
    key = f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
    home = Path(os.environ.get("NOVELRAY_CACHE", "~/.cache/novelray")).expanduser() / "digests"
    memo = home / hashlib.sha256(key.encode()).hexdigest()
    if memo.is_file():
        return memo.read_text()
    value = sha256_of(path)
    home.mkdir(parents=True, exist_ok=True)
    part = memo.with_name(f".{memo.name}.{os.getpid()}")
    part.write_text(value)
    part.replace(memo)
    return value
