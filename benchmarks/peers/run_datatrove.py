"""datatrove on the same chapters: length filter, exact duplicates, MinHash over character 5-grams, on two processes.

    PYTHON benchmarks/peers/run_datatrove.py CHAPTERS_FOLDER SCRATCH_FOLDER

Prints one JSON object. The clock starts after the imports. datatrove brings no tokenizer that cuts into characters, and
without one Chinese has no 5-grams to speak of: it is given one here.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import datatrove.pipeline.dedup.minhash as minhash
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    ExactDedupConfig,
    ExactDedupFilter,
    ExactDedupSignature,
    ExactFindDedups,
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from loguru import logger

PROCESSES, BUCKETS = 2, 32


class Characters:
    """A tokenizer whose words are characters."""

    def word_tokenize(self, text: str) -> list[str]:
        return [c for c in text if not c.isspace()]


def long_enough(document: object) -> bool:
    """The same length filter as everybody has."""
    return len(document.text) >= 50  # type: ignore[attr-defined]


def text_of(document: object) -> str:
    """What exact duplicates are told by."""
    return document.text  # type: ignore[attr-defined]


def run(pipeline: list, tasks: int, logs: Path) -> None:
    """One stage."""
    LocalPipelineExecutor(pipeline=pipeline, tasks=tasks, workers=PROCESSES, logging_dir=str(logs)).run()


def ids_in(files: Iterable[Path]) -> set[str]:
    """The chapters in some files."""
    return {json.loads(line)["id"] for file in files for line in file.open(encoding="utf-8")}


def main(chapters: str, scratch: str) -> None:
    """Run the stages one after another and print."""
    at = Path(scratch)
    config = MinhashConfig(n_grams=5, num_buckets=BUCKETS, hashes_per_bucket=4)
    began = time.perf_counter()
    minhash.load_word_tokenizer = lambda language: Characters()
    signatures = MinhashDedupSignature(str(at / "signatures"), config=config)
    exact = ExactDedupConfig(content_getter=text_of)
    run([JsonlReader(chapters), LambdaFilter(long_enough), ExactDedupSignature(str(at / "exact"), config=exact)],
        PROCESSES, at / "log0")  # fmt: skip
    run([ExactFindDedups(str(at / "exact"), str(at / "same"), config=exact)], 1, at / "log1")
    run([JsonlReader(chapters), LambdaFilter(long_enough), ExactDedupFilter(str(at / "same"), config=exact),
         JsonlWriter(str(at / "unique"), compression=None)], PROCESSES, at / "log2")  # fmt: skip
    unique = JsonlReader(str(at / "unique"))
    run([unique, signatures], PROCESSES, at / "log3")
    run([MinhashDedupBuckets(str(at / "signatures"), str(at / "buckets"), config=config)], BUCKETS, at / "log4")
    run([MinhashDedupCluster(str(at / "buckets"), str(at / "remove"), config=config)], 1, at / "log5")
    run([unique, MinhashDedupFilter(str(at / "remove")), JsonlWriter(str(at / "kept"), compression=None)],
        PROCESSES, at / "log6")  # fmt: skip
    seconds = time.perf_counter() - began
    kept = ids_in((at / "kept").glob("*"))
    print(json.dumps({"seconds": seconds, "removed": sorted(ids_in(Path(chapters).glob("*")) - kept)}))


if __name__ == "__main__":
    logger.remove()
    main(*sys.argv[1:3])
