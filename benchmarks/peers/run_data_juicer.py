"""data-juicer on the same chapters: normalise, length filter, exact duplicates, MinHash over character 5-grams.

    PYTHON benchmarks/peers/run_data_juicer.py CHAPTERS_FOLDER SCRATCH_FOLDER

Prints one JSON object. The clock starts after the imports.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from data_juicer.config import init_configs
from data_juicer.core import DefaultExecutor

RECIPE = """
dataset_path: {chapters}
export_path: {scratch}/kept.jsonl
work_dir: {scratch}
np: 2
text_keys: text
open_tracer: false
use_cache: false
process:
  - whitespace_normalization_mapper:
  - text_length_filter: {{min_len: 50, max_len: 10000000}}
  - document_deduplicator:
  - document_minhash_deduplicator:
      tokenization: character
      window_size: 5
      num_permutations: 128
      num_bands: 32
      num_rows_per_band: 4
      jaccard_threshold: 0.5
"""


def ids_in(files: Iterable[Path]) -> set[str]:
    """The chapters in some files."""
    return {json.loads(line)["id"] for file in files for line in file.open(encoding="utf-8")}


def main(chapters: str, scratch: str) -> None:
    """Run the recipe and print."""
    at = Path(scratch)
    at.mkdir(parents=True, exist_ok=True)
    (at / "recipe.yaml").write_text(RECIPE.format(chapters=chapters, scratch=scratch))
    began = time.perf_counter()
    DefaultExecutor(init_configs(["--config", str(at / "recipe.yaml")])).run()
    seconds = time.perf_counter() - began
    kept = ids_in([at / "kept.jsonl"])
    result = {"seconds": seconds, "removed": sorted(ids_in(Path(chapters).glob("*")) - kept)}
    print(json.dumps(result), file=sys.__stdout__, flush=True)  # sys.stdout is its logger by now


if __name__ == "__main__":
    os.environ["HF_DATASETS_CACHE"] = f"{sys.argv[2]}/cache"
    main(*sys.argv[1:3])
