"""The recipe: one YAML file that describes one model from its books to its endpoint."""

from __future__ import annotations

from pydantic import model_validator

from novelray.recipe.base import Section, Slug
from novelray.recipe.compatibility import broken_rules
from novelray.recipe.corpus import CorpusSection
from novelray.recipe.evaluate import EvaluateSection
from novelray.recipe.model import ModelSection
from novelray.recipe.plan import PlanSection
from novelray.recipe.registry import RegistrySection
from novelray.recipe.scaling import ScalingSection
from novelray.recipe.serve import ServeSection
from novelray.recipe.shards import ShardsSection
from novelray.recipe.storage import StorageSection
from novelray.recipe.telemetry import TelemetrySection
from novelray.recipe.train import TrainSection
from novelray.recipe.tune import TuneSection
from novelray.recipe.update import UpdateSection


class Recipe(Section):
    """A model, from its books to its endpoint."""

    name: Slug
    """Short name of the model: lower-case letters, digits, `.`, `_`, `-`."""

    seed: int = 1
    """Seed of everything random: the held-out split, initial weights, order, dropout, sampling in evaluation."""

    storage: StorageSection = StorageSection()
    plan: PlanSection = PlanSection()
    corpus: CorpusSection = CorpusSection()
    shards: ShardsSection = ShardsSection()
    model: ModelSection = ModelSection()
    train: TrainSection = TrainSection()
    scaling: ScalingSection = ScalingSection()
    tune: TuneSection = TuneSection()
    evaluate: EvaluateSection = EvaluateSection()
    registry: RegistrySection = RegistrySection()
    update: UpdateSection = UpdateSection()
    serve: ServeSection = ServeSection()
    telemetry: TelemetrySection = TelemetrySection()

    @model_validator(mode="after")
    def _goes_together(self) -> Recipe:
        problems = broken_rules(self)
        if problems:
            raise ValueError("\n".join(f"{p.what} {p.hint}" for p in problems))
        return self

    @property
    def model_name(self) -> str:
        """The model's name in the registry."""
        return self.registry.model or self.name
