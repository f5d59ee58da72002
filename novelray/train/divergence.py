"""When the loss is no number: which step it was, the batch kept to be looked at, and the way back, once.

    runs/<run>/bad/step-00000012/batch.json           rows, chapters, learning rate: what a person reads
                                 batch.safetensors    the token ids as they were trained on
    runs/<run>/rollback.json                          that the run went back, from where on and how much slower

Losses stay on the device and are looked at together when something is due to be written, so that no step waits for
the one before; each step's own is kept until then, so that the step that broke is named and not the one that looked.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from novelray.checkpoints.commit import latest
from novelray.errors import TrainError
from novelray.shards.tokenizer import load_tokenizer
from novelray.storage import Store
from novelray.telemetry.journal import Journal
from novelray.train.job import Job, Place
from novelray.train.schedule import learning_rate
from novelray.train.together import all_reduce, told_by_rank_0

if TYPE_CHECKING:
    from novelray.train.setup import Ready

OPENING = 48
"""Tokens of a row that are shown as text."""


class DivergedError(TrainError):
    """The loss or the weights are no numbers after `step` (counted from 1). `where` says it in words."""

    def __init__(self, step: int, where: str) -> None:
        super().__init__(where)
        self.step = step


@dataclass(frozen=True)
class Rollback:
    """A run went back to `to_step`, since `bad_step` broke it; from there on its learning rate is `factor` as high."""

    bad_step: int
    to_step: int
    factor: float

    def slows(self, step: int) -> float:
        """What the learning rate of a step (counted from 0) is multiplied by."""
        return self.factor if step >= self.to_step else 1.0


class Trail:
    """The steps since the last look at their losses."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._steps: list[int] = []
        self._tokens: list[int] = []
        self._losses: list[torch.Tensor] = []
        self._norms: list[torch.Tensor | float] = []

    def add(self, step: int, tokens: int, loss: torch.Tensor, norm: torch.Tensor | float | None) -> None:
        """`loss`: this rank's sum; `tokens`: of the global batch; `norm`: of the whole gradient, None: not known."""
        self._steps.append(step)
        self._tokens.append(tokens)
        self._losses.append(loss)
        self._norms.append(0.0 if norm is None else norm)

    def look(self, more: list[torch.Tensor | float]) -> tuple[float, list[float]]:
        """The last step's mean loss over all workers, in nats per token, and `more`, each summed over them.

        Raises DivergedError for the first step whose loss or gradient is no number. Collective.
        """
        values = [*self._losses, *self._norms, *more]
        summed = torch.stack([torch.as_tensor(v, dtype=torch.float64, device=self._device) for v in values])
        all_reduce(summed)
        count, numbers = len(self._steps), summed.tolist()
        for step, loss, norm in zip(self._steps, numbers, numbers[count:], strict=False):
            if not math.isfinite(loss):
                raise DivergedError(step, f"The loss is {loss} at step {step}.")
            if not math.isfinite(norm):
                raise DivergedError(step, f"The gradient is not finite at step {step}.")
        mean = numbers[count - 1] / max(1, self._tokens[-1])
        for kept in (self._steps, self._tokens, self._losses, self._norms):
            kept.clear()
        return mean, numbers[2 * count :]


def roll_back(job: Job, place: Place, ready: Ready, error: DivergedError, journal: Journal | None) -> None:
    """Keep the batch and note that the run goes back to its last commit. Raises TrainError the second time. Collective.

    What is written is there on return, on every rank.
    """
    folder = f"{job.run}/bad/step-{error.step:08d}"
    if place.rank == 0:
        keep_batch(job, ready, error, folder)
        if ready.rollback is None:
            commit = latest(job.artifacts.store, job.run)
            back = Rollback(error.step, commit.step if commit else 0, job.stage.rollback_factor)
            job.artifacts.store.write(_record(job), json.dumps(asdict(back)).encode())
            if journal is not None:
                journal.log("rollback", stage=job.stage.name, step=error.step, text=error.message, batch=folder,
                            to_step=back.to_step, factor=back.factor)  # fmt: skip
    told_by_rank_0(None)
    if ready.rollback is not None:
        raise _stopped(job, ready.rollback, error, folder)


def _stopped(job: Job, back: Rollback, error: DivergedError, folder: str) -> TrainError:
    rate = job.stage.learning_rate
    return TrainError(
        f"Stage {job.stage.name!r}: {error.message[0].lower()}{error.message[1:]} It had gone back from step "
        f"{back.bad_step} to step {back.to_step} before, and on with {back.factor:g} times the learning rate. "
        f"The batch is kept in {job.artifacts.store.uri}/{folder}.",
        f"Lower train.learning_rate (now {rate:g}) or raise train.warmup; when batch.json names the same rows again, "
        "look at their chapters. Then train anew with --fresh.",
    )


def rollback_of(job: Job) -> Rollback | None:
    """How the run went back, if it did."""
    try:
        return Rollback(**json.loads(job.artifacts.store.read(_record(job))))
    except FileNotFoundError:
        return None


def keep_batch(job: Job, ready: Ready, error: DivergedError, folder: str) -> None:
    """Write the batch of the step that broke the run, for people and for programs."""
    from safetensors.numpy import save

    numbers = ready.order.batch(*divmod(error.step - 1, ready.order.steps_per_epoch))
    numbers = numbers[numbers >= 0]
    batch = ready.rows.batch(numbers)
    arrays = {"rows": numbers, "input_ids": batch.input_ids, "position_ids": batch.position_ids,
              "mask": batch.mask.astype("uint8")}  # fmt: skip
    factor = ready.rollback.slows(error.step - 1) if ready.rollback else 1.0
    about: dict[str, Any] = {
        "what": error.message, "stage": job.stage.name, "step": error.step, "shards": job.shards,
        "learning_rate": factor * learning_rate(job.stage, error.step - 1, ready.steps),
        "rows": _rows(job, ready, numbers.tolist(), batch.input_ids),
    }  # fmt: skip
    store: Store = job.artifacts.store
    store.write(f"{folder}/batch.safetensors", save(arrays))
    store.write(f"{folder}/batch.json", json.dumps(about, ensure_ascii=False, indent=2).encode())


def _rows(job: Job, ready: Ready, numbers: list[int], input_ids: Any) -> list[dict[str, Any]]:
    from novelray.train.setup import folder_of

    tokenizer = load_tokenizer(folder_of(job.tokenizer, job))
    return [
        {"row": number, "trained": int(ready.rows.trained[number]), "chapters": ready.rows.chapters(number),
         "opening": tokenizer.decode(ids[:OPENING])}
        for number, ids in zip(numbers, input_ids, strict=True)
    ]  # fmt: skip


def _record(job: Job) -> str:
    return f"{job.run}/rollback.json"
