"""Training jobs for benchmarks: the stories that come with the package as shards, and a stage on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from novelray.train.job import Job


def stories() -> list[str]:
    """The texts that come with the package."""
    import novelray

    samples = Path(novelray.__file__).parent / "samples"
    return [p.read_text("utf-8", errors="ignore") for p in sorted(samples.rglob("*.txt"))]


def make_job(folder: Path, source: str, context: int, texts: Sequence[str], stage: dict[str, Any], **more: Any) -> Job:
    """A stage without validation and without resuming, on shards of these texts in `folder`, which may hold the shards
    of another context already. `stage` and `more` change the stage's and the job's fields."""
    from novelray.recipe.model import ModelSection
    from novelray.recipe.scaling import ScalingSection
    from novelray.recipe.telemetry import TelemetrySection
    from novelray.recipe.train import StageSection
    from novelray.shards.encode import Encoder
    from novelray.shards.make import make_shard
    from novelray.shards.tokenizer import load_tokenizer, save_tokenizer, train_bpe
    from novelray.storage import Artifacts, Plan, Store

    if not (folder / "tokenizer").exists():
        save_tokenizer(train_bpe(stories(), 4096), folder / "tokenizer")
    artifacts = Artifacts(Store(str(folder / "store")))
    data, counts = make_shard(
        [f"{i}:0" for i in range(len(texts))], texts, Encoder.of(load_tokenizer(folder / "tokenizer")), context
    )
    plan = Plan("shards", 1, section={"context": context, "texts": len(texts), "tokens": counts.tokens})
    shards = artifacts.find(plan.id)
    if shards is None:
        draft = artifacts.begin(plan)
        draft.write("train/rows-00000.arrow", data)
        shards = draft.commit()
    section = StageSection.model_validate({"name": "bench", "epochs": 1000, "validate_every": 10**6, **stage})
    values: dict[str, Any] = {
        "plan": Plan("model", 1, {"shards": shards.id}, {"stage": section.identity(), "source": source}),
        "scaling": ScalingSection(), "model": ModelSection(), "telemetry": TelemetrySection(), "seed": 1,
        "position_limit": 4 * context, "checkpoint_every": 10**6, "keep_checkpoints": 1, "export": False,
        "resume": False,
    }  # fmt: skip
    return Job(
        artifacts=artifacts, stage=section, source=source, shards=shards.id, context=context,
        tokenizer=f"folder:{folder / 'tokenizer'}", **values | more,
    )  # fmt: skip
