"""What every job entrypoint does: read the recipe, call the stage, answer with its exit code.

A request to cancel (`jobs/<id>/cancel` in the recipe's storage) is left to the training run, which commits first; in
any other stage the process is interrupted, since a stage without a run writes nothing that a reader could see before
its last step.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from novelray.errors import CancelledError, RecipeError
from novelray.fleet.console import guarded, quiet_libraries
from novelray.fleet.stages import run_stage
from novelray.recipe import Recipe, load_recipe
from novelray.storage import Store
from novelray.telemetry.control import begin_job, cancel_requested, is_forwarding, job_key, watching


def main(stage: str, arguments: Sequence[str] | None = None) -> int:
    """`python -m jobs.<stage> RECIPE`. Returns the exit code (see `novelray/errors.py`)."""
    _stop_like_control_c()
    quiet_libraries()
    return guarded(lambda: _work(stage, sys.argv[1:] if arguments is None else arguments))


def _work(stage: str, arguments: Sequence[str]) -> None:
    if len(arguments) != 1:
        raise RecipeError(f"{len(arguments)} arguments were given; there is one.", f"python -m jobs.{stage} RECIPE")
    recipe = load_recipe(Path(arguments[0]))
    with _cancellable(recipe):
        run_stage(stage, recipe)


@contextlib.contextmanager
def _cancellable(recipe: Recipe) -> Iterator[None]:
    """Heed requests to cancel. Raises CancelledError after a stage that took one for its end, as an endpoint does."""
    job = job_key()
    if job is None:
        yield
        return
    store = Store(recipe.storage.root, recipe.storage.endpoint)
    begin_job(store, job)
    with watching(store, job, _interrupt_unless_forwarded):
        yield
    if cancel_requested(store, job):
        raise CancelledError("Stopped, as was asked.", "Submit it again to go on.")


def _interrupt_unless_forwarded() -> None:
    main_thread = threading.main_thread().ident
    if not is_forwarding() and main_thread is not None:
        signal.pthread_kill(main_thread, signal.SIGINT)


def _stop_like_control_c() -> None:
    """Ray starts jobs with SIGINT blocked and stops them with SIGTERM: make both raise KeyboardInterrupt here."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
