"""Work that needs something heavy in memory, such as a model: actors that load it once, one GPU each where there are.

Like `map_rows`: small rows that describe work go out, small rows come back, and errors of our family come back whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from novelray.onray.data import Row, numbered, results_of, run_each

CPUS = 4  # of an actor without a GPU, at most


def map_on_actors(
    rows: Sequence[Row],
    make: Callable[..., Callable[[Row], Row]],
    options: Mapping[str, Any],
    doing: str,
    done: Callable[[int], None] = lambda number: None,
) -> list[Row]:
    """`make(**options)(row)` for each row, `make` once in each actor; the results in the order of `rows`.

    An actor may be started again after a lost node and do a row again, so the same bytes have to come out. `done` is
    told the number of each row as soon as its result is there. Raises like `map_rows`.
    """
    import ray

    if not rows:
        return []
    cpus, gpus, most = _size(ray.cluster_resources())
    worker: Any = _Worker
    mapped = numbered(rows).map_batches(
        worker, batch_size=1, batch_format="pyarrow", num_cpus=cpus, num_gpus=gpus,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(most, len(rows))),
        fn_constructor_kwargs={"make": make, "options": dict(options)},
    )  # fmt: skip
    return results_of(mapped, len(rows), doing, done)


def _size(there: Mapping[str, float]) -> tuple[int, int, int]:
    """CPUs and GPUs of an actor, and how many actors at most, on a cluster with these resources."""
    gpus, cpus = int(there.get("GPU", 0)), int(there.get("CPU", 1))
    if gpus:
        return 1, 1, gpus
    each = max(1, min(CPUS, cpus // 2))
    return each, 0, max(1, cpus // each)


class _Worker:
    """One actor. What it needs is made with the first row, so that what goes wrong then reaches the caller as it is."""

    def __init__(self, make: Callable[..., Callable[[Row], Row]], options: Mapping[str, Any]) -> None:
        self._make, self._options = make, options
        self._task: Callable[[Row], Row] | None = None

    def __call__(self, batch: pa.Table) -> pa.Table:
        return run_each(batch, self._do, {})

    def _do(self, row: Row) -> Row:
        if self._task is None:
            self._task = self._make(**self._options)
        return self._task(row)
