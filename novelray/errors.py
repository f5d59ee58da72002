"""Every error a user can meet, as one family.

Each error says what happened and with which value (`message`), and what to do about it (`hint`). The command line
prints both and exits with `exit_code`; no traceback reaches a user. Internal invariants use `assert` instead.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_USER = 2
EXIT_RETRY = 3
EXIT_GAVE_UP = 4
EXIT_CANCELLED = 130


class NovelRayError(Exception):
    """Base of the family. `message`: what happened, with which value. `hint`: what to do."""

    exit_code = EXIT_USER

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)  # both in args, so that the error survives a trip between processes
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class RecipeError(NovelRayError):
    """The recipe does not parse, has an unknown key, a bad value or an impossible combination."""


class CorpusError(NovelRayError):
    """Books are missing, unreadable past the set share, or leave nothing to train on."""


class ModelError(NovelRayError):
    """A base model, tokenizer or adapter is not there, not loadable or does not match."""


class TrainError(NovelRayError):
    """Training cannot go on with these inputs (for example a loss that is not finite)."""


class CapacityError(NovelRayError):
    """More was asked for than the machine or the cluster has (GPUs, CPUs, a port)."""


class StorageError(NovelRayError):
    """Storage cannot be read or written; usually worth another try."""

    exit_code = EXIT_RETRY


class DiskFullError(StorageError):
    """No space is left where something had to be written. What was committed before is intact."""


class DamagedError(NovelRayError):
    """A stored file is missing or its bytes do not match the manifest."""

    exit_code = EXIT_GAVE_UP


class ClusterError(NovelRayError):
    """A cluster does not answer, refuses the token, or failed the job."""

    exit_code = EXIT_RETRY


class GaveUpError(NovelRayError):
    """The retries that the recipe allows are used up."""

    exit_code = EXIT_GAVE_UP


class CancelledError(NovelRayError):
    """The user cancelled. What was done so far is committed."""

    exit_code = EXIT_CANCELLED


class PreemptedError(NovelRayError):
    """The platform takes a machine back, with notice. What was done so far is committed."""

    exit_code = EXIT_RETRY


class BusyError(NovelRayError):
    """Somebody else is doing this already, and only one may."""

    exit_code = EXIT_RETRY


class NotPromotedError(NovelRayError):
    """A trained model is worse than the recipe allows. It is registered, and the alias stays where it was."""

    exit_code = EXIT_GAVE_UP


def missing_package(package: str, extra: str) -> NovelRayError:
    """The error for an optional library that is not installed."""
    return NovelRayError(
        f"The package {package!r} is needed for this and is not installed.",
        f'Install it with: pip install "novelray[{extra}]"',
    )
