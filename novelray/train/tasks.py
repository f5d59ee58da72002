"""Heads that are trained beside the language model: their labels, their part of the loss, how well they do.

A task's loss is the sum of the cross-entropy over labelled documents divided by the labelled documents in the global
batch, times the task's weight: as for the language model, micro-batch, accumulation, workers and ZeRO stage change
nothing but rounding. A batch without a labelled document leaves the task out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch.nn import functional

from novelray.models.confusion import accuracy, macro_f1
from novelray.models.heads import ATTRIBUTE, Head, attach, document_means, embeddings_of, heads_of
from novelray.recipe.tasks import TaskSection
from novelray.shards.chapters import open_chapters
from novelray.shards.labels import NONE, Labels, check_classes
from novelray.shards.rows import Rows
from novelray.train.job import Job
from novelray.train.objective import NextTokenLoss

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class TaskLosses(NextTokenLoss):
    """A causal language model with heads, and the summed losses of all that is trained."""

    def forward(  # type: ignore[override]
        self,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        mask: torch.Tensor,
        bounds: torch.Tensor,
        places: torch.Tensor,
        labels: torch.Tensor,
        each: bool = False,
    ) -> torch.Tensor:
        """Sums [1 + tasks]: over trained tokens, then over the labelled documents of each task.

        `labels` [rows, documents, tasks] holds classes, NONE where there is none; the rest is as in NextTokenLoss. With
        `each` the first is the loss of every token, and the confusion counts [truth, said] of each task follow; flat.
        """
        hidden = self.states(input_ids, position_ids, bounds)
        means = document_means(hidden, position_ids, labels.shape[1]).flatten(0, 1)
        layers = getattr(self.model, ATTRIBUTE)
        # Documents without a label go through every head too: workers reduce gradients together.
        logits = [layer(means.to(layer.weight.dtype)).float() for layer in layers]
        pairs = list(zip(logits, labels.flatten(0, 1).unbind(-1), strict=True))
        sums = [functional.cross_entropy(scores, truth, ignore_index=NONE, reduction="sum") for scores, truth in pairs]
        if not each:
            return torch.stack([self.next_token_loss(hidden, input_ids, places), *sums])
        tokens = self.each_token_loss(hidden, input_ids, places)
        return torch.cat([tokens.flatten(), torch.stack(sums), *(_confusion(*pair) for pair in pairs)])


def _confusion(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    classes = logits.shape[-1]
    known = truth != NONE
    pairs = truth[known] * classes + logits[known].argmax(-1)
    return torch.bincount(pairs, minlength=classes * classes).float()


@dataclass
class Step:
    """The tasks in one optimiser step on one worker. Without tasks nothing is added to anything."""

    tasks: Tasks
    documents: NDArray[np.int64]  # labelled ones in the global batch, by task
    sums: torch.Tensor | None = None  # this worker's losses, by task

    def split(self, losses: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | float]:
        """The language model's summed loss, and the tasks' share of the global batch's loss."""
        if not self.tasks.sections:
            return losses, 0.0
        mine = losses[1:].detach()
        self.sums = mine if self.sums is None else self.sums + mine
        scales = [task.weight / max(1, n) for task, n in zip(self.tasks.sections, self.documents, strict=True)]
        return losses[0], losses[1:] @ losses.new_tensor(scales)

    def figures(self) -> dict[str, float]:
        """For the journal: each task's mean loss in nats per document. Collective."""
        if self.sums is None:
            return {}
        summed = self.sums.double()
        if dist.is_initialized() and dist.get_world_size() > 1:
            dist.all_reduce(summed)
        parts = zip(self.tasks.sections, summed.tolist(), self.documents.tolist(), strict=True)
        return {f"loss/{task.name}": round(value / count, 6) for task, value, count in parts if count}


@dataclass
class Tasks:
    """The tasks of a stage. `heldout_figures` are those of the last validation, for the journal."""

    sections: tuple[TaskSection, ...] = ()
    classes: tuple[tuple[str, ...], ...] = ()
    labels: dict[str, Labels] = field(default_factory=dict)  # by split
    device: str = "cpu"
    heldout_figures: dict[str, float] = field(default_factory=dict)

    def step(self, batch: NDArray[np.int64]) -> Step:
        """One optimiser step over these training rows."""
        return Step(self, self.labels["train"].count(batch) if self.sections else np.empty(0, np.int64))

    def inputs(self, split: Literal["train", "heldout"], indices: NDArray[np.int64]) -> tuple[torch.Tensor, ...]:
        """What the module wants besides the rows."""
        return (torch.from_numpy(self.labels[split].of(indices)).to(self.device),) if self.sections else ()

    @property
    def measures(self) -> int:
        """How many sums a validation adds up: over tokens, and of each task the losses and the confusion counts."""
        return 1 + sum(1 + len(names) ** 2 for names in self.classes)

    def read(self, summed: torch.Tensor, count: int) -> float:
        """Take the sums over the first `count` held-out rows; returns the language model's loss, summed."""
        if not self.sections:
            return summed.item()
        loss, *rest = summed.tolist()
        documents = self.labels["heldout"].count(np.arange(count))
        tables = rest[len(self.sections) :]
        self.heldout_figures = {}
        for place, (task, names) in enumerate(zip(self.sections, self.classes, strict=True)):
            counts = np.array(tables[: len(names) ** 2]).reshape(len(names), -1)
            tables = tables[len(names) ** 2 :]
            if documents[place]:
                self.heldout_figures |= {
                    f"loss/{task.name}": round(rest[place] / documents[place], 6),
                    f"accuracy/{task.name}": round(accuracy(counts), 6), f"f1/{task.name}": round(macro_f1(counts), 6),
                }  # fmt: skip
        return float(loss)


def tasks_of(job: Job, model: PreTrainedModel, rows: Rows, heldout: Rows | None, device: str) -> Tasks:
    """The stage's tasks, with their heads put into the model: the starting model's where it has them, else fresh ones.

    Raises TrainError when there is too little to tell apart.
    """
    sections = job.stage.tasks
    if not sections:
        return Tasks()
    chapters = open_chapters(job.artifacts.get(job.shards).local())
    classes = [check_classes(task, chapters) for task in sections]
    earlier = {head.name: head for head in heads_of(job.source, job.artifacts)}
    hidden = embeddings_of(model).shape[1]
    fresh = [Head.fresh(task.name, task.label, known, hidden) for task, known in zip(sections, classes, strict=True)]
    heads = [head.grown_from(earlier.get(head.name)) for head in fresh]
    attach(model, heads)
    every = pa.concat_tables([chapters, *(open_chapters(job.artifacts.get(s).local()) for s in job.old_shards)])
    names = [head.classes for head in heads]
    labels = {
        split: Labels(some, every, [task.label for task in sections], names)
        for split, some in (("train", rows), ("heldout", heldout))
        if some is not None
    }
    return Tasks(sections, tuple(names), labels, device)
