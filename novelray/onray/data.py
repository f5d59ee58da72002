"""Ray Data as this project uses it: small rows that describe work go out to tasks, and small rows come back.

Rows and results travel as JSON, so that Arrow has no types to guess. An error of our family comes back as a result
too: Ray Data hands on only the text of what a task raises, and with it neither the hint nor the exit code.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from novelray import errors
from novelray.errors import NovelRayError
from novelray.onray.errors import from_ray

Row = dict[str, Any]
MOST_TASKS = 1024  # blocks that a long list of rows is divided into


def map_rows(
    rows: Sequence[Row],
    task: Callable[..., Row],
    options: Mapping[str, Any],
    doing: str,
    workers: int | None = None,
    done: Callable[[int], None] = lambda number: None,
) -> list[Row]:
    """`task(row, **options)` for each row, at most `workers` at once; the results in the order of `rows`.

    `done` is told the number of each row as soon as its result is there.

    Rows and results are JSON objects: places, ids, digests and decisions, never text. A task may run again after a
    lost worker, so it has to write the same bytes each time. Raises the first error of our family that a task raised,
    which ends the others, or ClusterError saying what was being done.
    """
    import ray

    if not rows:
        return []
    each: Any = run_each  # Ray's types know no keyword arguments
    mapped = numbered(rows).map_batches(
        each, batch_size=1, batch_format="pyarrow", compute=ray.data.TaskPoolStrategy(workers),
        fn_kwargs={"task": task, "options": dict(options)},
    )  # fmt: skip
    return results_of(mapped, len(rows), doing, done)


def numbered(rows: Sequence[Row]) -> Any:
    """A dataset of the rows with their numbers, a block for each of the first MOST_TASKS."""
    import ray

    quiet()
    items = [{"number": number, "row": json.dumps(row)} for number, row in enumerate(rows)]
    return ray.data.from_items(items, override_num_blocks=min(len(rows), MOST_TASKS))


def results_of(mapped: Any, count: int, doing: str, done: Callable[[int], None]) -> list[Row]:
    """Run a mapped dataset of `count` numbered rows; what `map_rows` returns and raises."""
    results: dict[int, Row] = {}
    try:
        for found in mapped.iter_rows():
            if found["error"]:
                raise _error(json.loads(found["error"]))
            results[found["number"]] = json.loads(found["result"])
            done(found["number"])
    except NovelRayError:
        raise
    except Exception as error:
        raise from_ray(error, doing) from error
    assert len(results) == count, "Ray Data lost a row"
    return [results[number] for number in range(count)]


def quiet() -> None:
    """No progress bars and no notes on each execution: a stage says itself what it did.

    One operator alone needs no share of the memory reserved for it; with a reservation the second task waits for the
    first to end.
    """
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.op_resource_reservation_enabled = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


def run_each(batch: pa.Table, task: Callable[..., Row], options: Mapping[str, Any]) -> pa.Table:
    """Run a task on each numbered row of a batch: number, result and, for an error of ours, what it said."""
    results, problems = [], []
    for item in batch.column("row").to_pylist():
        result, problem = "", ""
        try:
            result = json.dumps(task(json.loads(item), **options))
        except NovelRayError as error:
            problem = json.dumps([type(error).__name__, error.message, error.hint])
        results.append(result)
        problems.append(problem)
    large = pa.large_string()
    columns = {"result": pa.array(results, large), "error": pa.array(problems, large)}
    return pa.table({"number": batch.column("number"), **columns})


def _error(described: list[str]) -> NovelRayError:
    name, message, hint = described
    kind = getattr(errors, name, NovelRayError)
    made: NovelRayError = kind(message, hint)
    return made
