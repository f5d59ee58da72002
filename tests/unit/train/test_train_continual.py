"""Fisher information and the EWC penalty, against autograd by hand on tiny models; and a stage that is held back."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from support import families, training

from novelray.recipe.continual import ContinualSection
from novelray.recipe.scaling import ScalingSection
from novelray.recipe.train import LoraSection
from novelray.shards.rows import open_rows
from novelray.storage import Artifacts, Store
from novelray.telemetry.journal import read_journal
from novelray.train.fisher import drawn_loss, fisher_plan, read_fisher, sample, squared_gradients
from novelray.train.job import Place

PENALTY = {"ewc": {"strength": 300.0, "rows": 12}}


def held(job, name, continual=PENALTY, **stage):
    """The job as a stage that is to keep what its base knows of the job's own rows."""
    changed = job.stage.model_copy(update={"continual": ContinualSection.model_validate(continual), **stage})
    plan = fisher_plan(changed, job.source, (job.shards,), job.seed)
    return training.variant(job, name, stage=changed, old_shards=(job.shards,), fisher=plan)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A job that starts from a tiny Llama."""
    folder = tmp_path_factory.mktemp("continual")
    job = training.tiny_job(Artifacts(Store(str(folder / "store"))), folder, learning_rate=5e-3)
    return training.variant(job, "base", source=f"folder:{families.tiny_folder('llama', folder / 'base')}")


@pytest.fixture(scope="module")
def runs(base):
    """The stage without and with the penalty, trained."""
    jobs = {"plain": base, "held": held(base, "held"), "again": held(base, "again", learning_rate=4e-3)}
    training.run_here(*jobs.values())
    return jobs


def tiny_model(**changes):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = {"vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
             "num_attention_heads": 2, "num_key_value_heads": 1, "initializer_range": 0.3, **changes}  # fmt: skip
    return LlamaForCausalLM(LlamaConfig(**shape))


def tiny_rows(count, context=12):
    from novelray.shards.rows import Batch

    random = np.random.default_rng(1)
    positions = np.arange(context)[None]
    mask = np.ones((1, context), bool)
    mask[:, 0] = False
    return [(n, Batch(random.integers(0, 40, (1, context)), positions, mask)) for n in range(count)]


@pytest.mark.parametrize("tied", [False, True])
def test_the_fisher_information_is_the_sum_of_the_squared_gradients_of_rows(tied):
    from novelray.train.fisher import _key

    model = tiny_model(tie_word_embeddings=tied).train()
    sums, tokens = squared_gradients(model, iter(tiny_rows(3)), Place(), seed=5)
    assert tokens == 3 * 11
    expected = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for number, row in tiny_rows(3):
        ids, positions, mask = (torch.from_numpy(x) for x in (row.input_ids, row.position_ids, row.mask))
        generator = torch.Generator().manual_seed(_key(5, number))
        loss = drawn_loss(model.eval(), ids, positions, mask[:, 1:], generator)
        for name, gradient in zip(expected, torch.autograd.grad(loss, list(model.parameters())), strict=True):
            expected[name] += gradient.square()
    assert sums.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(sums[name], expected[name])


@pytest.mark.slow
def test_the_fisher_information_tells_how_much_the_loss_rises():
    """Its own definition: where the data are the model's, the loss rises by half of F times the squared change."""
    model = tiny_model(num_hidden_layers=1).eval()
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 40, (1, 9), generator=random)
    weight = model.lm_head.weight
    sums, tokens = squared_gradients(model, ((n, r) for n, (_, r) in enumerate(tiny_rows(1, 9) * 200)), Place(), seed=1)
    with torch.no_grad():
        ids = torch.from_numpy(tiny_rows(1, 9)[0][1].input_ids)
        before = model(ids).logits.log_softmax(-1)
        change = 0.02 * torch.randn(weight.shape, generator=random)
        weight += change
        after = model(ids).logits.log_softmax(-1)
        rise = (before.exp() * (before - after)).sum(-1)[:, :-1].mean()  # expected, over what the model would say
    estimate = 0.5 * (sums["lm_head.weight"] / tokens * change.square()).sum()
    assert float(estimate) == pytest.approx(float(rise), rel=0.25)


def test_recomputing_activations_changes_nothing_in_the_fisher_information():
    model = tiny_model()
    plain, _ = squared_gradients(model, iter(tiny_rows(2)), Place(), seed=5)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    again, _ = squared_gradients(model, iter(tiny_rows(2)), Place(), seed=5)
    assert model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    for name in plain:
        torch.testing.assert_close(plain[name], again[name])


def test_old_rows_are_measured_in_an_order_that_only_the_seed_decides(base):
    job = held(base, "sampled", {"ewc": {"rows": 5}})
    first, second = ([row.input_ids.tolist() for row in sample(job, 400)] for _ in range(2))
    assert first == second
    assert len({str(row) for row in first}) == 5
    rows = open_rows(job.artifacts.get(job.shards).local(), "train")
    everything = [row.input_ids[0].tolist() for row in sample(held(base, "all", {"ewc": {"rows": 10**6}}), 400)]
    assert sorted(everything) == sorted(rows.batch(np.arange(len(rows))).input_ids.tolist())


def by_hand(model, strength, fisher, start):
    """strength / 2 × Σ F (w − w₀)² over whole matrices, written out."""
    return strength / 2 * sum((fisher[n] * (w - start[n]).square()).sum() for n, w in model.items())


def penalty_over(model, changes):
    """The penalty with random Fisher information, and that information."""
    from novelray.train.continual import Held, Penalty

    fisher = {name: torch.rand(weight.shape).bfloat16() for name, (weight, _) in changes.items()}
    held = [Held(start(), fisher[name]) for name, (_, start) in changes.items()]
    return Penalty(held, 3.0, Place()), {name: value.float() for name, value in fisher.items()}


def test_the_penalty_of_full_fine_tuning_and_its_gradient_are_as_by_hand():
    from novelray.train.continual import _weight_changes

    model = tiny_model()
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    penalty, fisher = penalty_over(model, _weight_changes(model))
    assert float(penalty()) == 0.0
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * torch.randn_like(p)
    found = penalty()
    found.backward()
    weights = dict(model.named_parameters())
    torch.testing.assert_close(found, by_hand(weights, 3.0, fisher, start))
    for name, p in weights.items():
        torch.testing.assert_close(p.grad, 3.0 * fisher[name] * (p - start[name]).detach())


@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"use_dora": True}, {"init_lora_weights": "pissa"}])
def test_adapters_are_held_by_the_change_of_the_function_that_they_make(options):
    """The penalty of adapters is that of the same model merged, and so is its gradient."""
    import copy

    from peft import LoraConfig, get_peft_model

    from novelray.train.continual import _adapter_changes

    model = tiny_model()
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM", **options)
    wrapped = get_peft_model(model, config)
    penalty, fisher = penalty_over(model, _adapter_changes(model))
    assert len(fisher) == 4
    assert float(penalty()) == pytest.approx(0.0, abs=1e-9)
    adapters = [p for p in wrapped.parameters() if p.requires_grad]
    with torch.no_grad():
        for p in adapters:
            p += 0.05 * torch.randn_like(p)
    merged = dict(copy.deepcopy(wrapped).merge_and_unload().named_parameters())
    expected = by_hand({name: merged[name] for name in fisher}, 3.0, fisher, start)
    torch.testing.assert_close(penalty(), expected, rtol=1e-4, atol=1e-6)
    gradients = torch.autograd.grad(penalty(), adapters)
    for p, gradient in zip(adapters, gradients, strict=True):  # against the slope between two points
        way = torch.randn_like(p)
        slope = float((gradient * way).sum())
        with torch.no_grad():
            p += 3e-3 * way
            above = penalty()
            p -= 6e-3 * way
            below = penalty()
            p += 3e-3 * way
        assert float(above - below) / 6e-3 == pytest.approx(slope, rel=2e-2, abs=2e-4)


def test_a_held_stage_moves_less_and_its_journal_tells_the_penalty_beside_the_loss(runs):
    events = [e for e in read_journal(runs["held"].artifacts.store, runs["held"].run) if e["kind"] == "train"]
    assert events[0]["ewc"] == 0.0
    assert all(e["ewc"] > 0 for e in events[1:])
    assert not any("ewc" in e for e in read_journal(runs["plain"].artifacts.store, runs["plain"].run))
    assert training.losses(runs["held"])[0] == training.losses(runs["plain"])[0]  # the loss is the loss of the text

    def estimate(job):
        fisher = dict(read_fisher(job.artifacts.get(runs["held"].fisher.id), lambda name: True))
        start = training.load_folder(job.source)
        return sum((fisher[n].float() * (w - start[n]).square()).sum() for n, w in training.weights(job).items())

    assert estimate(runs["held"]) < 0.5 * estimate(runs["plain"])


def test_an_adapter_that_begins_as_a_part_of_its_base_costs_nothing_at_the_start(base):
    """PiSSA's A and B are no change yet: the stage begins at w0, whatever it began as."""
    lora = LoraSection(init="pissa", rank=4)
    job = held(base, "pissa", method="lora", lora=lora, max_steps=3)
    training.run_here(job)
    costs = [e["ewc"] for e in read_journal(job.artifacts.store, job.run) if e["kind"] == "train"]
    assert costs[0] == pytest.approx(0.0, abs=1e-6)
    assert costs[-1] > 0


def test_the_fisher_information_is_an_artifact_that_is_measured_once(runs):
    artifacts = runs["held"].artifacts
    (made,) = [a for a in artifacts.all() if a.manifest.kind == "fisher"]
    assert made.id == runs["held"].fisher.id == runs["again"].fisher.id
    assert made.manifest.inputs["shards_0"] == runs["held"].shards
    assert made.counts["tokens"] > 500
    names = {name for name, _ in read_fisher(made, lambda name: True)}
    assert names == training.weights(runs["held"]).keys()


GRID = {"accumulation": (1, 0, 2), "ZeRO 1": (1, 1, 1), "two workers": (2, 0, 1), "ZeRO 2 on two workers": (2, 2, 2)}


@pytest.mark.slow
def test_the_penalty_counts_once_whatever_the_workers_the_accumulation_and_the_zero_stage(runs, base):
    def laid_out(job, name, world, zero, micro_batch):
        stage = job.stage.model_copy(update={"micro_batch": micro_batch})
        return training.variant(job, name, stage=stage, scaling=ScalingSection(workers=world, zero=zero))

    lora = held(base, "lora", method="lora", learning_rate=2e-2)
    training.run_here(lora)
    jobs = {
        (source.plan.id, name): laid_out(source, f"{source.stage.method} {name}", *values)
        for source in (runs["held"], lora)
        for name, values in GRID.items()
    }
    for world in (1, 2):
        these = [job for (_, name), job in jobs.items() if GRID[name][0] == world]
        if world == 1:
            training.run_here(*these)
        else:
            # measured by two workers together, each with half of the rows
            again = [training.variant(j, f"{j.stage.method} anew", fisher=anew(j.fisher)) for j in these[:1]]
            assert training.run(*these, *again, world=2) == [0, 0]
            one, two = (dict(read_fisher(base.artifacts.get(p.id), bool)) for p in (lora.fisher, again[0].fisher))
            for name in one:
                torch.testing.assert_close(one[name], two[name], rtol=2e-2, atol=0)
    for source in (runs["held"], lora):
        assert ewc_of(source)[-1] > 1e-3
        for name in GRID:
            job = jobs[source.plan.id, name]
            assert training.losses(job) == pytest.approx(training.losses(source), abs=1e-4), name
            assert ewc_of(job) == pytest.approx(ewc_of(source), abs=1e-4), name


def ewc_of(job):
    return [e["ewc"] for e in read_journal(job.artifacts.store, job.run) if e["kind"] == "train"]


def anew(plan):
    from dataclasses import replace

    return replace(plan, section={**plan.section, "anew": True})


@pytest.mark.slow
def test_a_held_run_resumes_with_the_weights_that_it_started_from(runs):
    """Were the commit's weights taken for the start, the penalty would be zero after a resume."""
    whole = runs["held"]
    half = training.variant(whole, "half", checkpoint_every=3)
    store = half.artifacts.store
    training.run_here(half)
    for commit in store.folders(f"{half.run}/checkpoints"):
        if "step-00000003" not in commit:
            store.delete(f"{half.run}/checkpoints/{commit}")
    store.delete(f"artifacts/{half.plan.id}")
    training.run_here(half)
    starts = [e["from_step"] for e in read_journal(store, half.run) if e["kind"] == "start"]
    assert starts == [0, 3]
    assert ewc_of(half) == ewc_of(whole)
    assert all(a != b for a, b in pairwise(ewc_of(half)))
