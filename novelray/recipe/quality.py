"""What a good corpus is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from novelray.recipe.base import PositiveInt, Section, Share


class QualitySection(Section):
    """What a good corpus is. Every gate is a number with an explanation in the report.

    Which gates there are, and the figures that say so, are the field guide's; the others are ours.
    """

    measure: bool = True
    """Measure story arc, style and perspective of every chapter and book."""

    on_fail: Literal["report", "stop"] = "report"
    """`report`: a gate that is missed is shown. `stop`: the stage ends with an error that names it."""

    arc: Share = 0.5
    """Story arc of the books (mean by length) that the corpus should reach. Ours: the novels that we measure with have
    0.55 to 0.69, the same with their chapters shuffled 0.21 to 0.41, and collections of stories 0.24 to 0.32."""

    min_book_arc: Share = 0.0
    """Books with a story arc below this are left out; 0: none."""

    min_chapter_arc: Share = 0.0
    """Chapters with an arc of their own below this are left out; 0: none. In a novel few chapters have a whole arc."""

    max_style_distance: Share = 0.15
    """How far the chapters of a book may fall into two styles: share of their TF-IDF spread that lies between two
    groups (guide: 15 %)."""

    perspectives: PositiveInt = Field(5, le=6)
    """Narrative perspectives that the corpus should hold, each in 1 % of its text or more (guide: five of first person,
    second person, limited third, omniscient third, several voices, letters and diaries)."""

    genres: PositiveInt = 3
    """Genres that the corpus should hold (guide: three)."""

    curated: Share = 0.0
    """Share of the characters that should be curated by people, by the metadata; 0: only reported."""

    parameters_b: Annotated[float, Field(gt=0)] | None = None
    """Size of the model that the corpus is for, in 10⁹ parameters: with it the report says whether text × size reaches
    the guide's mark, and whether less text than the objective's volume will do. `novelray plan` asks the model."""
