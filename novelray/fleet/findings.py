"""One result of an examination, and how a list of them is shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from rich.table import Table
from rich.text import Text

from novelray.fleet.console import console
from novelray.fleet.show import print_json

State = Literal["ok", "warn", "fail"]
MARKS = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


@dataclasses.dataclass(frozen=True)
class Finding:
    """`what` was found about `name`, and `mend`: the command or the change that puts it right."""

    name: str
    state: State
    what: str
    mend: str = ""


def show(findings: Sequence[Finding], as_json: bool) -> None:
    """A table for people, or a JSON list for programs."""
    if as_json:
        print_json([dataclasses.asdict(f) for f in findings])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column("check", no_wrap=True)
    table.add_column("found", overflow="fold")
    for finding in findings:
        found = Text(finding.what)
        if finding.mend:
            found.append(f"\n→ {finding.mend}", "cyan")
        table.add_row(Text(*MARKS[finding.state]), finding.name, found)
    console().print(table, soft_wrap=False)
    console().print(Text(_summary(findings)))


def _summary(findings: Sequence[Finding]) -> str:
    fails = sum(f.state == "fail" for f in findings)
    warns = sum(f.state == "warn" for f in findings)
    if not fails and not warns:
        return "Nothing is wrong."
    return f"{fails} to mend, {warns} to know of." if fails else f"Nothing is broken; {warns} to know of."
