"""Text made from the books' own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from novelray.recipe.base import NOT_IDENTITY, PositiveInt, Section, Share

MethodName = Literal["reorder", "synonyms", "back_translation", "synthetic"]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
Part = TypeVar("Part", bound=Section)
PLACES = ("opening", "title", "book", "author", "genre")
"""What a prompt may hold in braces."""


class AugmentMethod(Section):
    """One way of making text, and how much of the share it gets. Its settings stand in the section of its name."""

    method: MethodName
    """`reorder`: paragraphs of a scene change places, dialogue stays together. `synonyms`: words are replaced.
    `back_translation`: into another language and back. `synthetic`: a model writes stories."""

    weight: Annotated[float, Field(gt=0)] = 1.0
    """Part of `augment.share` that goes to this method, relative to the other methods' weights."""

    languages: tuple[Language, ...] = ()
    """Only chapters in these languages (`zh`, `en`, ...); empty: every language that the method can do."""

    min_similarity: Share | None = None
    """A piece less like its source than this is rejected. Default: by method and measure (docs/augmentation.md)."""

    max_similarity: Share | None = None
    """A piece more like its source than this is rejected. Default: by method and measure."""

    max_copied: Share | None = None
    """A piece of which more than this share stands in its source just so, in pairs of lines, is rejected; a synthetic
    story: of which more than this share stands anywhere in the corpus. Default: by method."""


class SynonymsSection(Section):
    """Words replaced by words of the same meaning, from files that the user supplies."""

    files: tuple[str, ...] = Field((), json_schema_extra=NOT_IDENTITY)
    """Synonym files, relative to the recipe: lines `word<TAB>synonym synonym`, Cilin (`Aa01A01= 人 士`), an Open
    Multilingual Wordnet `.tab` file, or the `dict` folder of WordNet. Known by their content, wherever they lie."""

    rate: Annotated[float, Field(gt=0.0, le=0.5)] = 0.1
    """Share of a chapter's words that is replaced, at most."""

    dialogue: bool = False
    """Replace words inside quotation marks too: characters then no longer speak in their own words."""


class ReorderSection(Section):
    """Paragraphs of a scene in another order."""

    distance: PositiveInt = 3
    """Places that a block of paragraphs moves up or down, at most."""


class BackTranslationSection(Section):
    """Models that translate one language's chapters into a pivot language and back."""

    language: Language = "zh"
    """Language of the chapters that this pair of models is for."""

    forward: str = Field("", json_schema_extra=NOT_IDENTITY)
    """Sequence-to-sequence model into the pivot language: a local folder or a hub id, such as an opus-mt pair, NLLB,
    M2M100, mBART or T5. Known by its content, wherever it lies."""

    back: str = Field("", json_schema_extra=NOT_IDENTITY)
    """Model from the pivot language back; empty: the same model as `forward`."""

    code: str = ""
    """What the models call the chapters' language (`zho_Hans`, `zh`, `zh_CN`); empty for models of one pair."""

    pivot_code: str = ""
    """What the models call the pivot language (`eng_Latn`, `en`, `en_XX`); empty for models of one pair."""

    forward_prefix: str = ""
    """Text put before every sentence on the way out, for models that want one (T5)."""

    back_prefix: str = ""
    """Text put before every sentence on the way back."""

    beams: PositiveInt = 4
    """Beams of the search; 1: the likeliest token each time, the fastest."""

    batch: PositiveInt = 32
    """Sentences translated at once; they are sorted by length."""

    max_tokens: PositiveInt = 256
    """Longest sentence in tokens, in and out. Longer ones are cut at a comma, else stay as they are."""


class SyntheticSection(Section):
    """Stories written by a causal language model."""

    model: str = Field("", json_schema_extra=NOT_IDENTITY)
    """Local folder, hub id, registered version (`name@alias`) or artifact id. Known by its content."""

    prompt: str = "{opening}"
    """What the model goes on from. `{opening}`, `{title}`, `{book}`, `{author}` and `{genre}` are those of a training
    chapter chosen by the seed; `{{` is a plain brace."""

    chat: bool = False
    """Give the prompt as a user's message through the model's chat template (instruction-tuned models)."""

    opening_chars: PositiveInt = 200
    """Characters of `{opening}`, at most; it ends with a whole line or sentence."""

    min_chars: PositiveInt = 300
    """Shorter stories are rejected."""

    max_chars: PositiveInt = 4000
    """Longer stories are cut after a sentence."""

    max_tokens: PositiveInt = 2048
    """Tokens written per story, at most; less where the model's context is shorter."""

    temperature: Annotated[float, Field(gt=0, le=2)] = 0.9
    """Sampling temperature."""

    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Tokens are drawn from the smallest set that has this probability."""

    repetition_penalty: Annotated[float, Field(gt=0, le=2)] = 1.1
    """Above 1 the model repeats itself less; 1 is off."""

    max_repetition: Share = 0.2
    """A story of which more than this share repeats itself (character n-grams) is rejected."""

    @field_validator("prompt")
    @classmethod
    def _known_places(cls, prompt: str) -> str:
        """Raises ValueError for braces that do not pair or a name that stands for nothing."""
        for _, name, form, conversion in Formatter().parse(prompt):
            if name is not None and (name not in PLACES or form or conversion):
                raise ValueError(f"{{{name}}} stands for nothing; there are {{{'}, {'.join(PLACES)}}}")
        return prompt


class AugmentSection(Section):
    """Text made from the books' own, never more than half of it, never in the held-out split."""

    share: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    """Characters of augmented text per character of original training text of the same language, at most; 0: none.
    Tokens are not counted yet when a corpus is made; of one language, characters and tokens go together."""

    methods: tuple[AugmentMethod, ...] = ()
    """Which methods, and their weights; empty: `reorder` alone, which needs no data and no model."""

    reorder: ReorderSection = ReorderSection()
    synonyms: SynonymsSection = SynonymsSection()

    back_translation: tuple[BackTranslationSection, ...] = ()
    """A pair of models for each language."""

    synthetic: SyntheticSection = SyntheticSection()

    embedding: str = Field("", json_schema_extra=NOT_IDENTITY)
    """Embedding model (local folder or hub id; transformers or sentence-transformers layout) with which a piece's
    meaning is held against its source's; empty: TF-IDF of character n-grams."""

    hub: Literal["huggingface", "modelscope"] = "huggingface"
    """Where hub ids are looked up."""

    allow_download: bool = Field(False, json_schema_extra=NOT_IDENTITY)
    """Allow fetching these models from the hub. When false, hub ids must be in the local cache already."""

    @model_validator(mode="after")
    def _methods_have_what_they_need(self) -> AugmentSection:
        names = [m.method for m in self.methods]
        twice = next((n for n in names if names.count(n) > 1), None)
        if twice:
            raise ValueError(f"methods lists {twice!r} twice; give it one weight")
        languages = [pair.language for pair in self.back_translation]
        again = next((n for n in languages if languages.count(n) > 1), None)
        if again:
            raise ValueError(f"back_translation has two pairs for {again!r}; keep one")
        if self.share:
            wanted = {
                "synonyms": (self.synonyms.files, "synonyms.files: there is no synonym data to draw from"),
                "back_translation": (self.back_translation, "back_translation: name a pair of models"),
                "synthetic": (self.synthetic.model, "synthetic.model: name a model that writes"),
            }
            lacking = [problem for name, (value, problem) in wanted.items() if name in names and not value]
            lacking += [
                f"back_translation: the pair for {p.language!r} has no forward model"
                for p in self.back_translation if not p.forward
            ]  # fmt: skip
            if lacking:
                raise ValueError("; ".join(lacking))
        return self

    @property
    def chosen(self) -> tuple[AugmentMethod, ...]:
        """The methods that are used."""
        return self.methods or (AugmentMethod(method="reorder"),)

    def placed(self, folder: Path) -> AugmentSection:
        """The section with paths that are relative to a recipe's folder made absolute; hub ids stay as they are."""

        def place(name: str) -> str:
            local = name.startswith((".", "~")) or (name != "" and (folder / name).exists())
            return _absolute(name, folder) if local else name

        files = tuple(f if "://" in f else _absolute(f, folder) for f in self.synonyms.files)
        pairs = tuple(_changed(p, place, "forward", "back") for p in self.back_translation)
        places: dict[str, Any] = {
            "synonyms": self.synonyms.model_copy(update={"files": files}),
            "back_translation": pairs,
            "synthetic": _changed(self.synthetic, place, "model"),
            "embedding": place(self.embedding),
        }
        return self.model_copy(update=places)


def _changed(section: Part, change: Callable[[str], str], *names: str) -> Part:
    return section.model_copy(update={name: change(getattr(section, name)) for name in names})


def _absolute(name: str, folder: Path) -> str:
    return os.path.normpath(folder / os.path.expanduser(name))
