"""On how much hardware a recipe runs. Nothing here changes what is made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from novelray.recipe.base import PositiveInt, Section


class ScalingSection(Section):
    """Workers and what each of them gets. The same recipe runs on one worker or many by changing only this section."""

    counts = False

    workers: PositiveInt = 1
    """Training processes, over all nodes."""

    device: Literal["auto", "cpu", "gpu"] = "auto"
    """`auto`: GPUs when the cluster has enough of them for all workers, else CPUs."""

    cpus_per_worker: PositiveInt | None = None
    """CPU cores per worker. Default: all cores shared evenly on the CPU, 4 with a GPU (or what there is)."""

    zero: Annotated[int, Field(ge=0, le=3)] = 0
    """DeepSpeed ZeRO stage: 0 replicates, 1 shards the optimiser, 2 gradients too, 3 weights too."""

    offload: Literal["none", "optimizer", "parameters"] = "none"
    """`optimizer`: keep the optimiser in CPU memory and compute its step there (ZeRO 1 to 3). `parameters`: the weights
    as well (ZeRO 3); a layer's are on the device while it computes."""

    retries: Annotated[int, Field(ge=0)] = 3
    """Automatic restarts from the last commit, after a loss or an error, in a row without a new commit in between.
    Preemption with notice is not counted; the same error at the same place is not tried a third time."""

    collective_timeout_s: PositiveInt = 600
    """Seconds after which workers that wait for each other give up, so that a lost peer is noticed."""
