"""What a person sees: lines of progress on the way, one plain explanation at the end. No traceback reaches a screen."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from novelray.errors import EXIT_CANCELLED, EXIT_GAVE_UP, EXIT_OK, DiskFullError, NovelRayError
from novelray.home import user_folder

Say = Callable[[str], None]


def console(stderr: bool = False) -> Console:
    """A console of its own each time, so that it follows redirected streams. Long lines are left to the terminal."""
    return Console(stderr=stderr, soft_wrap=True, highlight=False)


def say(line: str) -> None:
    """Print a line of progress; `stage: what it did` shows with the stage's name highlighted."""
    stage, colon, rest = line.partition(": ")
    if colon and stage and " " not in stage:
        console().print(Text.assemble((stage, "bold cyan"), colon, rest))
    else:
        console().print(Text(line))


def guarded(work: Callable[[], object]) -> int:
    """Run `work`; explain on stderr what stopped it. Returns the exit code (see `errors.py`)."""
    try:
        work()
    except BaseException as error:
        return explain(error)
    return EXIT_OK


def explain(error: BaseException) -> int:
    """Tell a person about an error and return the exit code for it."""
    if isinstance(error, KeyboardInterrupt) or _was_interrupted(error):
        console(stderr=True).print("Cancelled. What was committed is kept.", style="yellow")
        return EXIT_CANCELLED
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else EXIT_OK if error.code is None else EXIT_GAVE_UP
    if isinstance(error, BrokenPipeError):
        _forget_stdout()
        return EXIT_OK
    known = as_known(error)
    if known is None:
        return _unexpected(error)
    _print(known)
    return known.exit_code


def _was_interrupted(error: BaseException) -> bool:
    """Typer turns Ctrl-C into SystemExit(130), in silence."""
    inner = error.__context__ if isinstance(error, SystemExit) and error.code == EXIT_CANCELLED else None
    return inner is not None and isinstance(inner.__cause__, KeyboardInterrupt)


def as_known(error: BaseException) -> NovelRayError | None:
    """The error of our family that `error` is or carries (those of workers arrive wrapped); None for a defect."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, NovelRayError):
            return one
        if isinstance(one, OSError) and one.errno == 28:
            return DiskFullError(f"The disk is full: {one}.", "Free some space and run the same command again.")
        failures = getattr(one, "worker_failures", None)
        todo += [getattr(one, "cause", None), one.__cause__]
        todo += list(failures.values()) if isinstance(failures, dict) else []
        todo = [e for e in todo if isinstance(e, BaseException)]
    return None


def _print(error: NovelRayError) -> None:
    out = console(stderr=True)
    out.print(Text.assemble(("error: ", "bold red"), error.message))
    if error.hint:
        out.print(Text.assemble(("hint:  ", "bold green"), error.hint))


def _unexpected(error: BaseException) -> int:
    """A defect of ours: one line for the person, everything for the log."""
    first = (str(error).strip().splitlines() or [""])[0][:300]
    out = console(stderr=True)
    out.print(Text.assemble(("error: ", "bold red"), f"{type(error).__name__}: {first}" if first else repr(error)))
    try:
        where = write_traceback(error)
    except OSError as problem:
        out.print(Text(f"       The traceback could not be written: {problem}."))
    else:
        out.print(Text(f"       This is a defect in NovelRay. The full traceback is in {where}"))
    return EXIT_GAVE_UP


def write_traceback(error: BaseException) -> str:
    """Write the traceback to a log file of its own, readable by the user only, and return the path."""
    folder = user_folder() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    text = "".join(traceback.format_exception(error))
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(f"{' '.join(sys.argv[:2])}\n{text}")
    return str(path)


def quiet_libraries() -> None:
    """Keep libraries' log lines off the screen; errors are told once, by `explain`."""
    logging.getLogger("ray").setLevel(logging.ERROR)


def _forget_stdout() -> None:
    """Whoever read our output has left: point stdout nowhere, or the interpreter complains at its last flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
