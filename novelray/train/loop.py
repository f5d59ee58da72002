"""The training loop: one optimiser step after another, with validation, commits and a journal.

Runs with or without a process group; Ray only starts it on each worker (novelray/onray/train.py). What it does not
cover: the order of the rows (order.py), heads (tasks.py), a loss that is no number (divergence.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from novelray.checkpoints.commit import Committer
from novelray.errors import CancelledError, NovelRayError, PreemptedError, StorageError
from novelray.shards.order import share
from novelray.telemetry.journal import Journal
from novelray.train.audit import fingerprint
from novelray.train.divergence import DivergedError, Trail
from novelray.train.efficiency import Efficiency
from novelray.train.engine import set_learning_rate
from novelray.train.groups import Groups
from novelray.train.inputs import on_device
from novelray.train.job import Job, Place
from novelray.train.schedule import learning_rate
from novelray.train.setup import Ready
from novelray.train.state import is_finite, snapshot
from novelray.train.tasks import Step
from novelray.train.together import all_reduce

Report = Callable[[dict[str, Any]], None]
POLL_S = 1.0


@dataclass
class Progress:
    """What the loop remembers between steps besides the engine. Rebuilt from the commit on resume."""

    step: int
    best_loss: float = math.inf
    bad_validations: int = 0
    validation_loss: float | None = None
    committed: int = -1
    tokens: int = 0  # trained since the stage began

    @classmethod
    def of(cls, ready: Ready) -> Progress:
        if ready.resumed is None:
            return cls(0)
        state = ready.resumed.state
        best = state["best_loss"]
        return cls(ready.start, math.inf if best is None else best, state["bad_validations"], committed=ready.start,
                   tokens=state["tokens"])  # fmt: skip


class Loop:
    """One stage on one worker. Every rank runs the same decisions on the same numbers."""

    def __init__(self, job: Job, place: Place, ready: Ready, journal: Journal | None, report: Report) -> None:
        self.job, self.place, self.ready, self.journal, self.report = job, place, ready, journal, report
        store = job.artifacts.store
        self.committer = Committer(store, job.run, place.attempt, place.rank, place.world, job.keep_checkpoints)
        self.progress = Progress.of(ready)
        self._polled = 0.0
        self._rows = np.empty(0, np.int64)  # of the step taken last
        efficiency = Efficiency.of(ready.engine.module, place.world, place.device) if journal else None
        self._speed = Speed(ready.steps, efficiency)
        self._trail = Trail(place.device)
        self._norm: torch.Tensor | float | None = None  # of the last step's gradient
        self._penalty: torch.Tensor | float = 0.0  # this rank's share of the last step's
        self._tasks: Step | None = None  # of the last step

    def run(self) -> Progress:
        """Train to the end, an early stop, a cancel or a notice of preemption.

        Raises CancelledError or PreemptedError after the commit of a run that was asked to stop, and DivergedError
        when nothing more will be written.
        """
        progress, stage = self.progress, self.job.stage
        self.ready.engine.train()
        while progress.step < self.ready.steps and not self._stopped_early():
            progress.validation_loss = None  # of this step, or of none: the best commit is chosen by it
            tokens, loss = self._step(progress.step)
            progress.step += 1
            asked = self._log(tokens, loss)
            # A machine that is about to go has no time for a validation.
            improved = asked is None and self._due(stage.validate_every) and self._validate()
            if asked or improved or self._due(self.job.checkpoint_every):
                self._commit()
            if asked:
                self.committer.wait()
                raise asked
        if progress.committed != progress.step:
            self._commit()
        self.committer.wait()
        return progress

    def _step(self, step: int) -> tuple[int, torch.Tensor]:
        """One optimiser step. Returns the global batch's trained tokens and this rank's summed loss (a tensor)."""
        ready, stage = self.ready, self.job.stage
        batch = self._rows = ready.order.at(step)
        tokens = int(ready.rows.trained[batch[batch >= 0]].sum())
        set_learning_rate(ready.engine, self._rate(step))
        total = torch.zeros((), device=self.place.device)
        self._tasks = ready.tasks.step(batch)
        for turn, indices in enumerate(share(batch, self.place.rank, self.place.world, stage.micro_batch)):
            if stage.adapts and stage.lora.dropout:
                seed_noise(self.job.seed, step, turn * self.place.world + self.place.rank)
            inputs = on_device(ready.rows, indices, self.place.device)
            loss, others = self._tasks.split(ready.engine(*inputs, *ready.tasks.inputs("train", indices)))
            # The engine averages over workers; the loss is per trained token of the whole global batch.
            scaled = loss * (self.place.world / max(1, tokens)) + others * self.place.world
            if turn == 0 and ready.penalty is not None:
                penalty = ready.penalty()
                self._penalty = penalty.detach()
                scaled = scaled + penalty * self.place.world
            ready.engine.backward(scaled, scale_wrt_gas=False)
            ready.engine.step()
            total += loss.detach()
        self._norm = ready.engine.get_global_grad_norm()
        return tokens, total

    def _rate(self, step: int) -> float:
        """The learning rate of a step, lower after a run has gone back."""
        back = self.ready.rollback
        return learning_rate(self.job.stage, step, self.ready.steps) * (back.slows(step) if back else 1.0)

    def _log(self, tokens: int, loss: torch.Tensor) -> NovelRayError | None:
        """Write a journal line when one is due. Returns why to stop here, if so; the same on every rank."""
        step = self.progress.step
        self._speed.count(tokens)
        self._trail.add(step, tokens, loss, self._norm)
        self.progress.tokens += tokens
        # Before every commit too, so that the loss behind it is known to be finite.
        often = (self.job.telemetry.log_every, self.job.stage.validate_every, self.job.checkpoint_every)
        if not any(map(self._due, often)):
            return None
        asked = [float(self._cancel_asked()), float(self.place.preempted())]
        try:
            mean, (cancelled, preempted, penalty) = self._trail.look([*asked, self._penalty])
        except DivergedError:
            self.committer.wait()
            raise
        others = self._tasks.figures() if self._tasks else {}
        ewc = {"ewc": round(penalty, 6)} if self.ready.penalty is not None else {}
        if self.journal is not None:
            self.journal.log(
                "train", stage=self.job.stage.name, step=step, steps=self.ready.steps, loss=round(mean, 6),
                tokens=self.progress.tokens, **ewc, **others, learning_rate=self._rate(step - 1),
                rows=fingerprint(self._rows), **self._speed.figures(step),
            )  # fmt: skip
        return self._stop(cancelled > 0, preempted > 0)

    def _stop(self, cancelled: bool, preempted: bool) -> NovelRayError | None:
        step = self.progress.step
        if cancelled:
            return CancelledError(f"Cancelled at step {step}.", "Run the same recipe again to go on from there.")
        if preempted:
            return PreemptedError(f"A machine is being taken back; step {step} is committed.")
        return None

    def _due(self, every: int) -> bool:
        """Whether something that is done every so many steps, and at the end, is to be done after this step."""
        return self.progress.step % every == 0 or self.progress.step == self.ready.steps

    def _validate(self) -> bool:
        """Measure on the held-out rows. Returns whether it is the best so far."""
        progress = self.progress
        with self._speed.paused():
            progress.validation_loss = validation_loss(self.ready, self.job, self.place, self._groups)
        if progress.validation_loss is None:
            return False
        if not math.isfinite(progress.validation_loss):
            self.committer.wait()
            raise DivergedError(
                progress.step, f"The held-out loss is {progress.validation_loss} at step {progress.step}."
            )
        stopping = self.job.stage.early_stopping
        improved = progress.validation_loss < progress.best_loss - (stopping.min_delta if stopping else 0.0)
        progress.bad_validations = 0 if improved else progress.bad_validations + 1
        if improved:  # not otherwise: many small falls are one that counts in the end
            progress.best_loss = progress.validation_loss
        figures = {
            "loss": round(progress.validation_loss, 6),
            "perplexity": round(math.exp(min(50.0, progress.validation_loss)), 4),
            **self.ready.tasks.heldout_figures,
        }
        if self.journal is not None:
            self.journal.log("validation", stage=self.job.stage.name, step=progress.step, tokens=progress.tokens,
                             **figures, **self._groups.figures())  # fmt: skip
        self.report({"step": progress.step, "validation_loss": progress.validation_loss})
        return improved

    @cached_property
    def _groups(self) -> Groups:
        """Empty where nothing is held out."""
        return Groups.of(self.job.artifacts.get(self.job.shards)) if self.ready.heldout else Groups.none()

    def _commit(self) -> None:
        """Copy the state to memory and let the committer write it. Collective."""
        progress, ready = self.progress, self.ready
        if not self.job.keep_checkpoints:
            return
        with self._speed.paused():
            tensors = ready.initial | snapshot(ready.engine, ready.parameters, self.place.rank, self.place.world)
            broken = torch.tensor(float(not is_finite(tensors)), device=self.place.device)
            all_reduce(broken)
        if broken.item():  # a finite loss can still have a step behind it that breaks the weights
            self.committer.wait()
            raise DivergedError(progress.step, f"Weights are not finite after step {progress.step}.")
        epoch, position = divmod(progress.step, ready.order.steps_per_epoch)
        state = {
            "stage": self.job.stage.name, "cursor": [epoch, position], "seed": self.job.seed, "world": self.place.world,
            "validation_loss": progress.validation_loss, "bad_validations": progress.bad_validations,
            "tokens": progress.tokens,
            "best_loss": None if math.isinf(progress.best_loss) else progress.best_loss,
            "train": self.job.stage.model_dump(mode="json"), "scaling": self.job.scaling.model_dump(mode="json"),
        }  # fmt: skip
        self.committer.save(progress.step, tensors, state)
        progress.committed = progress.step
        if self.journal is not None:
            self.journal.log("commit", stage=self.job.stage.name, step=progress.step)

    def _stopped_early(self) -> bool:
        stopping = self.job.stage.early_stopping
        return stopping is not None and self.progress.bad_validations >= stopping.patience

    def _cancel_asked(self) -> bool:
        """Rank 0 looks at the marker now and then."""
        if self.place.rank != 0 or time.monotonic() - self._polled < POLL_S:
            return False
        self._polled = time.monotonic()
        try:
            return self.job.artifacts.store.exists(self.job.cancel_marker)
        except StorageError:  # a hiccup of the storage is no reason to stop, and the next look may work
            return False


class Speed:
    """Tokens per second, time left and use of the machine, without the time spent on validation and commits."""

    def __init__(self, steps: int, efficiency: Efficiency | None = None) -> None:
        self._efficiency = efficiency
        self._steps, self._tokens, self._since, self._lost = steps, 0, time.monotonic(), 0.0
        self._first: int | None = None

    def count(self, tokens: int) -> None:
        self._tokens += tokens

    def figures(self, step: int) -> dict[str, float]:
        """Speed since the last call, seconds left at that speed, and how well the machine is used (efficiency.py)."""
        now = time.monotonic()
        seconds = max(1e-9, now - self._since - self._lost)
        done = step - (self._first if self._first is not None else step - 1)
        rate = self._tokens / seconds
        left = (self._steps - step) * seconds / max(1, done)
        self._tokens, self._since, self._lost, self._first = 0, now, 0.0, step
        used = self._efficiency.figures(rate) if self._efficiency else {}
        return {"tokens_per_s": round(rate, 1), "eta_s": round(left, 1), **used}

    def paused(self) -> _Pause:
        return _Pause(self)


class _Pause:
    def __init__(self, speed: Speed) -> None:
        self._speed = speed

    def __enter__(self) -> None:
        self._begin = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._speed._lost += time.monotonic() - self._begin


def validation_loss(ready: Ready, job: Job, place: Place, groups: Groups | None = None) -> float | None:
    """Mean loss, in nats per token, over the first `validation_rows` held-out rows, shared among the workers.

    `groups` learn of the losses of their tokens, on every worker.
    """
    groups = groups or Groups.none()
    groups.clear()
    if ready.heldout is None:
        return None
    rows = ready.heldout
    count = min(len(rows), job.stage.validation_rows)
    group = place.world * job.stage.micro_batch
    padded = np.full(math.ceil(count / group) * group, -1, dtype=np.int64)
    padded[:count] = np.arange(count)
    summed = torch.zeros(ready.tasks.measures, dtype=torch.float64, device=place.device)
    ready.engine.eval()
    with torch.no_grad():
        for indices in padded.reshape(-1, place.world, job.stage.micro_batch)[:, place.rank]:
            inputs = on_device(rows, indices, place.device)
            told = ready.engine(*inputs, *ready.tasks.inputs("heldout", indices), each=True).flatten()
            tokens = inputs.mask.numel()
            losses, others = told.split([tokens, told.numel() - tokens])
            summed += torch.cat([losses.sum(dtype=torch.float64).view(1), others.double()])
            groups.add(rows, indices, losses.view(inputs.mask.shape))
    ready.engine.train()
    # The groups' sums go with the others: one exchange.
    everywhere = torch.cat([summed, torch.from_numpy(groups.sums).flatten().to(place.device)])
    all_reduce(everywhere)
    groups.sums[:] = everywhere[len(summed) :].cpu().numpy().reshape(groups.sums.shape)
    return ready.tasks.read(everywhere[: len(summed)], count) / max(1, int(rows.trained[:count].sum()))


def seed_noise(seed: int, step: int, number: int) -> None:
    """Make dropout a function of the place in the run: nothing has to be saved to repeat it.

    `number` is that of the micro-batch in the global batch, which is the same on any number of workers.
    """
    torch.manual_seed(int(np.random.SeedSequence([seed, step, number]).generate_state(1)[0]))
