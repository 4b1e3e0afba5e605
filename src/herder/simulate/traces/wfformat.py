"""Format `wfformat`: one run of a workflow as WfCommons writes it, or the short form with `tasks` at the top.

JSON; of each task: `id`, `parents`, `runtimeInSeconds`, and where known `name`, `coreCount`, `avgCPU` (percent) and
`memoryInBytes`. All tasks arrive at once and wait for their parents. In the full form (schema 1.5) tasks stand in
`workflow.specification.tasks` and their figures in `workflow.execution.tasks`.
"""

import json
import math
import zlib
from typing import Any

from herder.model.resources import Resources
from herder.simulate.traces.form import Trace, TraceJob, trace_of
from herder.simulate.traces.graph import check_parents
from herder.simulate.traces.rows import Rows, TraceError

_MIB = 2**20


def looks_like(head: str) -> bool:
    return head.lstrip().startswith("{") and ('"tasks"' in head or '"workflow"' in head)


def read(rows: Rows) -> Trace:
    with rows.text() as stream:
        try:
            whole = json.load(stream)
        except json.JSONDecodeError as error:
            raise TraceError(
                f"{rows.path}:{error.lineno}:{error.colno}: this is no JSON: {error.msg}. Correct it there."
            ) from None
        except RecursionError:
            raise TraceError(f"{rows.path}:1:1: this is nested too deeply. It is no workflow.") from None
        except (ValueError, OSError, EOFError, zlib.error) as error:
            raise TraceError(f"{rows.path}:1:1: this cannot be read: {error}. Correct it there.") from None
    jobs: list[TraceJob] = []
    for number, task in enumerate(_tasks(whole, rows)):
        try:
            jobs.append(_job(task, number, rows))
        except TraceError as error:
            if not rows.skip_bad:
                raise
            rows.skip(str(error))
        if rows.limit is not None and len(jobs) >= rows.limit:
            break
    check_parents(jobs, str(rows.path), whole=rows.limit is None and not rows.skipped)
    return trace_of("wfformat", jobs, skipped=rows.skipped)


def _tasks(whole: Any, rows: Rows) -> list[dict[str, Any]]:
    if isinstance(whole, dict) and isinstance(whole.get("tasks"), list):
        return list(whole["tasks"])
    try:
        flow = whole["workflow"]
        if "specification" not in flow:
            return list(flow["tasks"])
        figures = {task["id"]: task for task in flow["execution"]["tasks"]}
        return [{**task, **figures.get(task["id"], {})} for task in flow["specification"]["tasks"]]
    except (KeyError, TypeError):
        raise TraceError(
            f"{rows.path}: there are no tasks in it. Give them under `tasks` or as WfFormat 1.5 does."
        ) from None


def _job(task: Any, number: int, rows: Rows) -> TraceJob:
    name = task.get("id") if isinstance(task, dict) else None
    if not isinstance(name, str):
        raise TraceError(f"{rows.path}: tasks[{number}] has no id. Give it one.")
    run_s = _amount(task, "runtimeInSeconds", None, name, rows)
    cores = _amount(task, "coreCount", 0.0, name, rows) or max(
        1, math.ceil(_amount(task, "avgCPU", 100.0, name, rows) / 100)
    )
    return TraceJob(
        arrival_s=0.0,
        run_s=run_s,
        request=Resources(
            round(1000 * cores), math.ceil(_amount(task, "memoryInBytes", 0.0, name, rows) / _MIB)
        ),
        kind=str(task.get("name", "")).rstrip("0123456789_"),
        id=name,
        parents=tuple(str(parent) for parent in task.get("parents") or ()),
    )


def _amount(task: dict[str, Any], key: str, default: float | None, name: str, rows: Rows) -> float:
    value = task.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not (0 <= value < math.inf):
        raise TraceError(
            f"{rows.path}: tasks[{name}].{key}: {value!r} is no amount. Write a number of at least 0, or use --skip-bad."
        )
    return float(value)
