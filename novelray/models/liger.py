"""Liger's Triton kernels in a transformers model: norms, gated MLPs and rotary positions in one kernel each.

The loss stays ours, which never holds the logits either and counts tokens over all workers. On a GPU this has not been
run; what is tested is that it computes the same, in Triton's interpreter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from novelray.errors import TrainError, missing_package

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def check_liger(device: str) -> None:
    """Raises TrainError where Triton's kernels do not run, NovelRayError without the package."""
    if not device.startswith("cuda"):
        raise TrainError("train.liger needs GPUs, and this run computes on CPUs.", "Leave train.liger out.")
    try:
        import liger_kernel  # noqa: F401
    except ImportError:
        raise missing_package("liger_kernel", "liger") from None


def use_liger(model: PreTrainedModel) -> None:
    """Put the kernels into a model, in place. Raises TrainError for a family that Liger does not have.

    Liger also puts its classes into transformers' module of that family, so models made later in this process have
    them too.
    """
    from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN, _apply_liger_kernel_to_instance

    kind = model.config.model_type
    if kind not in MODEL_TYPE_TO_APPLY_LIGER_FN:
        raise TrainError(f"Liger has no kernels for models of type {kind!r}.", "Leave train.liger out.")
    _apply_liger_kernel_to_instance(model, cross_entropy=False, fused_linear_cross_entropy=False)
