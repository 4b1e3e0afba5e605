"""One of each thing that the REST API answers with, for tests: `pool("burst", frozen=True)` and so on."""

from typing import Any

from herder.wire.api import resources as wire
from herder.wire.api import work

T0 = "2026-01-01T00:00:00Z"


def pool(name: str, **more: Any) -> wire.PoolView:
    row: dict[str, Any] = {
        "name": name,
        "driver": "local",
        "min_workers": 0,
        "max_workers": 5,
        "desired": 2,
        "actual": 2,
        "ready": 2,
        "in_flight": 0,
        "draining": 0,
        "capacity": {"cpu_milli": 4000, "memory_mib": 4096, "disk_mib": 0, "gpu": 0},
        "used": {"cpu_milli": 1000, "memory_mib": 512, "disk_mib": 0, "gpu": 0},
        "queued_jobs": 0,
        "frozen": False,
        "cost_usd": "0.5",
        "templates": [
            wire.TemplateView(
                name="small",
                cpu_milli=2000,
                memory_mib=2048,
                disk_mib=0,
                gpu=0,
                slots=110,
                price_per_hour_usd="0.12",
            )
        ],
        "settings": {"name": name, "idle_timeout": "30m"},
    }
    return wire.PoolView(**{**row, **more})


def worker(name: str, **more: Any) -> wire.WorkerView:
    row: dict[str, Any] = {
        "name": name,
        "pool": "burst",
        "template": "small",
        "driver": "local",
        "state": "ready",
        "cordoned": False,
        "cpu_milli": 2000,
        "memory_mib": 2048,
        "disk_mib": 0,
        "gpu": 0,
        "free": {"cpu_milli": 1000, "memory_mib": 1024},
        "attempts": 1,
        "attempts_done": 7,
        "price_per_hour_usd": "0.12",
        "cost_usd": "0.03",
        "requested_at": T0,
        "ready_at": T0,
        "last_seen_at": T0,
        "expires_at": None,
        "ended_at": None,
        "why_made": "5 jobs wait",
        "why_removed": "",
        "plan": 7,
        "handle": "pid-1",
    }
    return wire.WorkerView(**{**row, **more})


def batch(number: int, **more: Any) -> work.BatchView:
    row: dict[str, Any] = {
        "id": number,
        "name": "night",
        "user": "alice",
        "project": "default",
        "state": "running",
        "jobs": 3,
        "counts": {"running": 3},
        "cost_usd": "0",
        "created_at": T0,
        "committed_at": T0,
        "ended_at": None,
        "attributes": {},
    }
    return work.BatchView(**{**row, **more})


def job(number: int, **more: Any) -> work.JobDetail:
    row: dict[str, Any] = {
        "id": number,
        "batch": None,
        "key": None,
        "user": "alice",
        "project": "default",
        "state": "succeeded",
        "pool": "auto",
        "priority": 0,
        "runtime": "process",
        "cpu_milli": 100,
        "memory_mib": 128,
        "disk_mib": 0,
        "gpu": 0,
        "attempts": 1,
        "exit_code": 0,
        "cause": "",
        "message": "",
        "created_at": T0,
        "ready_at": T0,
        "started_at": T0,
        "ended_at": "2026-01-01T00:00:05Z",
        "payload": {"command": ["echo", "hello"]},
        "parents": [],
        "result": None,
        "history": [],
    }
    return work.JobDetail(**{**row, **more})


def event(number: int, **more: Any) -> wire.EventView:
    row: dict[str, Any] = {
        "sequence": number,
        "at": T0,
        "kind": "worker.ready",
        "object": f"worker/burst-7-{number}",
        "actor": "herder",
        "text": f"event {number}",
        "data": {},
    }
    return wire.EventView(**{**row, **more})


REASON = {"kind": "queued_jobs", "text": "5 jobs wait", "evidence": [["jobs", 5]]}
CREATE = {
    "action": "create",
    "spec": {
        "name": "burst-9-1",
        "pool": "burst",
        "template": "small",
        "price_pico_per_hour": 120_000_000_000,
        "reason": "5 jobs wait",
    },
    "expires_at_ms": None,
    "reason": REASON,
}
POOL_ROW = {
    "pool": "burst",
    "actual": 2,
    "in_flight": 0,
    "desired": 3,
    "queued_jobs": 5,
    "reasons": [REASON],
}
