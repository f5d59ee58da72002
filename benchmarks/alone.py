"""What Ray Train does before it calls a stage, for benchmarks that are the only worker themselves."""

from __future__ import annotations

import os


def one_worker() -> None:
    """One process group on the CPU for DeepSpeed."""
    os.environ.update(DS_ACCELERATOR="cpu", DS_LOG_LEVEL="error", RANK="0", LOCAL_RANK="0", WORLD_SIZE="1",
                      MASTER_ADDR="127.0.0.1")  # fmt: skip
    import torch

    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
