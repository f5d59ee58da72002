"""The bare kernel: hash character 5-grams, MinHash, bands, link what collides and is alike. No cleaning, no splitting.

    python benchmarks/peers/kernel.py FOLDER

Reads the chapters in FOLDER/*.jsonl and prints one JSON object. What any corpus builder has to do at the least.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import rensa
import xxhash

BANDS, ROWS, NGRAM, THRESHOLD = 32, 4, 5, 0.5
BLOCK = 4_000_000  # characters hashed at once


def main(folder: str) -> None:
    """Run and print."""
    began = time.perf_counter()
    ids, matrices, seen, block, size = [], [], set(), [], 0
    for file in sorted(Path(folder).glob("*.jsonl")):
        for line in file.open(encoding="utf-8"):
            row = json.loads(line)
            digest = xxhash.xxh3_128_digest(row["text"].encode())
            if digest in seen:
                continue
            seen.add(digest)
            ids.append(row["id"])
            block.append(row["text"])
            size += len(row["text"])
            if size > BLOCK:
                matrices.append(signatures(block))
                block, size = [], 0
    if block:
        matrices.append(signatures(block))
    matrix = np.concatenate(matrices)
    removed = linked(matrix)
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "removed": [ids[number] for number in removed]}))


def signatures(texts: list[str]) -> np.ndarray:
    """uint32[n, 128]."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32).astype(np.uint64)
    grams = np.zeros(max(0, len(codes) - NGRAM + 1), np.uint64)
    for place in range(NGRAM):
        grams = grams * np.uint64(0x9E3779B97F4A7C15) + codes[place : place + len(grams)]
    grams ^= grams >> np.uint64(29)
    ends = np.cumsum([len(text) for text in texts])
    hashes, offsets = [], [0]
    start = 0
    for end in ends:
        own = grams[start : max(start, end - NGRAM + 1)]
        hashes.append(own)
        offsets.append(offsets[-1] + len(own))
        start = end
    flat = np.concatenate(hashes)
    found = rensa.RMinHash.digest_matrix_from_flat_token_hashes(flat, offsets, num_perm=BANDS * ROWS, seed=1)
    return np.array(found.to_rows(), np.uint32)


def linked(matrix: np.ndarray) -> set[int]:
    """Rows that are like an earlier one."""
    removed: set[int] = set()
    for band in range(BANDS):
        buckets: dict[bytes, list[int]] = defaultdict(list)
        for number, key in enumerate(np.ascontiguousarray(matrix[:, band * ROWS : band * ROWS + ROWS])):
            buckets[key.tobytes()].append(number)
        for members in buckets.values():
            for other in members[1:]:
                if other not in removed and (matrix[members[0]] == matrix[other]).mean() >= THRESHOLD:
                    removed.add(other)
    return removed


if __name__ == "__main__":
    main(sys.argv[1])
