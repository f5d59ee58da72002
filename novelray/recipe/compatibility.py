"""What does not go together, once, as data. Validation, the docs page and the tests read this table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novelray.recipe.schema import Recipe
    from novelray.recipe.train import StageSection


@dataclass(frozen=True)
class Rule:
    """`broken` is asked for every stage of a recipe; `what` and `hint` are for people; `fields` are for the docs."""

    name: str
    fields: tuple[str, ...]
    what: str
    hint: str
    broken: Callable[[Recipe, StageSection], bool]


@dataclass(frozen=True)
class Problem:
    """A rule that a recipe breaks, with the values filled in."""

    rule: str
    what: str
    hint: str


RULES: tuple[Rule, ...] = (
    Rule(
        "global-batch-divides",
        ("train.global_batch", "train.micro_batch", "scaling.workers"),
        "train.global_batch ({s.global_batch}) is not a multiple of train.micro_batch ({s.micro_batch}) × "
        "scaling.workers ({r.scaling.workers}) in stage {s.name!r}.",
        "Change one of the three: accumulation is their quotient and has to be a whole number.",
        lambda r, s: s.global_batch % (s.micro_batch * r.scaling.workers) != 0,
    ),
    Rule(
        "lora-not-zero-3",
        ("train.method", "scaling.zero"),
        "train.method 'lora' does not go with scaling.zero 3 in stage {s.name!r}: adapters can be saved empty there.",
        "Use scaling.zero 0, 1 or 2: with a frozen base there is little left for ZeRO-3 to shard.",
        lambda r, s: s.method == "lora" and r.scaling.zero == 3,
    ),
    Rule(
        "offload-needs-zero",
        ("scaling.offload", "scaling.zero"),
        "scaling.offload 'optimizer' needs ZeRO, and scaling.zero is 0.",
        "Set scaling.zero to 1, 2 or 3, or scaling.offload to none.",
        lambda r, s: r.scaling.offload == "optimizer" and r.scaling.zero == 0,
    ),
    Rule(
        "scratch-needs-full-first",
        ("model.base", "train.method"),
        "The first stage ({s.name!r}) uses 'lora' on {r.model.base!r}, whose weights are random.",
        "Train a scratch: model with method full first (a stage before this one), or choose a base that is trained.",
        lambda r, s: (
            r.model.base.startswith("scratch:") and s.method == "lora" and s.name == r.train.resolved()[0].name
        ),
    ),
    Rule(
        "learning-rate-is-possible",
        ("train.learning_rate",),
        "train.learning_rate is {s.learning_rate:g} in stage {s.name!r}: AdamW moves every weight by about that much "
        "in a step, and the weights themselves are mostly smaller than 0.1.",
        "Usual are 1e-5 for method full, 1e-4 for lora and 1e-3 for a scratch: model. Is an exponent's sign missing?",
        lambda r, s: s.learning_rate > 0.1,
    ),
    Rule(
        "scratch-trains-a-tokenizer",
        ("model.base", "shards.tokenizer"),
        "shards.tokenizer is 'train' but {r.model.base!r} has a tokenizer of its own: "
        "new token ids would not match its weights.",
        "Set shards.tokenizer to base, or model.base to scratch:nano or scratch:mini.",
        lambda r, s: r.shards.tokenizer == "train" and not r.model.base.startswith("scratch:"),
    ),
    Rule(
        "stage-names-differ",
        ("train.stages",),
        "Two stages are named {s.name!r}.",
        "Give each stage a name of its own.",
        lambda r, s: sum(t.name == s.name for t in r.train.stages) > 1,
    ),
    Rule(
        "context-fits-the-positions",
        ("model.position_limit", "shards.context"),
        "model.position_limit ({r.model.position_limit}) is less than shards.context ({r.shards.context}): "
        "the rows would not fit into the model.",
        "Raise model.position_limit, or leave it out.",
        lambda r, s: r.model.position_limit is not None and r.model.position_limit < r.shards.context,
    ),
    Rule(
        "heldout-books-by-book",
        ("corpus.heldout.books", "corpus.heldout.by"),
        "corpus.heldout.books names {r.corpus.heldout.books}, and corpus.heldout.by is {r.corpus.heldout.by!r}.",
        "Set corpus.heldout.by to book, or remove the names.",
        lambda r, s: bool(r.corpus.heldout.books) and r.corpus.heldout.by != "book",
    ),
    Rule(
        "heldout-leaves-training",
        ("corpus.heldout.share",),
        "corpus.heldout.share is {r.corpus.heldout.share}: nothing would be left to train on.",
        "Hold out less; 0.05 is usual.",
        lambda r, s: r.corpus.heldout.share >= 1.0,
    ),
    Rule(
        "early-stopping-needs-validation",
        ("train.early_stopping", "train.validate_every", "train.max_steps"),
        "Stage {s.name!r} stops early by the validation loss, but train.max_steps ({s.max_steps}) ends it before the "
        "first validation (train.validate_every is {s.validate_every}).",
        "Lower train.validate_every, or remove train.early_stopping.",
        lambda r, s: s.early_stopping is not None and s.max_steps is not None and s.max_steps < s.validate_every,
    ),
    Rule(
        "tune-grace-within-steps",
        ("tune.grace_steps", "tune.max_steps"),
        "tune.grace_steps ({r.tune.grace_steps}) is more than tune.max_steps ({r.tune.max_steps}).",
        "Lower the first: before it no trial is compared.",
        lambda r, s: r.tune.grace_steps > r.tune.max_steps,
    ),
    Rule(
        "tune-has-ranks",
        ("tune.lora_rank", "train.method"),
        "tune.lora_rank is empty, and the last stage ({s.name!r}) trains adapters with method {s.method!r}.",
        "List at least one rank.",
        lambda r, s: not r.tune.lora_rank and s.method == "lora" and s.name == r.train.resolved()[-1].name,
    ),
    Rule(
        "tune-range-rises",
        ("tune.learning_rate",),
        "tune.learning_rate goes from {r.tune.learning_rate[0]} to {r.tune.learning_rate[1]}: not a rising range.",
        "Give the lower value first.",
        lambda r, s: r.tune.learning_rate[0] >= r.tune.learning_rate[1],
    ),
)


def broken_rules(recipe: Recipe) -> list[Problem]:
    """Every rule that the recipe breaks, once each; static, without looking at any hardware."""
    found: dict[str, Problem] = {}
    for rule, stage in _pairs(recipe):
        if rule.name not in found and rule.broken(recipe, stage):
            found[rule.name] = Problem(rule.name, rule.what.format(r=recipe, s=stage), rule.hint)
    return list(found.values())


def _pairs(recipe: Recipe) -> Iterator[tuple[Rule, StageSection]]:
    for rule in RULES:
        for stage in recipe.train.resolved():
            yield rule, stage
