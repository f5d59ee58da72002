"""LLaMA-Factory's pre-training stage on rows that are tokenised and packed already, every weight in fp32.

    PYTHON benchmarks/peers/run_llamafactory.py MODEL_FOLDER ROWS.parquet SCRATCH_FOLDER OPTIONS_JSON

Prints one JSON object: seconds of each optimiser step, and the Unix time at which the first one was done.
"""

from __future__ import annotations

import json
import sys

from clock import Clock
from datasets import Dataset, DatasetDict
from llamafactory.train.tuner import run_exp


def main(model: str, rows: str, scratch: str, options: dict[str, float]) -> None:
    """Train and print."""
    clock = Clock()
    tokenised = Dataset.from_parquet(rows).map(lambda row: {"attention_mask": [1] * len(row["input_ids"])})
    DatasetDict({"train": tokenised}).save_to_disk(f"{scratch}-rows")
    run_exp(
        {
            "model_name_or_path": model, "stage": "pt", "do_train": True, "finetuning_type": "full",
            "tokenized_path": f"{scratch}-rows", "dataset": "rows", "output_dir": scratch, "overwrite_output_dir": True,
            "max_steps": int(options["steps"]), "per_device_train_batch_size": int(options["micro_batch"]),
            "gradient_accumulation_steps": int(options["accumulation"]), "learning_rate": options["learning_rate"],
            "lr_scheduler_type": "constant", "use_cpu": True, "bf16": False, "report_to": "none",
            "save_strategy": "no", "logging_steps": 10**6, "disable_gradient_checkpointing": True,
            "disable_tqdm": True,
        },
        callbacks=[clock],
    )  # fmt: skip
    print(json.dumps(clock.found()))


if __name__ == "__main__":
    main(*sys.argv[1:4], json.loads(sys.argv[4]))
