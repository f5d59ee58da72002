"""TRL's SFTTrainer on rows that are tokenised and packed already, every weight in fp32.

    PYTHON benchmarks/peers/run_trl.py MODEL_FOLDER ROWS.parquet SCRATCH_FOLDER OPTIONS_JSON

Prints one JSON object: seconds of each optimiser step, and the Unix time at which the first one was done.
"""

from __future__ import annotations

import json
import sys

from clock import Clock
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer


def main(model: str, rows: str, scratch: str, options: dict[str, float]) -> None:
    """Train and print."""
    clock = Clock()
    arguments = SFTConfig(
        output_dir=scratch, use_cpu=True, bf16=False, report_to="none", save_strategy="no", logging_steps=10**6,
        max_steps=int(options["steps"]), per_device_train_batch_size=int(options["micro_batch"]),
        gradient_accumulation_steps=int(options["accumulation"]), learning_rate=options["learning_rate"],
        lr_scheduler_type="constant", gradient_checkpointing=False, packing=False, max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True}, disable_tqdm=True, dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model), args=arguments, callbacks=[clock],
        processing_class=AutoTokenizer.from_pretrained(model), train_dataset=Dataset.from_parquet(rows),
    )  # fmt: skip
    trainer.train()
    print(json.dumps(clock.found()))


if __name__ == "__main__":
    main(*sys.argv[1:4], json.loads(sys.argv[4]))
