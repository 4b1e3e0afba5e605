"""One object in full, for people: `pool get`, `worker get`, `batch get`, `job get`."""

import json
import shlex
from typing import Any

from herder.cli.output.humanize import age, between, shape, usd
from herder.cli.output.printer import Details
from herder.cli.views.fleet.health import health_text
from herder.cli.views.tables import ATTEMPTS, TEMPLATES, pool_status, worker_status
from herder.cli.views.work.callbacks import callback_text
from herder.cli.views.work.groups import GROUPS, in_tree
from herder.model.values.phrases import counted, ended_with
from herder.model.values.resources import BUILT_IN
from herder.wire.api.resources import PoolView, WorkerView
from herder.wire.api.work import BatchView, GroupView, JobDetail

#: Characters of a job's result that are shown.
RESULT_SHOWN_MAX = 2000


def pool(view: PoolView, now_s: float) -> Details:
    capacity, used = _amounts(view.capacity), _amounts(view.used)
    rows = [
        ("Name", view.name),
        ("Status", pool_status(view)),
        *([("Cluster", view.unseen)] if view.unseen else []),
        ("Driver", view.driver),
        (
            "Workers",
            f"{view.ready} ready, {view.in_flight} starting, {view.draining} draining; {view.desired} desired",
        ),
        ("Limits", f"{view.min_workers} to {view.max_workers}"),
        ("Queued jobs", f"{view.queued_jobs:,}"),
        ("Used", f"{used} of {capacity}"),
        ("Cost", usd(view.cost_usd)),
        ("Settings", _settings(view.settings)),
    ]
    return Details(rows=rows, tables=[("Templates", TEMPLATES, view.templates)] if view.templates else [])


def worker(view: WorkerView, now_s: float) -> Details:
    rows = [
        ("Name", view.name),
        ("Status", worker_status(view)),
        *([("Health", health_text(view.health, view.health_reason))] if view.health else []),
        *([("Drain", view.drain_text)] if view.drain_text else []),
        *([("Step", view.step_text or f"{view.step} (failed)")] if view.step else []),
        ("Pool", view.pool),
        (
            "Template",
            f"{view.template}: {shape(view.cpu_milli, view.memory_mib, view.disk_mib, view.gpu, view.resources)}",
        ),
        *(
            [("Offer", f"zone {view.zone or 'any'}, {'spot' if view.spot else 'on-demand'}")]
            if view.zone or view.spot
            else []
        ),
        ("Driver", f"{view.driver} ({view.handle or 'no handle yet'})"),
        ("Free", _amounts(view.free)),
        *([("Node", f"{view.node or 'none yet'} of cluster {view.cluster}")] if view.cluster else []),
        ("Pods", f"{view.pods:,}")
        if view.cluster
        else ("Jobs", f"{view.attempts} running, {view.attempts_done} ended"),
        ("Cost", f"{usd(view.cost_usd)} so far, {usd(view.price_per_hour_usd)}/h"),
        ("Requested", f"{view.requested_at} ({age(view.requested_at, now_s)})"),
        ("Ready", view.ready_at or "not yet"),
        ("Last seen", f"{view.last_seen_at or 'never'} ({age(view.last_seen_at, now_s)})"),
        ("Expires", f"{view.expires_at} ({age(view.expires_at, now_s)})" if view.expires_at else "never"),
        ("Ended", view.ended_at or "no"),
        ("Created because", f"{view.why_made} (plan {view.plan})"),
    ]
    if view.why_removed:
        rows.append(("Removed because", view.why_removed))
    return Details(rows=rows, tables=[])


def batch(view: BatchView, groups: list[GroupView], now_s: float) -> Details:
    counts = ", ".join(f"{count:,} {state}" for state, count in view.counts.items() if count)
    rows = [
        ("Batch", str(view.id)),
        ("Name", view.name or "-"),
        ("Status", view.state),
        ("Jobs", f"{view.jobs:,}" + (f": {counts}" if counts else "")),
        ("User", f"{view.user} (project {view.project})"),
        ("Created", f"{view.created_at} ({age(view.created_at, now_s)})"),
        ("Took", between(view.committed_at, view.ended_at, now_s)),
        ("Cost", usd(view.cost_usd)),
    ]
    if view.callback is not None:
        rows.append(("Callback", callback_text(view.callback)))
    rows.extend((f"  {key}", value) for key, value in view.attributes.items())
    return Details(rows=rows, tables=[("Groups", GROUPS, in_tree(groups))] if groups else [])


def job(view: JobDetail, now_s: float) -> Details:
    rows = [
        ("Job", str(view.id) + (f" ({view.key})" if view.key else "")),
        ("Status", view.state + (f", {ended_with(view.exit_code)}" if view.exit_code is not None else "")),
        ("Batch", "-" if view.batch is None else str(view.batch)),
        ("User", f"{view.user} (project {view.project})"),
        ("Pool", f"{view.pool}. {view.pool_reason}" if view.pool_reason else view.pool),
        ("Requests", shape(view.cpu_milli, view.memory_mib, view.disk_mib, view.gpu, view.resources)),
        ("Command", shlex.join(str(word) for word in view.payload.get("command", ())) or view.runtime),
        ("Created", f"{view.created_at} ({age(view.created_at, now_s)})"),
        ("Took", between(view.started_at, view.ended_at, now_s)),
        ("Attempts", counted(view.attempts, "attempt")),
    ]
    brought, sent, cached = (
        sum(getattr(each, name) for each in view.history)
        for name in ("bytes_in", "bytes_out", "bytes_cached")
    )
    if brought or sent:
        found = f" ({_size(cached)} from the cache of a worker)" if cached else ""
        rows.append(("Data", f"{_size(brought)} copied in{found}, {_size(sent)} copied out"))
    if view.group:
        rows.append(("Group", view.group))
    rows.extend((f"  {key}", value) for key, value in view.attributes.items())
    if view.type:
        rows.append(("Type", view.type))
    if view.deadline is not None:
        rows.append(("Deadline", view.deadline))
    if view.retry_at is not None:
        rows.append(("Next attempt", f"not before {view.retry_at}"))
    if view.cause or view.message:
        rows.append(("Cause", f"{view.cause}: {view.message}".strip(": ")))
    if view.parents:
        rows.append(("Parents", ", ".join(str(parent) for parent in view.parents)))
    if view.result is not None:
        rows.append(("Result", _cut(json.dumps(view.result, ensure_ascii=False))))
    return Details(rows=rows, tables=[("Attempts", ATTEMPTS, view.history)] if view.history else [])


def _size(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else counted(size, "byte")


def _cut(text: str) -> str:
    return (
        text
        if len(text) <= RESULT_SHOWN_MAX
        else f"{text[:RESULT_SHOWN_MAX]}… (`-o json` shows the whole result)"
    )


def _amounts(amounts: dict[str, int]) -> str:
    left = dict(amounts)
    cpu, memory, disk, gpu = (int(left.pop(each.name, 0)) for each in BUILT_IN)
    return shape(cpu, memory, disk, gpu, {name: amount for name, amount in left.items() if amount})


def _settings(settings: dict[str, Any]) -> str:
    shown = {
        key: value
        for key, value in settings.items()
        if key not in ("name", "templates") and value not in ({}, [], "")
    }
    return "\n".join(f"{key}: {_setting(value)}" for key, value in shown.items()) or "-"


def _setting(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    if isinstance(value, dict):
        return ", ".join(f"{key} {_setting(inner)}" for key, inner in value.items() if inner is not None)
    if isinstance(value, list):
        return "; ".join(_setting(inner) for inner in value)
    return str(value)
