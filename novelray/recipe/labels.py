"""What people said of the chapters."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from novelray.recipe.base import NOT_IDENTITY, PositiveInt, Section

LabelName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\s=](?:[^=\n]*[^\s=])?$")]
RESERVED = frozenset(
    [
        *("id", "text", "label", "labels", "entities", "relations", "cats", "comments"),  # Doccano's columns
        *("annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"),  # JSON-MIN's
        *("corpus", "chapter_id", "digest", "start", "end", "chars", "piece", "layer", "book", "chapter"),  # ours
    ]
)
"""Names that the annotation tools, or our own columns beside the text, use already."""
UTTERANCE = "utterance"
MENTION = "speaker"
PARTS = ("speaker", "addressee", "tone")
"""What belongs to an utterance; in Label Studio each has a control named `layer-part`."""


class LayerSection(Section):
    """One question that annotators answer: a set of labels and where it is asked."""

    name: Annotated[str, Field(pattern=r"^[^\s=/\\.:*?\"'<>$_-][^\s=/\\.:*?\"'<>$]{0,39}$")]
    """Name of the layer, in any script, without spaces: it becomes part of files' names."""

    kind: Literal["classification", "sequence", "dialogue"] = "classification"
    """`classification`: labels for a whole text. `sequence`: labels for stretches of it (names, places, plot
    functions). `dialogue`: utterances with speaker and addressee; its labels are tones or emotions."""

    labels: tuple[LabelName, ...] = ()
    """The labels to choose from. Only `dialogue` may have none."""

    multiple: bool = False
    """For `classification`: several labels may hold at once."""

    unit: Literal["scene", "chapter"] = Field("scene", json_schema_extra=NOT_IDENTITY)
    """What an annotator is shown at a time: a piece of about a scene, or a whole chapter."""

    after: str = Field("", json_schema_extra=NOT_IDENTITY)
    """The layer that is annotated before this one: `layer`, or `layer=label`. This layer is exported only for texts on
    which the annotators of that one agreed, or agreed on that label."""

    @model_validator(mode="after")
    def _labels_fit_the_kind(self) -> Self:
        if self.name.lower() in RESERVED:
            raise ValueError(f"the layer's name {self.name!r} is taken by the annotation tools; choose another")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(f"the layer {self.name!r} names a label twice")
        if not self.labels and self.kind != "dialogue":
            raise ValueError(f"the layer {self.name!r} has no labels")
        if self.kind == "dialogue" and {UTTERANCE, MENTION} & set(self.labels):
            raise ValueError(f"in the layer {self.name!r}, {UTTERANCE!r} and {MENTION!r} mean something already")
        if self.multiple and self.kind != "classification":
            raise ValueError(f"the layer {self.name!r}: multiple is for classification only")
        return self


class LabelsSection(Section):
    """What people said of the chapters, in files exported from Label Studio or Doccano."""

    layers: tuple[LayerSection, ...] = ()
    """The sets of labels, in the order in which they are annotated."""

    files: tuple[str, ...] = Field((), json_schema_extra=NOT_IDENTITY)
    """Annotation files or globs, local or in object storage, relative to the recipe: JSON or JSON-MIN of Label Studio,
    JSONL or JSON of Doccano, or a ZIP of these. Their content counts for the corpus's identity, not where they lie."""

    annotators: tuple[str, ...] = ()
    """Who filled in a file, where the file does not say so: `pattern=name` for names of files, as in `ann*.json=ann`.
    Without one, a Doccano file's own name is the annotator's."""

    min_kappa: float = Field(0.6, ge=-1.0, le=1.0)
    """Labels on which the annotators' mean Cohen's kappa is below this are not used."""

    min_common: int = Field(10, ge=0)
    """Kappa counts only between annotators who both judged at least this many texts (for speakers, utterances). A label
    with no such pair is not used, unless this is 0."""

    piece_chars: PositiveInt = Field(2_000, json_schema_extra=NOT_IDENTITY)
    """Longest text, in characters, that an annotator is shown with `unit: scene`."""

    doccano_offsets: Literal["utf16", "grapheme", "codepoint"] = "utf16"
    """How the Doccano project counts characters: `utf16` is its default, `grapheme` is `Count grapheme clusters as one
    character`. It matters only where a text has characters beyond U+FFFF or combining signs."""

    @field_validator("annotators")
    @classmethod
    def _are_pairs(cls, pairs: tuple[str, ...]) -> tuple[str, ...]:
        for pair in pairs:
            pattern, sign, name = pair.rpartition("=")
            if not (sign and pattern.strip() and name.strip()):
                raise ValueError(f"{pair!r} is not of the form pattern=name")
        return pairs

    @model_validator(mode="after")
    def _layers_fit_together(self) -> Self:
        earlier: dict[str, LayerSection] = {}
        for layer in self.layers:
            if layer.name in earlier:
                raise ValueError(f"two layers are called {layer.name!r}")
            stem, _, part = layer.name.rpartition("-")
            if part in PARTS and stem in earlier and earlier[stem].kind == "dialogue":
                raise ValueError(f"the layer's name {layer.name!r} is what the {part} in {stem!r} is called")
            name, sign, label = layer.after.partition("=")
            if name and name not in earlier:
                raise ValueError(f"the layer {layer.name!r} comes after {name!r}, which is no layer above it")
            if sign and label not in earlier[name].labels:
                raise ValueError(f"the layer {layer.name!r} comes after {layer.after!r}, which is no label of {name!r}")
            earlier[layer.name] = layer
        if self.files and not self.layers:
            raise ValueError("there are label files, but corpus.labels.layers does not say what was asked")
        return self

    def layer(self, name: str) -> LayerSection | None:
        """The layer of that name."""
        return next((layer for layer in self.layers if layer.name == name), None)
