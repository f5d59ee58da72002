"""`novelray doctor`: measure this machine (and a cluster's nodes), and let `checks.py` judge."""

from __future__ import annotations

import importlib.metadata
import locale
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from novelray.errors import NovelRayError
from novelray.fleet import checks
from novelray.fleet.clusters import DEFAULT_TOKEN
from novelray.fleet.findings import Finding
from novelray.recipe import Recipe, load_recipe
from novelray.storage import Store
from novelray.storage.probe import probe

PORTS = {8000: "the endpoint", 8265: "Ray's dashboard and jobs", 6379: "a Ray head"}
_REQUIREMENT = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*).*?(?:extra\s*==\s*['\"]([^'\"]+)['\"])?\s*$")


def examine(recipe_path: Path | None = None, address: str | None = None) -> list[Finding]:
    """Everything that can be looked at from here; with `address`, each node of that cluster as well."""
    found = [checks.python_version(sys.version_info[:2]), *_packages(), *_machine()]
    recipe, problem = _recipe(recipe_path)
    found += problem
    if recipe is not None:
        found += _storage(recipe)
        if address is None and recipe.serve.port not in PORTS:
            found.append(_port(recipe.serve.port, "this recipe's endpoint"))
    if address is not None:
        found += _nodes(address, recipe)
    return found


def _recipe(path: Path | None) -> tuple[Recipe | None, list[Finding]]:
    if path is None:
        return None, []
    try:
        return load_recipe(path), []
    except NovelRayError as error:
        return None, [Finding("recipe", "fail", error.message, error.hint)]


def _packages() -> list[Finding]:
    installed = {_normal(d.name): d.version for d in importlib.metadata.distributions() if d.name}
    needed, optional = requirements(importlib.metadata.requires("novelray") or [])
    missing = {extra: [n for n in names if n not in installed] for extra, names in optional.items()}
    return [*checks.packages(installed, needed, _pins()), *checks.extras(missing)]


def requirements(lines: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Distribution names from requirement lines: what is always needed, and by extra."""
    needed: list[str] = []
    optional: dict[str, list[str]] = {}
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match is None:
            continue
        name, extra = _normal(match.group(1)), match.group(2)
        (optional.setdefault(extra, []) if extra else needed).append(name)
    return needed, optional


def _pins() -> dict[str, str]:
    """The versions in constraints.txt, where NovelRay runs from its source tree."""
    path = Path(__file__).parents[2] / "constraints.txt"
    if not path.is_file():
        return {}
    lines = (line.partition("==") for line in path.read_text("utf-8").splitlines() if not line.startswith("#"))
    return {_normal(name): version.split(";")[0].strip() for name, equals, version in lines if equals}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.split("[")[0].strip()).lower()


def _machine() -> list[Finding]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    cache = Path(os.environ.get("NOVELRAY_CACHE", "~/.cache/novelray")).expanduser()
    return [
        _token(),
        _gpus(),
        *_shared_memory(),
        _disk("ray disk", Path(os.environ.get("RAY_TMPDIR", "/tmp"))),
        _disk("cache disk", cache),
        checks.open_files(soft if soft != resource.RLIM_INFINITY else 1 << 20),
        *(_port(number, purpose) for number, purpose in PORTS.items()),
        *checks.terminal(sys.stdout.encoding or locale.getpreferredencoding(), _chinese_fonts()),
    ]


def _token() -> Finding:
    if os.environ.get("RAY_AUTH_TOKEN"):
        return Finding("ray token", "ok", "from RAY_AUTH_TOKEN")
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or DEFAULT_TOKEN).expanduser()
    return checks.token(str(path), path.stat().st_mode & 0o777 if path.is_file() else None)


def _gpus() -> Finding:
    driver = _output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    if not driver:
        return checks.gpus(None, 0, None)
    import torch  # seconds of import: only where there is something to compare with

    return checks.gpus(driver.splitlines(), torch.cuda.device_count(), torch.version.cuda)


def _shared_memory() -> list[Finding]:
    shm = Path("/dev/shm")
    if not shm.is_dir():  # macOS has none, and Ray does without
        return []
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return [checks.shared_memory(shutil.disk_usage(shm).total, memory)]


def _disk(name: str, path: Path) -> Finding:
    while not path.exists() and path != path.parent:
        path = path.parent
    usage = shutil.disk_usage(path)
    return checks.disk(name, str(path), usage.free, usage.total)


def _port(number: int, purpose: str) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return checks.port(number, purpose, is_free=False)
    return checks.port(number, purpose, is_free=True)


def _chinese_fonts() -> bool | None:
    fonts = _output("fc-list", ":lang=zh", "family")
    return None if fonts is None else bool(fonts)


def _output(*command: str) -> str | None:
    """What a command prints; None when it is not there, fails or hangs."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _storage(recipe: Recipe) -> list[Finding]:
    section = recipe.storage
    store = Store(section.root, section.endpoint)
    found = [checks.storage(section.root, probe(store))]
    return [*found, _disk("storage disk", Path(store.base))] if store.is_local else found


def _nodes(address: str, recipe: Recipe | None) -> list[Finding]:
    from novelray.onray.nodes import probe_nodes

    try:
        reports = probe_nodes(address, recipe.storage if recipe else None)
    except NovelRayError as error:
        return [Finding("cluster", "fail", error.message, error.hint)]
    found = [Finding("cluster", "ok", f"{len(reports)} node(s) at {address}")]
    for report in reports:
        found.append(checks.disk(f"disk of {report.node}", "Ray's folder", report.disk_free, report.disk_total))
        if report.versions_differ:
            mend = "install the same versions on every node"
            found.append(Finding(f"versions of {report.node}", "fail", report.versions_differ, mend))
        if recipe is not None:
            found.append(checks.storage(recipe.storage.root, report.storage_problem, report.node))
    return found
