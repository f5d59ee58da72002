"""What one training stage needs to know, as a value that travels to the workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from novelray.recipe.model import ModelSection
from novelray.recipe.scaling import ScalingSection
from novelray.recipe.telemetry import TelemetrySection
from novelray.recipe.train import StageSection
from novelray.storage import Artifacts, Plan
from novelray.train.unfinished import Origin


@dataclass(frozen=True)
class Job:
    """One stage of training. `plan` is the model artifact that it makes; its id is the run's id, so that the same
    stage of the same recipe always goes on where it stopped."""

    plan: Plan
    artifacts: Artifacts
    stage: StageSection
    scaling: ScalingSection
    model: ModelSection
    telemetry: TelemetrySection
    seed: int
    source: str  # what it starts from, see models/source.py
    shards: str  # artifact id
    tokenizer: str  # source whose folder has the tokenizer: artifact:... or folder:...
    context: int  # tokens per row
    position_limit: int  # longest context of a scratch model, tokens
    checkpoint_every: int
    keep_checkpoints: int  # 0: nothing is committed (a benchmark)
    old_shards: tuple[str, ...] = ()  # artifact ids: rows of what is not to be forgotten, newest first
    difficulty: str = ""  # artifact id: how hard each training row is, for a curriculum
    fisher: Plan | None = None  # the Fisher information that an EWC penalty needs
    origin: Origin | None = None  # None: a run of no recipe, such as a trial of a sweep
    export: bool = True  # False: measure only (a trial of a sweep)
    resume: bool = True
    name: str = ""  # the recipe's, for people

    @property
    def run(self) -> str:
        """Folder of the run in the store."""
        return f"runs/{self.plan.id}"

    @property
    def cancel_marker(self) -> str:
        """A file that asks the run to commit and stop."""
        return f"{self.run}/cancel"


@dataclass(frozen=True)
class Place:
    """Where a worker stands. `device` is a torch device string."""

    rank: int = 0
    world: int = 1
    device: str = "cpu"
    attempt: str = "local"
    marks: dict[str, float] = field(default_factory=dict)  # when the worker got where, seconds since 1970
    preempted: Callable[[], bool] = lambda: False  # does the platform take a machine of the run back?

    @property
    def cuda(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def has_bf16(self) -> bool:
        """Whether it is a GPU that computes in bf16 itself: older ones (V100, T4) emulate it."""
        import torch

        return self.cuda and torch.cuda.is_bf16_supported(including_emulation=False)
