"""Training with compiled layers: the same losses, and no layer in pieces."""

import pytest
from support import training
from torch._dynamo.utils import counters

from novelray.models import compiled


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return training.llama_job(tmp_path_factory.mktemp("compiled"))


@pytest.mark.slow
def test_compiled_layers_give_the_losses_of_plain_ones_in_full_and_with_recomputed_lora(job):
    ways = {
        "full": {},
        "lora": {"method": "lora", "learning_rate": 1e-2, "activation_checkpointing": True},
    }
    jobs = {
        (name, compiled): training.variant(
            job, f"{name} {compiled}", stage=job.stage.model_copy(update=changes | {"compile": compiled})
        )
        for name, changes in ways.items()
        for compiled in (False, True)
    }
    counters.clear()
    training.run_here(*jobs.values())
    for name in ways:
        found, expected = (training.losses(jobs[name, compiled]) for compiled in (True, False))
        assert found == pytest.approx(expected, abs=1e-5), name
    assert counters["stats"]["unique_graphs"]
    assert not counters["graph_break"]


@pytest.mark.slow
def test_a_machine_without_a_compiler_is_told_before_the_first_step(job, monkeypatch):
    from torch._inductor.exc import InvalidCxxCompiler

    def missing():
        raise InvalidCxxCompiler

    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", missing)
    with pytest.raises(compiled.TrainError, match="C\\+\\+ compiler"):
        training.run_here(training.variant(job, "none", stage=job.stage.model_copy(update={"compile": True})))
