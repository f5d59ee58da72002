"""Clusters by name, from `clusters.yaml` in the user's folder, so that a token's path is written down once.

prod:
  address: http://ray-head.example.org:8265
  token_path: /home/me/.novelray/prod-token

python -m novelray.fleet.clusters add NAME ADDRESS TOKEN_PATH      what cluster/local/up.sh does
python -m novelray.fleet.clusters remove NAME
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from novelray.errors import ClusterError, NovelRayError
from novelray.home import user_folder

DEFAULT_TOKEN = "~/.ray/auth_token"


class ClusterNameError(NovelRayError):
    """No cluster was named, the name is not known, or the file of names is damaged."""


@dataclass(frozen=True)
class Cluster:
    """Where a cluster's dashboard answers, and the file with its token (None: the one Ray itself would use)."""

    name: str
    address: str
    token_path: Path | None = None

    def token(self) -> str | None:
        """The token, or None for a cluster without one. Raises ClusterError when the file cannot be read."""
        path = self.token_path or _ray_token_path()
        if path is None:
            return os.environ.get("RAY_AUTH_TOKEN") or None
        try:
            return path.expanduser().read_text("utf-8").strip() or None
        except OSError as error:
            raise ClusterError(
                f"The token of cluster {self.name!r} cannot be read from {path}: {error.strerror}.",
                "Copy the cluster's token there (chmod 600), or correct token_path.",
            ) from None


def path() -> Path:
    """The file of names."""
    return user_folder() / "clusters.yaml"


def known() -> dict[str, Cluster]:
    """Every named cluster. Raises ClusterNameError when the file is damaged."""
    try:
        data = yaml.safe_load(path().read_text("utf-8")) or {}
        return {str(name): _cluster(str(name), entry) for name, entry in data.items()}
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise ClusterNameError(
            f"{path()} is not a list of clusters: {error}.", "It holds: NAME: {address: http://..., token_path: ...}"
        ) from None


def find(name: str | None) -> Cluster:
    """The cluster of this name or address; without either, `RAY_API_SERVER_ADDRESS` or the only one with a name."""
    wanted = name or os.environ.get("RAY_API_SERVER_ADDRESS")
    clusters = known()
    if wanted is None:
        if len(clusters) == 1:
            return next(iter(clusters.values()))
        raise ClusterNameError("Which cluster?" if clusters else "No cluster is named.", _how(clusters))
    if wanted in clusters:
        return clusters[wanted]
    if wanted.startswith(("http://", "https://")):
        return Cluster(wanted, wanted.rstrip("/"))
    raise ClusterNameError(f"There is no cluster {wanted!r} in {path()}.", _how(clusters))


def add(name: str, address: str, token_path: str | None = None) -> None:
    """Write a cluster down, or change it."""
    _save({**known(), name: Cluster(name, address, Path(token_path) if token_path else None)})


def remove(name: str) -> None:
    """Forget a name; nothing happens when it is not known."""
    _save({n: c for n, c in known().items() if n != name})


def _save(clusters: dict[str, Cluster]) -> None:
    entries = {
        c.name: {"address": c.address, **({"token_path": str(c.token_path)} if c.token_path else {})}
        for c in clusters.values()
    }
    path().parent.mkdir(parents=True, exist_ok=True)
    part = path().with_suffix(f".{os.getpid()}.part")
    part.write_text(yaml.safe_dump(entries, sort_keys=False, allow_unicode=True), "utf-8")
    part.replace(path())


def _cluster(name: str, entry: dict[str, Any]) -> Cluster:
    token = entry.get("token_path")
    return Cluster(name, str(entry["address"]).rstrip("/"), Path(token) if token else None)


def _how(clusters: dict[str, Cluster]) -> str:
    names = f"Known: {', '.join(sorted(clusters))}. " if clusters else ""
    return f"{names}Give --cluster NAME or --cluster http://HOST:8265; cluster/local/up.sh starts one here."


def _ray_token_path() -> Path | None:
    """Where Ray would look: RAY_AUTH_TOKEN_PATH, else its own default if that exists; RAY_AUTH_TOKEN wins over both."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return None
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    default = Path(DEFAULT_TOKEN).expanduser()
    return Path(named) if named else default if default.is_file() else None


if __name__ == "__main__":
    if sys.argv[1] == "add":
        add(*sys.argv[2:])
    else:
        remove(*sys.argv[2:])
