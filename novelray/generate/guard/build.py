"""From a recipe's section to a guard."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from novelray.errors import RecipeError
from novelray.generate.guard.check import Check, Checker, head_check, imported_check
from novelray.generate.guard.copying import Limits
from novelray.generate.guard.engine import Guard
from novelray.generate.guard.index import CopyIndex
from novelray.generate.guard.steer import Steerer
from novelray.generate.guard.terms import Terms
from novelray.generate.protocol import Engine
from novelray.recipe.guard import CheckSection, GuardSection, TermsSection

log = logging.getLogger(__name__)


def build_guard(
    section: GuardSection, engine: Engine, index: Callable[[], CopyIndex | None], version: str = ""
) -> Guard:
    """What a recipe asks for. `index` is called when copies are watched; where it gives None they are not.

    Raises RecipeError for terms that cannot be read and a check that is not there, and what `index` raises.
    """
    copying, terms = section.copying, section.terms
    found = index() if copying.action != "none" else None
    if copying.action != "none" and found is None:
        log.warning("copies of the training books are not watched: the model has no index of them")
    limits = Limits(copying.chars, copying.letters)
    steerer = Steerer(found, limits) if found is not None and copying.action == "steer" else None
    if steerer is not None:
        steerer.table(engine.vocabulary)  # a second for a large one, which no stream should wait for
    return Guard(
        version=version,
        index=found,
        limits=limits,
        steerer=steerer,
        terms=_terms(terms) if terms.active else None,
        masks=terms.action == "mask",
        checker=_checker(section.check, engine) if section.check.active else None,
    )


def _terms(section: TermsSection) -> Terms | None:
    words = list(section.words)
    if section.file is not None:
        try:
            lines = Path(section.file).read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(
                f"serve.guard.terms.file {section.file} cannot be read: {error}",
                "It must be UTF-8 text on every replica's node.",
            ) from None
        words += [line for line in lines if not line.startswith("#")]
    found = Terms(words)
    return found if len(found) else None


def _checker(section: CheckSection, engine: Engine) -> Checker:
    check: Check
    if section.call is not None:
        check = imported_check(section.call)
    else:
        check = head_check(engine, str(section.head), section.classes, section.above)
    return Checker(check, section.unit, section.timeout_s, section.failure == "pass")
