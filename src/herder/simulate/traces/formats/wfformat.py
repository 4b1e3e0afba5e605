"""Format `wfformat`: one run of a workflow as WfCommons writes it, or the short form with `tasks` at the top.

JSON of the schema's versions 1.0 to 1.6. All tasks arrive at once and wait for their parents. Of each task are used:

| | since 1.5 | before |
|---|---|---|
| tasks | `workflow.specification.tasks`, their figures in `workflow.execution.tasks` | `workflow.tasks`; up to 1.2 `workflow.jobs` |
| who | `id` | `id`, or where there is none `name` |
| time | `runtimeInSeconds` | up to 1.3 `runtime` |
| cores | `coreCount`, else `avgCPU` (percent) | `cores` |
| memory | `memoryInBytes` | up to 1.3 `memory`, in thousands of bytes |
| edges | `parents` and `children`, by id | by name or by id |

An edge that only one of its two ends names is an edge. `herder batch submit --from-wfformat` reads the same with `tasks_of`.
"""

import math
from pathlib import Path
from typing import Any

from herder.model.values.resources import AMOUNT_MAX, Resources
from herder.settings.syntax.files import Unreadable
from herder.settings.syntax.json_text import read_json
from herder.settings.syntax.numbers import NUMBER_MAX
from herder.simulate.traces.graph import check_parents
from herder.simulate.traces.rows import Rows, TraceError, open_rows
from herder.simulate.traces.trace import Trace, TraceJob, trace_of

_MIB = 2**20
#: What 1.3 and before count memory in, by the format's own conversion.
_KB = 1000


def looks_like(head: str) -> bool:
    return head.lstrip().startswith("{") and ('"tasks"' in head or '"workflow"' in head)


def read(rows: Rows) -> Trace:
    jobs = _jobs(rows, advice="Or skip bad tasks with --skip-bad.")
    return trace_of("wfformat", jobs, skipped=rows.skipped)


def tasks_of(path: Path | str) -> list[TraceJob]:
    """All tasks of a file, or of stdin when it is `-`, in its order and with their ids. Raises TraceError."""
    with open_rows(path) as rows:
        jobs = _jobs(rows, advice="")
        if not jobs:
            raise TraceError(f"{rows.path}: the file has no tasks. A workflow needs at least one.")
        return jobs


def _jobs(rows: Rows, advice: str) -> list[TraceJob]:
    """`advice`: what else can be done about a bad task."""
    try:
        whole = read_json(rows.text())
    except Unreadable as error:
        raise TraceError(error.within(rows.path)) from None
    tasks = _tasks(whole, rows.path)
    names = _ids(tasks, rows.path)
    parents = _edges(tasks, names, rows)
    jobs: list[TraceJob] = []
    cut: set[str] = set()
    for number, (name, task) in enumerate(zip(names, tasks, strict=True)):
        if rows.limit is not None and len(jobs) >= rows.limit:
            cut.add(name)
            continue
        try:
            jobs.append(_job(task, number, name, tuple(parents.get(name, ())), rows.path))
        except TraceError as error:
            if not rows.skip_bad:
                raise TraceError(f"{error} {advice}".strip()) from None
            rows.skip(str(error), name)
    check_parents(
        jobs,
        rows.path,
        cut_off=lambda ids: ids & (cut | rows.cut),
        leave_out=rows.skip if rows.skip_bad else None,
    )
    return jobs


def _tasks(whole: Any, file: str) -> list[Any]:
    if isinstance(whole, dict) and isinstance(whole.get("tasks"), list):
        return list(whole["tasks"])
    try:
        flow = whole["workflow"]
        if "specification" in flow:
            return _with_figures(flow["specification"]["tasks"], flow["execution"]["tasks"], file)
        return list(flow["tasks"] if "tasks" in flow else flow["jobs"])
    except (KeyError, TypeError):
        raise TraceError(
            f"{file}: the file has no tasks. Give them under `tasks`, or as WfFormat 1.0 to 1.6 does."
        ) from None


def _with_figures(tasks: list[Any], figures: list[Any], file: str) -> list[Any]:
    by_id: dict[str, Any] = {}
    for each in figures:
        if each["id"] in by_id:
            raise TraceError(
                f"{file}: workflow.execution.tasks has {each['id']!r} twice. Remove one of the two."
            )
        by_id[each["id"]] = each
    return [{**task, **by_id.get(task["id"], {})} for task in tasks]


def _ids(tasks: list[Any], file: str) -> list[str]:
    """Of every task; one without is named by its number, and refused when it is read."""
    names = [_text(task, "id") or _text(task, "name") or f"tasks[{at}]" for at, task in enumerate(tasks)]
    if len(set(names)) < len(names):
        name = next(name for at, name in enumerate(names) if name in names[:at])
        raise TraceError(f"{file}: two tasks are {name!r}. Give each an id of its own.")
    return names


def _edges(tasks: list[Any], names: list[str], rows: Rows) -> dict[str, dict[str, None]]:
    """Who waits for whom, by id. Raises TraceError for a name that several tasks have, and for what is not a list of names."""
    titles: dict[str, list[str]] = {}
    for name, task in zip(names, tasks, strict=True):
        titles.setdefault(_text(task, "name"), []).append(name)
    titles |= {name: [name] for name in names}
    found: dict[str, dict[str, None]] = {}
    for name, task in zip(names, tasks, strict=True):
        for key in ("parents", "children"):
            for other in _named(task, key, name, rows.path):
                known = titles.get(other, [other])
                if len(known) > 1:
                    raise TraceError(
                        f"{rows.path}: tasks[{name}].{key}: several tasks have the name {other!r}. Write an id."
                    )
                child, parent = (name, known[0]) if key == "parents" else (known[0], name)
                found.setdefault(child, {})[parent] = None
    for child in found.keys() - set(names):
        text = f"{rows.path}: {next(iter(found[child]))!r} has the child {child!r}, which does not exist. Add it or remove it."
        if not rows.skip_bad:
            raise TraceError(text)
        rows.skip(text)
    return found


def _named(task: Any, key: str, name: str, file: str) -> list[str]:
    found = (task.get(key) if isinstance(task, dict) else None) or []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise TraceError(f"{file}: tasks[{name}].{key} is not a list of names. Write [] or names in quotes.")
    return found


def _text(task: Any, key: str) -> str:
    found = task.get(key) if isinstance(task, dict) else None
    return found if isinstance(found, str) else ""


def _job(task: Any, number: int, name: str, parents: tuple[str, ...], file: str) -> TraceJob:
    if not (_text(task, "id") or _text(task, "name")):
        raise TraceError(f"{file}: tasks[{number}] has no id. Give it one.")
    where = f"{file}: tasks[{name}]"
    run_s = _amount(task, ("runtimeInSeconds", "runtime"), None, where)
    cores = _amount(task, ("coreCount", "cores"), 0.0, where, AMOUNT_MAX // 1000)
    if not cores:
        cores = max(1, math.ceil(_amount(task, ("avgCPU",), 100.0, where) / 100))
    memory = _amount(task, ("memoryInBytes",), 0.0, where, AMOUNT_MAX * _MIB)
    memory = memory or _KB * _amount(task, ("memory",), 0.0, where, AMOUNT_MAX)
    return TraceJob(
        arrival_s=0.0,
        run_s=run_s,
        request=Resources(round(1000 * cores), math.ceil(memory / _MIB)),
        kind=_text(task, "name").rstrip("0123456789_"),
        id=name,
        parents=parents,
    )


def _amount(
    task: dict[str, Any], keys: tuple[str, ...], default: float | None, where: str, most: int = NUMBER_MAX
) -> float:
    key = next((key for key in keys if key in task), keys[0])
    value = task.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise TraceError(
            f"{where}.{key}: {_shown(value)} is not an amount. Write a number from 0 to {most:g}."
        )
    return float(value)


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:60]
