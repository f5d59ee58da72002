"""What the endpoint does not let through. Nothing is watched unless a recipe says so."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from novelray.recipe.base import Section, Share

Run = Annotated[int, Field(ge=30)]


class CopyingSection(Section):
    """Text that stands word for word in the training books, by an index that is made together with the shards."""

    counts = False

    action: Literal["none", "stop", "steer"] = "none"
    """`stop` ends the answer where a run grows too long. `steer` takes the tokens that would go on with it out of the
    choice, so that the text departs from the book; an engine that cannot do that stops."""

    chars: Run = 60
    """Most Hanzi (or kana, or Hangul) in a row, without punctuation and white space: two or three sentences. Our
    choice, near the 50 tokens in a row that work on memorisation takes for copied (Carlini et al. 2023)."""

    letters: Run = 200
    """The same for letters of alphabets: some 40 words. In a mixed run each character uses up its share."""


class TermsSection(Section):
    """Words and names that may not be shown."""

    counts = False

    action: Literal["stop", "mask"] = "stop"
    """`stop` ends the answer before the term. `mask` shows ● in place of each of its characters."""

    words: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """The terms. Case, width, accents and the script of Hanzi make no difference; letters match whole words only."""

    file: str | None = None
    """A UTF-8 file with more terms, one a line; lines that begin with `#` are left out. It is read on every replica's
    node."""

    @property
    def active(self) -> bool:
        return bool(self.words or self.file)


class CheckSection(Section):
    """A classifier that every piece of text passes before it is shown."""

    counts = False

    call: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")] | None = None
    """`module:attribute` of a function `(text, context)`, plain or async, that returns None for what may be shown, else
    in a word why not. It must be importable on every node."""

    head: str | None = None
    """In place of `call`: a head of the served model (`train.tasks`), by its name."""

    classes: tuple[str, ...] = ()
    """Classes of the head that may not be shown."""

    above: Share = 0.5
    """Probability of such a class above which a piece is stopped."""

    unit: Literal["sentence", "paragraph"] = "sentence"
    """What is checked, and held back, at once."""

    timeout_s: Annotated[float, Field(gt=0)] = 5.0
    """Seconds that the check of a piece may take."""

    failure: Literal["stop", "pass"] = "stop"
    """What happens to a piece that the check failed on or took too long for."""

    @property
    def active(self) -> bool:
        return bool(self.call or self.head)

    @model_validator(mode="after")
    def _names_one(self) -> CheckSection:
        if self.call and self.head:
            raise ValueError("give either call or head")
        if bool(self.head) != bool(self.classes):
            raise ValueError("head and classes go together")
        return self


class GuardSection(Section):
    """What the endpoint watches in the text that it writes. Each intervention goes to the logger `novelray.guard`."""

    counts = False

    copying: CopyingSection = CopyingSection()
    terms: TermsSection = TermsSection()
    check: CheckSection = CheckSection()

    @property
    def active(self) -> bool:
        """Whether anything is watched."""
        return self.copying.action != "none" or self.terms.active or self.check.active
