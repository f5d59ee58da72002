"""How the model is trained. A run is a list of stages; without a list there is one stage with the values given here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from novelray.recipe.base import NOT_IDENTITY, PositiveInt, Section, Share, Slug
from novelray.recipe.continual import ContinualSection
from novelray.recipe.curriculum import CurriculumSection
from novelray.recipe.tasks import TaskSection

Unit = Annotated[float, Field(ge=0.0, lt=1.0)]


class LoraSection(Section):
    """Low-rank adapters (Hu et al., 2021)."""

    rank: PositiveInt = 16
    """Rank of the update matrices."""

    alpha: Annotated[float, Field(gt=0)] | None = None
    """Scale of the update: the update is multiplied by alpha / rank. Default: 2 × rank."""

    dropout: Unit = 0.0
    """Dropout on the adapter's input while training."""

    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """Module names that get an adapter, or `all-linear` for every linear layer but the output head; in a mixture of
    experts for those of the attention."""

    rslora: bool = False
    """Multiply the update by alpha / √rank instead of alpha / rank, so that high ranks learn as well (rsLoRA,
    Kalajdzievski, 2023)."""

    dora: bool = False
    """Train the length of each row of a weight apart from its direction (DoRA, Liu et al., 2024). A step takes longer,
    since the adapted weights are computed in it."""

    init: Literal["zero", "pissa"] = "zero"
    """`zero`: the adapter starts without effect. `pissa`: it starts as the principal part of each weight, which is
    taken out of the base while training (PiSSA, Meng et al., 2024); it is stored as an adapter of twice the rank for
    the unchanged base."""

    loraplus: Annotated[float, Field(ge=1)] = 1.0
    """Learning rate of B, the second update matrix, as a multiple of A's (LoRA+, Hayou et al., 2024, who use 16)."""


class PrefixSection(Section):
    """Prefix tuning (Li and Liang, 2021): trained keys and values before every text. They begin as those of the opening
    of the first row."""

    tokens: PositiveInt = 32
    """Length of the prefix, in tokens. The longest text is shorter by as many."""

    projection: PositiveInt | None = None
    """Hidden units of a network of two layers that the prefix comes from while it is trained, which steadies training.
    What is stored is the prefix alone. Absent: the prefix itself is trained."""


class EarlyStoppingSection(Section):
    """Stop when the validation loss no longer falls."""

    patience: PositiveInt = 3
    """Validations without improvement before the stage stops."""

    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """Smallest fall of the validation loss, in nats per token, that counts as an improvement."""


class Hyper(Section):
    """What one training stage is made of."""

    method: Literal["full", "lora", "qlora", "prefix"] = "lora"
    """`full` trains every weight, `lora` trains adapters on a frozen base, `qlora` does so on a base of 4 or 8 bits,
    `prefix` trains keys and values before every text of a frozen base."""

    freeze_layers: Annotated[int, Field(ge=0)] = 0
    """With `method: full`, the number of lower decoder layers that keep their weights, and the input embeddings with
    them (an output head that shares these keeps them too). 0: every weight is trained."""

    lora: LoraSection = LoraSection()
    """Used when `method` is `lora` or `qlora`."""

    prefix: PrefixSection = PrefixSection()
    """Used when `method` is `prefix`."""

    bits: Literal[4, 8] = 4
    """Bits of a weight of the frozen base when `method` is `qlora`: 4 (NF4) or 8 (int8). The adapter is evaluated and
    served on the base in full precision."""

    epochs: PositiveInt = 1
    """Passes over the training rows; with a curriculum, so many times as many rows as there are."""

    max_steps: PositiveInt | None = None
    """Stop after this many optimiser steps, whatever `epochs` says."""

    optimizer: Literal["adamw", "adamw8bit"] = "adamw"
    """`adamw8bit`: AdamW whose two moments take 8 bits each instead of 32 (Dettmers et al., 2022; bitsandbytes), for
    2 bytes per trained weight instead of 8."""

    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    """Peak learning rate of AdamW."""

    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Course of the learning rate after the warm-up."""

    warmup: Share = 0.03
    """Share of the steps during which the learning rate rises linearly from zero."""

    final_learning_rate: Share = 0.1
    """Where the schedule ends, as a share of the peak."""

    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decoupled weight decay on matrices; norms and biases have none."""

    betas: tuple[Unit, Unit] = (0.9, 0.95)
    """AdamW's two decay rates."""

    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    """AdamW's epsilon."""

    gradient_clipping: Annotated[float, Field(ge=0)] = 1.0
    """Largest norm of the gradient over all weights; 0 switches clipping off."""

    rollback_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """When the loss is no number, the run goes back to its last commit and on with the learning rate multiplied by
    this; when that happens again, it stops."""

    global_batch: PositiveInt = 16
    """Rows per optimiser step over all workers. Accumulation follows: global_batch / (micro_batch × workers)."""

    micro_batch: PositiveInt = Field(1, json_schema_extra=NOT_IDENTITY)
    """Rows that one worker computes at once; more is faster and needs more memory. Does not change the result."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto`: bf16 on GPUs that have it, else fp32. bf16 keeps fp32 master weights."""

    activation_checkpointing: bool = Field(False, json_schema_extra=NOT_IDENTITY)
    """Recompute activations in the backward pass: about a third slower, far less memory."""

    compile: bool = Field(False, json_schema_extra=NOT_IDENTITY)
    """Compile each layer with torch.compile: the first step takes longer, the others less. The result is the same to
    rounding. Needs a C++ compiler where the CPU computes."""

    liger: bool = Field(False, json_schema_extra=NOT_IDENTITY)
    """Use Liger's Triton kernels for norms, gated MLPs and rotary positions. The result is the same to rounding. Needs
    GPUs and `novelray[liger]`."""

    validate_every: PositiveInt = 100
    """Optimiser steps between two computations of the validation loss."""

    validation_rows: PositiveInt = 256
    """Held-out rows used for the validation loss; the same ones every time."""

    early_stopping: EarlyStoppingSection | None = None
    """Absent: never stop early."""

    curriculum: CurriculumSection | None = None
    """Easy rows first. Absent: every row once per epoch, in an order of its own in each."""

    continual: ContinualSection = ContinualSection()
    """What is done against forgetting what the model knew."""

    tasks: tuple[TaskSection, ...] = ()
    """Heads that are trained beside the language model, for style, genre or sentiment. Heads of the starting model that
    are not named here are kept as they are."""


class StageSection(Hyper):
    """One stage. What is not given is taken from the `train` section. It starts from the model the one before made."""

    name: Slug
    """Name of the stage in paths, journals and reports."""

    books: tuple[str, ...] = ("*",)
    """Names of books (globs) whose chapters this stage trains and is measured on."""

    @property
    def adapts(self) -> bool:
        """Whether low-rank adapters are trained."""
        return self.method in ("lora", "qlora")

    @property
    def starts_from_principal_parts(self) -> bool:
        """Whether the adapters begin as PiSSA's."""
        return self.adapts and self.lora.init == "pissa"

    @property
    def learned(self) -> str:
        """The labels that its heads learn, for people."""
        return ", ".join(task.label for task in self.tasks)

    def identity(self) -> dict[str, Any]:
        """Like every section's, less the settings of what is not done."""
        unused = set() if self.method == "full" else {"freeze_layers"}
        unused |= set() if self.adapts else {"lora"}
        unused |= set() if self.method == "prefix" else {"prefix"}
        unused |= set() if self.method == "qlora" else {"bits"}
        unused |= {"optimizer"} if self.optimizer == "adamw" else set()
        unused |= set() if self.continual.active else {"continual"}
        unused |= set() if self.curriculum else {"curriculum"}
        unused |= set() if self.tasks else {"tasks"}
        return {name: value for name, value in super().identity().items() if name not in unused}


class TrainSection(Hyper):
    """Training: the defaults for all stages, and what belongs to the run as a whole."""

    stages: tuple[StageSection, ...] = ()
    """Stages in order. Empty: one stage, named `main`, over all books."""

    checkpoint_every: PositiveInt = Field(100, json_schema_extra=NOT_IDENTITY)
    """Optimiser steps between two commits. A crash costs at most this many steps."""

    keep_checkpoints: PositiveInt = Field(2, json_schema_extra=NOT_IDENTITY)
    """Commits that are kept; the best by validation loss is kept besides."""

    on_change: Literal["refuse", "restart"] = Field("refuse", json_schema_extra=NOT_IDENTITY)
    """What happens when this recipe has an unfinished run and was changed since. `refuse` says what changed and stops,
    `restart` begins a new run from the start, as `--fresh` does; the unfinished one is kept."""

    def resolved(self) -> tuple[StageSection, ...]:
        """The stages with everything filled in from this section."""
        common = {name: getattr(self, name) for name in Hyper.model_fields}
        stages = self.stages or (StageSection(name="main"),)
        return tuple(StageSection.model_validate({**common, **_given(stage, common)}) for stage in stages)

    def identity(self) -> dict[str, Any]:
        """The stages as they will run: saying a default aloud, or once for all stages, changes nothing."""
        return {"stages": [stage.identity() for stage in self.resolved()]}

    @model_serializer(mode="wrap")
    def _stages_say_only_what_is_theirs(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A default written out in a stage would, read back, win over this section's value."""
        data: dict[str, Any] = whole(self)
        stages = [stage.model_dump(mode="json", exclude_unset=True) for stage in self.stages]
        return {**data, "stages": stages} if "stages" in data else data


def _given(stage: StageSection, common: dict[str, Any]) -> dict[str, Any]:
    """What a stage says itself; in a section within it, the keys that it leaves out come from `common` too."""
    return {name: _over(common.get(name), getattr(stage, name)) for name in stage.model_fields_set}


def _over(below: Any, above: Any) -> Any:
    if isinstance(below, Section) and isinstance(above, Section):
        return below.model_copy(update={name: getattr(above, name) for name in above.model_fields_set})
    return above
