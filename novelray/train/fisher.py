"""How much what a model says of old rows depends on each of its weights: the diagonal of its Fisher information.

Measured on the model that a stage starts from, once, by the stage's own workers, each with a share of the rows; stored
as an artifact and found again by its id. In nats per token: half of it times a weight's squared change is about how
much the loss per old token rises (its second-order term).

- The targets are drawn from the model, as the definition has it, and not taken from the text. The Fisher information
  is then the positive part of the loss's curvature whether the model fits the old rows or not; with the text's own
  tokens ("empirical Fisher") it is not (Kunstner et al., 2019, "Limitations of the empirical Fisher approximation").
- A row's gradient is squared as a whole, one row at a time: drawn targets make the gradients of a row's tokens
  uncorrelated with mean zero, so the square of their sum is on average the sum of their squares, at the cost of one
  backward pass per row instead of one per token.
- Stored in bf16: its rounding, below half a percent, is far below the sampling error (about √(2 / rows)).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from novelray.errors import TrainError
from novelray.models.source import digest_of_source
from novelray.recipe.train import StageSection
from novelray.shards.order import RowOrder
from novelray.shards.rows import Batch, open_rows
from novelray.storage import Artifact, Artifacts, Plan
from novelray.train.job import Job, Place

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    Tensors = dict[str, torch.Tensor]

FISHER_VERSION = 1
FILE_BYTES = 2 << 30


def fisher_plan(stage: StageSection, source: str, old: Sequence[str], seed: int) -> Plan | None:
    """What the Fisher information of a stage is made from; None when the stage needs none.

    `source`: what the stage starts from. `old`: ids of the shards of what is not to be forgotten.
    """
    if stage.continual.ewc is None:
        return None
    inputs = {"base": digest_of_source(source)} | {f"shards_{n}": name for n, name in enumerate(old)}
    return Plan("fisher", FISHER_VERSION, inputs, {"rows": stage.continual.ewc.rows, "seed": seed})


def fisher_of(job: Job, place: Place, model: PreTrainedModel) -> Artifact:
    """The Fisher information of the job's source, measured now when it is not in storage. Collective.

    `model`: the source on its device, with or without adapters that do not change its outputs yet.
    """
    from novelray.train.together import all_reduce, told_by_rank_0

    assert job.fisher is not None
    if told_by_rank_0(place.rank != 0 or job.artifacts.find(job.fisher.id) is not None):
        return job.artifacts.get(job.fisher.id)
    batches = sample(job, model.config.vocab_size)
    mine = ((number, batch) for number, batch in enumerate(batches) if number % place.world == place.rank)
    sums, tokens = squared_gradients(model, mine, place, job.seed)
    for total in (tokens, *sums.values()):
        moved = total.to(place.device)
        all_reduce(moved)
        total.copy_(moved)
    if place.rank == 0:
        _write(job.artifacts, job.fisher, sums, float(tokens))
    told_by_rank_0(None)  # the others wait until it is there
    return job.artifacts.get(job.fisher.id)


def sample(job: Job, vocab_size: int) -> Iterator[Batch]:
    """The old rows that are measured, one at a time: the first of a keyed permutation of them all."""
    found = [open_rows(job.artifacts.get(name).local(), "train") for name in job.old_shards]
    shards = [rows for rows in found if rows is not None]
    for rows in shards:
        rows.check_vocabulary(vocab_size)
    ends = np.cumsum([len(rows) for rows in shards])
    if not shards or ends[-1] == 0:
        raise TrainError("There are no old rows to measure on.", "Name other books in train.continual.old.")
    assert job.stage.continual.ewc is not None
    order = RowOrder(int(ends[-1]), min(job.stage.continual.ewc.rows, int(ends[-1])), job.seed)
    for number in order.batch(0, 0):
        owner = int(np.searchsorted(ends, number, side="right"))
        yield shards[owner].batch(np.array([number - (ends[owner - 1] if owner else 0)]))


def squared_gradients(
    model: PreTrainedModel, rows: Iterator[tuple[int, Batch]], place: Place, seed: int
) -> tuple[Tensors, torch.Tensor]:
    """Sums over rows of the squared gradient of each base weight (fp32), and the number of tokens summed over.

    `rows`: numbered in the sample; the number is the key of the targets that are drawn. One gradient is held at a time.
    """
    import torch

    sums: Tensors = {}
    tokens = torch.zeros((), dtype=torch.float64)
    with _only_base_weights_train(model) as weights:
        home = _home(place, weights)
        for name, weight in weights.items():
            sums[name] = torch.zeros(weight.shape, dtype=torch.float32, device=home)
        hooks = [w.register_post_accumulate_grad_hook(partial(_add_square, sums[n])) for n, w in weights.items()]
        try:
            for number, batch in rows:
                generator = torch.Generator(place.device).manual_seed(_key(seed, number))
                ids, positions, mask = (
                    torch.from_numpy(x).to(place.device) for x in (batch.input_ids, batch.position_ids, batch.mask)
                )
                wanted = mask[:, 1:]
                if wanted.any():
                    drawn_loss(model, ids, positions, wanted, generator).backward()  # type: ignore[no-untyped-call]
                    tokens += int(wanted.sum())
        finally:
            for hook in hooks:
                hook.remove()
    return sums, tokens


def drawn_loss(
    model: PreTrainedModel, ids: torch.Tensor, positions: torch.Tensor, wanted: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Minus the log-likelihood, summed, of tokens that the model itself draws at the wanted positions.

    ids, positions: [rows, context]; wanted: [rows, context - 1].
    """
    import torch

    from novelray.train.objective import CHUNK, last_states, summed_loss

    head: Any = model.get_output_embeddings()
    hidden = last_states(model, ids, positions)[:, :-1][wanted]
    with torch.no_grad():
        drawn = [
            torch.multinomial(head(piece).float().softmax(-1), 1, generator=generator)[:, 0]
            for piece in hidden.split(CHUNK)
        ]
    return summed_loss(hidden, torch.cat(drawn), head)


@contextmanager
def _only_base_weights_train(model: PreTrainedModel) -> Iterator[dict[str, torch.nn.Parameter]]:
    """The weights of the model under its adapters, by their names in the source; gradients go to them alone.

    Dropout is off. Blocks that recompute their activations do so only where they count as training.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    before = {p: p.requires_grad for p in model.parameters()}
    training = model.training
    weights = {
        n.replace(".base_layer.", "."): p
        for n, p in model.named_parameters()
        if "lora_" not in n and p.is_floating_point()
    }
    for parameter in before:
        parameter.requires_grad_(False)
    for parameter in weights.values():
        parameter.requires_grad_(True)
    model.eval()
    for module in model.modules():
        if isinstance(module, GradientCheckpointingLayer):
            module.training = True
    try:
        yield weights
    finally:
        model.train(training)
        for parameter, wanted in before.items():
            parameter.requires_grad_(wanted)


def _add_square(total: torch.Tensor, parameter: torch.Tensor) -> None:
    assert parameter.grad is not None
    total += parameter.grad.float().square().to(total.device)
    parameter.grad = None


def _home(place: Place, weights: Tensors | dict[str, Any]) -> str:
    """Where the sums lie: on the device, or in CPU memory where it has no room for them."""
    import torch

    needed = sum(w.numel() * 4 for w in weights.values())
    roomy = not place.cuda or torch.cuda.mem_get_info(place.device)[0] > 1.5 * needed
    return place.device if roomy else "cpu"


def _key(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _write(artifacts: Artifacts, plan: Plan, sums: Tensors, tokens: float) -> None:
    import torch
    from safetensors.torch import save_file

    draft, held, size, number = artifacts.begin(plan), {}, 0, 0
    with tempfile.TemporaryDirectory(prefix="novelray-fisher-") as scratch:
        last = next(reversed(sums))
        for name, total in sums.items():
            held[name] = (total / tokens).to("cpu", torch.bfloat16)
            size += 2 * total.numel()
            if size >= FILE_BYTES or name == last:
                file = Path(scratch) / f"fisher-{number:05d}.safetensors"
                save_file(held, str(file))
                artifacts.store.put(file, f"{draft.prefix}/{file.name}")
                file.unlink()
                held, size, number = {}, 0, number + 1
    draft.commit({"tokens": int(tokens), "weights": sum(total.numel() for total in sums.values())})


def read_fisher(artifact: Artifact, wanted: Callable[[str], bool]) -> Iterator[tuple[str, torch.Tensor]]:
    """The Fisher information of the wanted weights, bf16 tensors on the CPU, one at a time."""
    from safetensors import safe_open

    for file in sorted(artifact.local().glob("*.safetensors")):
        with safe_open(str(file), framework="pt", device="cpu") as stored:
            for name in filter(wanted, stored.keys()):
                yield name, stored.get_tensor(name)
