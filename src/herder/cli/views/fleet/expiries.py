"""The columns of `herder worker list --ttl`: when each worker ends and what happens next, the first to end on top."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from herder.cli.output.columns import field, made
from herder.cli.output.humanize import age
from herder.cli.output.rows import Column, View
from herder.cli.views.tables import worker_status
from herder.model.values.times import brief

if TYPE_CHECKING:
    from herder.wire.api.resources import WorkerView


def expiring(workers: "Iterable[WorkerView]") -> "list[WorkerView]":
    """Those that have an end, by their expiry."""
    return sorted(
        (worker for worker in workers if worker.expires_at is not None),
        key=lambda worker: (worker.expires_at or "", worker.name),
    )


def _left(worker: Any, now_s: float) -> str:
    if worker.time_left_s is None:
        return "-"
    return brief(worker.time_left_s * 1000) if worker.time_left_s >= 0 else "expired"


def _extensions(worker: Any) -> str:
    return f"{worker.extensions}/{'-' if worker.extensions_max is None else worker.extensions_max}"


def _next(worker: Any, now_s: float) -> str:
    if not worker.next_step:
        return "-"
    return f"{worker.next_step} {age(worker.next_at, now_s)}" if worker.next_at else str(worker.next_step)


EXPIRIES = View(
    noun="worker",
    name=lambda worker: str(worker.name),
    columns=(
        field("NAME", "name"),
        made("STATUS", worker_status, key="status", state=True, drop=1),
        field("POOL", "pool", drop=3),
        field("JOBS", "attempts", right=True, drop=4),
        field("EXPIRES AT", "expires_at", drop=2),
        Column(
            header="LEFT",
            key="time_left_s",
            show=_left,
            raw=lambda worker: worker.time_left_s,
            right=True,
        ),
        Column(
            header="EXTENSIONS",
            key="extensions",
            show=lambda worker, now_s: _extensions(worker),
            raw=lambda worker: worker.extensions,
            right=True,
            drop=5,
        ),
        Column(header="NEXT", key="next_step", show=_next, raw=lambda worker: worker.next_step),
        field("MAX EXTENSIONS", "extensions_max", right=True, wide=True, drop=8),
        field("NEXT AT", "next_at", wide=True, drop=6),
        field("SOFT EXPIRY", "soft_expires_at", wide=True, drop=7),
        field("AGENT", "agent_version", wide=True, drop=9),
    ),
    empty="No worker has a time to live. Set ttl in the pool, or request one: herder pool scale POOL 1 --ttl 4h",
)
