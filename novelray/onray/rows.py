"""One Ray Data task per small row: what each stage that works file by file runs on.

Rows and results are JSON values: places, ids, digests and decisions, never text. Errors of our family come back as
data, since Ray Data keeps only the printed form of what a task raises.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from novelray import errors
from novelray.errors import NovelRayError

MOST_TASKS = 1024  # blocks that a long list of rows is divided into

Row = dict[str, Any]
Task = Callable[..., Row]


def map_rows(rows: list[Row], task: Task, options: dict[str, Any]) -> list[Row]:
    """`task(row, **options)` for each row, spread over the cluster; the results in the order of `rows`.

    A task may run again after a lost worker, so it has to write the same bytes each time. Raises the first error of
    our family that a task raised.
    """
    import ray

    quiet_ray_data()
    numbered = [{"number": number, "row": json.dumps(row)} for number, row in enumerate(rows)]
    dataset = ray.data.from_items(numbered, override_num_blocks=max(1, min(len(rows), MOST_TASKS)))
    run: Any = _run  # Ray's type for a function has no place for its keyword arguments
    results = dataset.map_batches(
        run, batch_size=1, batch_format="pyarrow", compute=ray.data.TaskPoolStrategy(),
        fn_kwargs={"task": task, "options": options},
    ).take_all()  # fmt: skip
    results.sort(key=lambda r: r["number"])
    assert [r["number"] for r in results] == list(range(len(rows))), "Ray Data lost a row"
    return [_result(json.loads(r["result"])) for r in results]


def _run(batch: pa.Table, task: Task, options: dict[str, Any]) -> pa.Table:
    results = [json.dumps(_attempt(json.loads(row), task, options)) for row in batch.column("row").to_pylist()]
    return pa.table({"number": batch.column("number"), "result": pa.array(results, pa.large_string())})


def _attempt(row: Row, task: Task, options: dict[str, Any]) -> Row:
    try:
        return {"value": task(row, **options)}
    except NovelRayError as error:
        return {"error": type(error).__name__, "message": error.message, "hint": error.hint}


def _result(outcome: Row) -> Row:
    if "error" in outcome:
        family: type[NovelRayError] = getattr(errors, outcome["error"], NovelRayError)
        raise family(outcome["message"], outcome["hint"])
    value: Row = outcome["value"]
    return value


def quiet_ray_data() -> None:
    """No progress bars and no notes on each execution: a stage says itself what it did."""
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
