"""`novelray runs`: the runs in a storage, as a table, as JSON, or against each other on a page."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from novelray.errors import NovelRayError
from novelray.fleet.console import say
from novelray.fleet.lineage import store_of
from novelray.fleet.show import print_json
from novelray.telemetry.runs import Run, all_runs

COLOURS = {"done": "green", "running": "cyan", "stopped": "yellow", "cancelled": "yellow", "preempted": "yellow",
           "failed": "red"}  # fmt: skip
RIGHT = ("steps", "held-out", "perplexity", "tokens/s", "MFU", "memory")


def show_runs(wanted: Sequence[str], recipe: Path, storage: str | None, plot: Path | None, as_json: bool) -> None:
    """Print all runs or the wanted ones; with `plot` write the page that compares them.

    Raises NovelRayError when a wanted run is not there, or when there is none to compare.
    """
    store = store_of(recipe, storage)
    runs = chosen(all_runs(store), wanted, store.uri)
    if plot is not None:
        write_page(plot, runs, store.uri)
    if as_json:
        print_json([as_dict(run) for run in runs])
    elif not runs:
        say(f"runs: none in {store.uri} yet")
    else:
        wide = Console(highlight=False)
        if not sys.stdout.isatty():
            wide.width = 250  # ids must stay whole in files and pipes
        wide.print(table(runs))
    if plot is not None and not as_json:
        say(f"runs: {plot} compares {len(runs)} of them; open it in a browser")


def chosen(runs: Sequence[Run], wanted: Sequence[str], where: str) -> list[Run]:
    """The runs asked for, in that order, by id or its beginning, or by the recipe's name; all when none is."""
    if not wanted:
        return list(runs)
    found: dict[str, Run] = {}
    for word in wanted:
        named = [run for run in runs if run.name == word]
        begun = [run for run in runs if run.id.startswith((word, f"model-{word}"))]
        if not named and len(begun) != 1:
            raise _unclear(word, begun, runs, where)
        found |= {run.id: run for run in named or begun}
    return list(found.values())


def _unclear(word: str, begun: Sequence[Run], runs: Sequence[Run], where: str) -> NovelRayError:
    if begun:
        return NovelRayError(
            f"{len(begun)} runs begin with {word!r}: {', '.join(r.id for r in begun[:5])}.", "Give more of the id."
        )
    known = ", ".join(dict.fromkeys(name for run in runs[:10] for name in (run.id, run.name) if name))
    return NovelRayError(
        f"There is no run {word!r} in {where}.", f"There are: {known}." if known else "There are no runs at all."
    )


def write_page(path: Path, runs: Sequence[Run], where: str) -> None:
    """Write the comparison. Raises NovelRayError when it cannot be written or there is nothing to draw."""
    from novelray.fleet.compare import page

    if path.suffix.lower() not in (".html", ".htm"):
        raise NovelRayError(f"--plot writes a page for the browser, and {path.name!r} is none.", "Name it out.html.")
    if not any(run.training or run.heldout for run in runs):
        raise NovelRayError(f"There is no run in {where} with a loss to draw.", "Train first.")
    try:
        path.write_text(page(runs), "utf-8")
    except OSError as error:
        raise NovelRayError(f"{path} cannot be written: {error.strerror}.", "Choose another place.") from None


def table(runs: Sequence[Run]) -> Table:
    """One line per run."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    columns = ("run", "name", "model", "stage", "method", *RIGHT, "when", "state")
    for column in columns:
        made.add_column(column, justify="right" if column in RIGHT else "left", no_wrap=column != "model")
    for run in runs:
        made.add_row(*(Text(cell) for cell in cells(run)), Text(run.state, COLOURS[run.state]))
    return made


def cells(run: Run) -> list[str]:
    """The columns of a run but its state, as shown."""
    when = "" if run.time is None else datetime.fromtimestamp(run.time).strftime("%Y-%m-%d %H:%M")
    best = None if run.best is None else run.best.loss
    steps = f"{run.step:,}" if run.steps in (None, run.step) else f"{run.step:,}/{run.steps:,}"
    return [
        run.id, run.name, run.model, run.stage, run.method, steps, shown(best, ".4f"),
        shown(run.perplexity, ",.2f"), shown(run.tokens_per_s, ",.0f"), shown(run.mfu, ".1%"), memory(run), when,
    ]  # fmt: skip


def shown(value: float | None, how: str) -> str:
    """A number in this format; "" for None."""
    return "" if value is None else format(value, how)


def memory(run: Run) -> str:
    """Peak memory in GiB."""
    return "" if run.memory_peak is None else f"{run.memory_peak / 2**30:.1f} GiB"


def as_dict(run: Run) -> dict[str, Any]:
    """The run as plain values, without the points of its curves."""
    return {
        name: value
        for name, value in {**dataclasses.asdict(run), "perplexity": run.perplexity}.items()
        if name not in ("training", "heldout")
    }
