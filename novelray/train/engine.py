"""DeepSpeed as a data-parallel engine: its configuration with every value stated, and whole tensors in and out of it.

The optimiser's state is read and written tensor by tensor, whole and in fp32, whatever the ZeRO stage; that is what
makes checkpoints independent of the number of workers. DeepSpeed's own checkpoint files are not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from novelray.plan.memory import LIVE
from novelray.recipe.train import StageSection
from novelray.train.adam8bit import adam8bit, create_moments, is_packed, unpacked

if TYPE_CHECKING:
    import torch

MOMENTS = ("exp_avg", "exp_avg_sq")


def deepspeed_config(
    stage: StageSection, zero: int, offload: str, accumulation: int, bf16: bool, cuda: bool
) -> dict[str, Any]:
    """The engine's configuration. bf16 needs fp32 master weights, which DeepSpeed keeps from ZeRO 1 on."""
    level = max(zero, 1) if bf16 else zero
    zero_section: dict[str, Any] = {
        "stage": level,
        "overlap_comm": cuda and level > 0,
        "contiguous_gradients": True,
        "reduce_bucket_size": 50_000_000,
        "allgather_bucket_size": 50_000_000,
        "round_robin_gradients": False,
    }
    if level == 3:
        # Small weights stay whole on every worker: gathering them costs more than they weigh.
        zero_section |= {
            "stage3_param_persistence_threshold": 10_000,
            "stage3_gather_16bit_weights_on_model_save": False,
            "stage3_max_live_parameters": LIVE,
        }
    if offload != "none":
        zero_section["offload_optimizer"] = {"device": "cpu", "pin_memory": cuda}
    if offload == "parameters":
        zero_section["offload_param"] = {"device": "cpu", "pin_memory": cuda}
    return {
        "train_micro_batch_size_per_gpu": stage.micro_batch,
        "gradient_accumulation_steps": accumulation,
        "gradient_clipping": stage.gradient_clipping,
        # Checked in the loop (divergence.py): here it would make every step wait for the device, and skip steps.
        "bf16": {"enabled": bf16, "check_grad_overflow": False},
        "fp16": {"enabled": False},
        "zero_optimization": zero_section,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "prescale_gradients": False,
        "wall_clock_breakdown": False,
        "steps_per_print": 10**12,
    }


def build_optimizer(model: torch.nn.Module, stage: StageSection) -> torch.optim.Optimizer:
    """AdamW over the trainable weights. Raises NovelRayError when the library of the 8-bit one is not installed."""
    if stage.optimizer == "adamw8bit":
        return adam8bit(parameter_groups(model, stage), stage)
    import torch

    return torch.optim.AdamW(
        parameter_groups(model, stage), lr=stage.learning_rate, betas=stage.betas, eps=stage.epsilon, fused=True
    )


def parameter_groups(model: torch.nn.Module, stage: StageSection) -> list[dict[str, Any]]:
    """The trainable weights by what they are treated alike in: matrices decay, norms and biases do not; LoRA's B learns
    `rate` times as fast as the rest."""
    found: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decay = stage.weight_decay if parameter.dim() >= 2 else 0.0
            rate = stage.lora.loraplus if ".lora_B." in name else 1.0
            found.setdefault((decay, rate), []).append(parameter)
    return [{"params": found[decay, rate], "weight_decay": decay, "rate": rate} for decay, rate in found]


def build_engine(module: torch.nn.Module, optimizer: torch.optim.Optimizer, config: dict[str, Any]) -> Any:
    """The DeepSpeed engine around a module. A process group exists already (Ray Train makes it)."""
    import deepspeed

    # On a CPU DeepSpeed would compile a shared-memory collective first, for half a minute; gloo does the same work,
    # and between nodes too.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    if config["zero_optimization"].get("offload_param"):
        _share_out(module, config)
    engine, _, _, _ = deepspeed.initialize(model=module, optimizer=optimizer, config=config, dist_init_required=False)
    engine.clip_fp32_gradients = partial(_clip_and_keep_norm, engine)
    _create_moments(engine)
    return engine


def _share_out(module: torch.nn.Module, config: dict[str, Any]) -> None:
    """Move each weight to CPU memory in pieces, one at a time: the device never holds the whole model, as it would when
    the engine did it. Buffers, which are small, go to the device."""
    from deepspeed import zero
    from deepspeed.accelerator import get_accelerator

    zero.Init(module=module, config_dict_or_path=config)
    device = get_accelerator().current_device_name()
    for buffer in module.buffers():
        buffer.data = buffer.data.to(device)


def _clip_and_keep_norm(engine: Any) -> None:
    """As the engine does it without ZeRO, which forgets the norm."""
    from deepspeed.runtime.utils import clip_grad_norm_

    engine._global_grad_norm = clip_grad_norm_(engine.module.parameters(), engine.gradient_clipping())


def set_learning_rate(engine: Any, rate: float) -> None:
    """Set the rate of the next step."""
    for group in engine.optimizer.param_groups:
        group["lr"] = rate * group.get("rate", 1.0)


def whole_tensors(
    engine: Any, names: dict[str, torch.nn.Parameter], mine: set[str]
) -> Iterator[tuple[str, torch.Tensor]]:
    """(`weight/<name>` | `exp_avg/<name>` | ..., fp32 CPU copy) for the parameters in `mine`.

    Gathering is collective: every rank walks all `names` in the same order and keeps its own share.
    """
    import torch

    with whole_moments(engine):
        for name, parameter in names.items():
            for kind in ("weight", *MOMENTS):
                whole = _whole(engine, parameter, None if kind == "weight" else kind).detach()
                if name in mine:
                    yield f"{kind}/{name}", whole.to("cpu", torch.float32, copy=True).reshape(_shape(parameter))


@contextmanager
def whole_moments(engine: Any, keep: bool = False) -> Iterator[None]:
    """While inside, the moments can be read tensor by tensor in fp32. `keep`: they can be written too."""
    adam = _adam(engine)
    if not is_packed(adam):
        yield
        return
    with unpacked(adam, keep):
        if engine.zero_optimization_stage() in (1, 2):
            engine.optimizer._hp_optimizer_states_linked = False
            engine.optimizer._lazy_init_hp_params_optimizer_state()
        yield
    if engine.zero_optimization_stage() in (1, 2):  # the links would keep the fp32 moments alive
        engine.optimizer._hp_optimizer_states_linked = False
        engine.optimizer._lazy_init_hp_params_optimizer_state()


def restore_tensor(engine: Any, parameter: torch.nn.Parameter, kind: str, value: torch.Tensor) -> None:
    """Put a whole fp32 tensor back: `weight` (the master copy) or a moment (inside `whole_moments`). Not collective."""
    key = None if kind == "weight" else kind
    fragment = _local(engine, parameter, key)
    flat = value.reshape(-1).to(fragment.device, fragment.dtype)
    if hasattr(parameter, "ds_id"):
        rank = engine.optimizer._get_param_partition_rank(parameter)
        size = fragment.numel()
        piece = flat[rank * size : (rank + 1) * size]  # the last partition may be padded
        fragment.data.view(-1)[: piece.numel()].copy_(piece)
    elif engine.zero_optimization_stage() > 0:
        if getattr(parameter, "_hp_mapping", None) is not None:
            address = parameter._hp_mapping.lp_fragment_address  # type: ignore[attr-defined]
            fragment.data.copy_(flat[address.start : address.start + address.numel])
    else:
        fragment.data.view(-1).copy_(flat)


def restore_step(engine: Any, step: int) -> None:
    """Tell AdamW how many steps were done: its bias correction depends on it."""
    adam = _adam(engine)
    for state in adam.state.values():
        if is_packed(adam):
            state["step"] = step
        else:
            state["step"].fill_(float(step))


def _adam(engine: Any) -> Any:
    return engine.optimizer.optimizer if engine.zero_optimization_stage() > 0 else engine.optimizer


def _create_moments(engine: Any) -> None:
    """Zero moments now instead of at the first step, so that saving and restoring never meet a missing state."""
    import torch

    adam = _adam(engine)
    stage = engine.zero_optimization_stage()
    flats = (
        engine.optimizer.fp32_partitioned_groups_flat
        if stage == 3
        else [p for g in adam.param_groups for p in g["params"]]
    )
    if is_packed(adam):
        create_moments(adam, flats)
        return
    for flat in flats:
        step = torch.zeros((), dtype=torch.float32, device=flat.device)
        adam.state[flat] = {"step": step, **{k: torch.zeros_like(flat.data) for k in MOMENTS}}
    if stage in (1, 2):
        engine.optimizer._lazy_init_hp_params_optimizer_state()


def _whole(engine: Any, parameter: torch.nn.Parameter, key: str | None) -> torch.Tensor:
    from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

    if engine.zero_optimization_stage() == 0:
        return _local(engine, parameter, key)
    found = safe_get_full_fp32_param(parameter) if key is None else safe_get_full_optimizer_state(parameter, key)
    assert found is not None, "a trainable parameter without a master copy"
    whole: torch.Tensor = found
    return whole


def _local(engine: Any, parameter: torch.nn.Parameter, key: str | None) -> torch.Tensor:
    """This rank's piece of the master weight or of a moment."""
    if hasattr(parameter, "ds_id"):
        piece, _ = engine.optimizer._get_fp32_opt_state_partition(parameter, False, key)
    elif engine.zero_optimization_stage() > 0:
        mapping = getattr(parameter, "_hp_mapping", None)
        piece = parameter.data.new_empty(0) if mapping is None else mapping.get_hp_fragment(key)
    else:
        piece = parameter if key is None else engine.optimizer.state[parameter][key]
    tensor: torch.Tensor = piece.data
    return tensor


def _shape(parameter: torch.nn.Parameter) -> tuple[int, ...]:
    return tuple(getattr(parameter, "ds_shape", parameter.shape))
