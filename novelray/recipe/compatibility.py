"""What does not go together, once, as data. Validation, the docs page and the tests read this table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from novelray.recipe.tasks import COLUMNS

if TYPE_CHECKING:
    from novelray.recipe.curriculum import CurriculumSection
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
        "train.method {s.method!r} does not go with scaling.zero 3 in stage {s.name!r}: adapters can be saved empty "
        "there.",
        "Use scaling.zero 0, 1 or 2: with a frozen base there is little left for ZeRO-3 to shard.",
        lambda r, s: s.adapts and r.scaling.zero == 3,
    ),
    Rule(
        "prefix-not-zero-3",
        ("train.method", "scaling.zero"),
        "train.method 'prefix' does not go with scaling.zero 3 in stage {s.name!r}: the prefix is read in every layer, "
        "and there it is in pieces.",
        "Use scaling.zero 0, 1 or 2: with a frozen base there is little left for ZeRO-3 to shard.",
        lambda r, s: s.method == "prefix" and r.scaling.zero == 3,
    ),
    Rule(
        "compile-not-zero-3",
        ("train.compile", "scaling.zero"),
        "train.compile does not go with scaling.zero 3 in stage {s.name!r}: weights are gathered between the layers, "
        "which breaks what is compiled.",
        "Use scaling.zero 0, 1 or 2, or leave train.compile out.",
        lambda r, s: s.compile and r.scaling.zero == 3,
    ),
    Rule(
        "compile-not-in-few-bits-or-a-prefix",
        ("train.compile", "train.method"),
        "train.compile does not go with train.method {s.method!r} in stage {s.name!r}: it has not been tried.",
        "Leave train.compile out.",
        lambda r, s: s.compile and s.method in ("qlora", "prefix"),
    ),
    Rule(
        "compile-not-on-sparse-attention",
        ("train.compile", "model.attention"),
        "train.compile does not go with sparse model.attention in stage {s.name!r}: that compiles its own kernels.",
        "Leave train.compile out.",
        lambda r, s: s.compile and r.model.attention is not None and r.model.attention.type == "sparse",
    ),
    Rule(
        "compile-or-liger",
        ("train.compile", "train.liger"),
        "train.compile and train.liger are both set in stage {s.name!r}: each fuses what the other would.",
        "Leave one of them out.",
        lambda r, s: s.compile and s.liger,
    ),
    Rule(
        "prefix-comes-last",
        ("train.method", "train.stages"),
        "Stage {s.name!r} has train.method 'prefix', and a stage comes after it: a prefix changes no weight, so that "
        "nothing could be trained on from it.",
        "Make it the last stage, or set its train.method to lora.",
        lambda r, s: s.method == "prefix" and s.name in [t.name for t in r.train.resolved()[:-1]],
    ),
    Rule(
        "prefix-not-on-sparse-attention",
        ("train.method", "model.attention"),
        "train.method 'prefix' does not go with sparse model.attention in stage {s.name!r}: its blocks begin with the "
        "text, and the prefix stands before it.",
        "Set train.method to lora, or leave model.attention out.",
        lambda r, s: s.method == "prefix" and r.model.attention is not None and r.model.attention.type == "sparse",
    ),
    Rule(
        "ewc-not-on-a-prefix",
        ("train.continual.ewc", "train.method"),
        "train.continual.ewc does not go with train.method 'prefix' in stage {s.name!r}: no weight moves that could be "
        "held back.",
        "Use train.continual.replay, or set train.method to lora.",
        lambda r, s: s.continual.ewc is not None and s.method == "prefix",
    ),
    Rule(
        "ewc-not-zero-3",
        ("train.continual.ewc", "scaling.zero"),
        "train.continual.ewc does not go with scaling.zero 3 in stage {s.name!r}: the penalty compares whole weights "
        "with where they started, and there no worker has them whole.",
        "Use scaling.zero 2, which divides all but the weights; the penalty's own memory is divided among the workers.",
        lambda r, s: s.continual.ewc is not None and r.scaling.zero == 3,
    ),
    Rule(
        "ewc-not-on-few-bits",
        ("train.continual.ewc", "train.method"),
        "train.continual.ewc does not go with train.method 'qlora' in stage {s.name!r}: the Fisher information needs "
        "gradients of the base's weights, and those of {s.bits} bits have none.",
        "Set train.method to lora, or use train.continual.replay.",
        lambda r, s: s.continual.ewc is not None and s.method == "qlora",
    ),
    Rule(
        "ewc-needs-something-known",
        ("train.continual.ewc", "model.base"),
        "The first stage ({s.name!r}) has train.continual.ewc on {r.model.base!r}, whose weights are random: there is "
        "nothing to forget.",
        "Remove train.continual.ewc from that stage, or choose a base that is trained.",
        lambda r, s: (
            r.model.base.startswith("scratch:") and s.continual.ewc is not None and s.name == r.train.resolved()[0].name
        ),
    ),
    Rule(
        "offload-needs-zero",
        ("scaling.offload", "scaling.zero"),
        "scaling.offload 'optimizer' needs ZeRO, and scaling.zero is 0.",
        "Set scaling.zero to 1, 2 or 3, or scaling.offload to none.",
        lambda r, s: r.scaling.offload == "optimizer" and r.scaling.zero == 0,
    ),
    Rule(
        "offloaded-weights-need-zero-3",
        ("scaling.offload", "scaling.zero"),
        "scaling.offload 'parameters' needs ZeRO-3, and scaling.zero is {r.scaling.zero}.",
        "Set scaling.zero to 3, or scaling.offload to optimizer or none.",
        lambda r, s: r.scaling.offload == "parameters" and r.scaling.zero != 3,
    ),
    Rule(
        "small-moments-stay-on-the-device",
        ("train.optimizer", "scaling.offload"),
        "train.optimizer 'adamw8bit' does not go with scaling.offload {r.scaling.offload!r} in stage {s.name!r}: it is "
        "for moments on the device.",
        "Set scaling.offload to none, or train.optimizer to adamw: CPU memory has room for whole moments.",
        lambda r, s: s.optimizer == "adamw8bit" and r.scaling.offload != "none",
    ),
    Rule(
        "scratch-needs-full-first",
        ("model.base", "train.method"),
        "The first stage ({s.name!r}) uses {s.method!r} on {r.model.base!r}, whose weights are random.",
        "Train a scratch: model with method full first (a stage before this one), or choose a base that is trained.",
        lambda r, s: (
            r.model.base.startswith("scratch:") and s.method != "full" and s.name == r.train.resolved()[0].name
        ),
    ),
    Rule(
        "pissa-needs-whole-weights",
        ("train.lora.init", "train.method"),
        "train.lora.init is 'pissa' and train.method is 'qlora' in stage {s.name!r}: what is taken out of the weights "
        "could not be put back exactly once they are rounded to {s.bits} bits.",
        "Set train.lora.init to zero, or train.method to lora.",
        lambda r, s: s.method == "qlora" and s.lora.init == "pissa",
    ),
    Rule(
        "dora-not-on-8-bits",
        ("train.lora.dora", "train.method", "train.bits"),
        "train.lora.dora is set, train.method is 'qlora' and train.bits is 8 in stage {s.name!r}: the libraries lose "
        "the scales of 8-bit weights when DoRA reads them on a CPU.",
        "Set train.bits to 4, or train.lora.dora to false.",
        lambda r, s: s.method == "qlora" and s.bits == 8 and s.lora.dora,
    ),
    Rule(
        "freezing-is-for-full",
        ("train.freeze_layers", "train.method"),
        "train.freeze_layers is {s.freeze_layers} in stage {s.name!r}, whose train.method is {s.method!r}: its base is "
        "frozen anyway.",
        "Remove it, or set train.method to full. In a run with several stages, say it in the stages it is for.",
        lambda r, s: s.freeze_layers > 0 and s.method != "full",
    ),
    Rule(
        "random-layers-are-trained",
        ("model.base", "train.freeze_layers"),
        "The first stage ({s.name!r}) freezes {s.freeze_layers} layers of {r.model.base!r}, whose weights are random.",
        "Freeze layers in a later stage, or choose a base that is trained.",
        lambda r, s: (
            r.model.base.startswith("scratch:")
            and s.method == "full"
            and s.freeze_layers > 0
            and s.name == r.train.resolved()[0].name
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
        "task-names-differ",
        ("train.tasks",),
        "Two tasks of stage {s.name!r} have the same name.",
        "Give each task a name of its own.",
        lambda r, s: len({task.name for task in s.tasks}) < len(s.tasks),
    ),
    Rule(
        "task-labels-exist",
        ("train.tasks", "corpus.labels.layers"),
        "A task of stage {s.name!r} learns a label that chapters do not have (train.tasks learns {s.learned}).",
        f"A label is one of {', '.join(COLUMNS)}, or a layer of corpus.labels.layers whose kind is classification.",
        lambda r, s: any(not _is_label(r, task.label) for task in s.tasks),
    ),
    Rule(
        "context-fits-the-positions",
        ("model.position_limit", "shards.context"),
        "model.position_limit ({r.model.position_limit}) is less than shards.context ({r.shards.context}): "
        "the rows would not fit into the model.",
        "Raise model.position_limit, or leave it out.",
        lambda r, s: (
            r.model.position_limit is not None
            and r.model.position_limit * (r.model.rope.factor if r.model.rope else 1.0) < r.shards.context
        ),
    ),
    Rule(
        "a-block-fits-a-row",
        ("model.attention.block", "shards.context"),
        "model.attention.block ({r.model.attention.block}) is more than shards.context ({r.shards.context}): "
        "a row would be less than one block.",
        "Lower model.attention.block, or leave model.attention out: rows this short need no sparse attention.",
        lambda r, s: (
            r.model.attention is not None
            and r.model.attention.type == "sparse"
            and r.model.attention.block > r.shards.context
        ),
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
        "curriculum-weights-per-band",
        ("train.curriculum",),
        "The curriculum of stage {s.name!r} has {s.curriculum.bands} bands, and its schedule does not give each of "
        "them a share.",
        "Give a weight for each band at every point of schedule; easy and hard, and guide, are for two bands.",
        lambda r, s: s.curriculum is not None and not _weights_fit(s.curriculum),
    ),
    Rule(
        "curriculum-epochs-rise",
        ("train.curriculum",),
        "The epochs in the curriculum of stage {s.name!r} do not rise from point to point.",
        "List the points in the order of their epochs, each epoch once.",
        lambda r, s: s.curriculum is not None and not _rising([p.epoch for p in s.curriculum.points]),
    ),
    Rule(
        "curriculum-uses-every-band",
        ("train.curriculum", "train.epochs"),
        "In the {s.epochs} epoch(s) of stage {s.name!r} a band of its curriculum has no share, so that its rows would "
        "never be trained on.",
        "Raise train.epochs (the guide's schedule takes 15, and hard rows begin with the 6th), or give a schedule that "
        "fits fewer.",
        lambda r, s: (
            s.curriculum is not None
            and _weights_fit(s.curriculum)
            and _rising([p.epoch for p in s.curriculum.points])
            and s.curriculum.idle_band(s.epochs) is not None
        ),
    ),
    Rule(
        "curriculum-loss-needs-a-trained-base",
        ("train.curriculum", "model.base"),
        "The curriculum of the first stage ({s.name!r}) goes by the loss of {r.model.base!r}, whose weights are "
        "random.",
        "Set train.curriculum.difficulty to scores, or let a stage without a curriculum come before.",
        lambda r, s: (
            s.curriculum is not None
            and s.curriculum.difficulty == "loss"
            and r.model.base.startswith("scratch:")
            and s.name == r.train.resolved()[0].name
        ),
    ),
    Rule(
        "replay-leaves-room",
        ("train.continual", "train.global_batch"),
        "train.continual.replay ({s.continual.replay}) and train.global_batch {s.global_batch} in stage {s.name!r}: "
        "a batch of one row cannot be shared between old and new rows.",
        "Raise train.global_batch, or set train.continual.replay to 0.",
        lambda r, s: s.continual.replay > 0 and s.global_batch == 1,
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
        lambda r, s: not r.tune.lora_rank and s.adapts and s.name == r.train.resolved()[-1].name,
    ),
    Rule(
        "vllm-needs-a-gpu",
        ("serve.engine", "scaling.device"),
        "serve.engine 'vllm' does not go with scaling.device 'cpu'.",
        "Set serve.engine to embedded, or scaling.device to gpu.",
        lambda r, s: r.serve.engine == "vllm" and r.scaling.device == "cpu",
    ),
    Rule(
        "several-gpus-need-vllm",
        ("serve.tensor_parallel", "serve.engine"),
        "serve.tensor_parallel is {r.serve.tensor_parallel}, and serve.engine 'embedded' computes on one GPU.",
        "Set serve.engine to vllm, or serve.tensor_parallel to 1.",
        lambda r, s: r.serve.tensor_parallel > 1 and r.serve.engine != "vllm",
    ),
    Rule(
        "vllm-not-on-sparse-attention",
        ("serve.engine", "model.attention"),
        "serve.engine 'vllm' does not go with sparse model.attention: vLLM would compute it as full attention.",
        "Set serve.engine to embedded, or leave model.attention out.",
        lambda r, s: r.serve.engine == "vllm" and r.model.attention is not None and r.model.attention.type == "sparse",
    ),
    Rule(
        "vllm-has-no-heads",
        ("serve.engine", "train.tasks"),
        "serve.engine 'vllm' does not go with train.tasks in stage {s.name!r}: vLLM does not compute heads.",
        "Set serve.engine to embedded, or leave train.tasks out.",
        lambda r, s: r.serve.engine == "vllm" and bool(s.tasks),
    ),
    Rule(
        "vllm-has-no-prefix",
        ("serve.engine", "train.method"),
        "serve.engine 'vllm' does not go with train.method 'prefix' in stage {s.name!r}: vLLM does not compute it.",
        "Set serve.engine to embedded, or train.method to lora.",
        lambda r, s: r.serve.engine == "vllm" and s.method == "prefix",
    ),
    Rule(
        "tune-range-rises",
        ("tune.learning_rate",),
        "tune.learning_rate goes from {r.tune.learning_rate[0]} to {r.tune.learning_rate[1]}: not a rising range.",
        "Give the lower value first.",
        lambda r, s: r.tune.learning_rate[0] >= r.tune.learning_rate[1],
    ),
)


def _weights_fit(curriculum: CurriculumSection) -> bool:
    return bool(curriculum.points) and all(len(point.shares) == curriculum.bands for point in curriculum.points)


def _rising(numbers: Sequence[int]) -> bool:
    return all(a < b for a, b in pairwise(numbers))


def _is_label(recipe: Recipe, label: str) -> bool:
    layer = recipe.corpus.labels.layer(label)
    return label in COLUMNS if layer is None else layer.kind == "classification"


def broken_rules(recipe: Recipe) -> list[Problem]:
    """Every rule that the recipe breaks, once each; static, without looking at any hardware."""
    found: dict[str, Problem] = {}
    for rule, stage in _pairs(recipe):
        if rule.name not in found and rule.broken(recipe, stage):
            found[rule.name] = Problem(rule.name, rule.what.format(r=recipe, s=stage), rule.hint)
    return list(found.values())


def _pairs(recipe: Recipe) -> Iterator[tuple[Rule, StageSection]]:
    stages = recipe.train.resolved()
    if recipe.update.continual is not None:
        stages = (*stages, recipe.update.stage(stages[-1]))
    for rule in RULES:
        for stage in stages:
            yield rule, stage
