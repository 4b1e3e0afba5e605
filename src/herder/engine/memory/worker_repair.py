"""What the engine remembers of a worker's health: its conditions, the repair that is under way, its quarantine, and the notice of its end.

Part of `WorkerLife`. What must survive a restart is stored in the worker's row, as text (`text_of`, `read`).
"""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from herder.model.fleet.notice import Notice, NoticeSource
from herder.model.fleet.repair import BLOCKING, RESTARTS, Condition, Rung

#: Who reports a condition.
AGENT, SERVER, CLUSTER, SYSTEM = "agent", "server", "cluster", "system"
#: How long a machine that is being restarted may be listed as stopped.
MAY_BE_OFF_MS = 600_000


class Step(StrEnum):
    """How far one rung is."""

    DRAINING = "draining"
    """Its attempts are still running; the rung comes when they have ended, or after the pool's drain_grace."""
    DUE = "due"
    """Stored as an intent. It is about to be carried out, or was interrupted."""
    ACTED = "acted"
    """Carried out, or given up: `result` says which."""


@dataclass(slots=True, kw_only=True)
class ConditionSeen:
    since_ms: int
    last_seen_ms: int
    message: str
    count: int = 0


@dataclass(slots=True, kw_only=True)
class RepairLife:
    """From the first rung until the worker has been well for the pool's cooldown."""

    condition: Condition
    rung: Rung
    step: Step
    since_ms: int
    """When the rung began."""
    tries: int = 0
    acted_at_ms: int | None = None
    result: str = ""
    done: dict[tuple[Condition, Rung], int] = field(default_factory=dict)
    """When each was carried out last, in this repair."""
    escalated: bool = False
    rejoins: bool = False
    """The agent was started anew and may activate once more."""
    well_since_ms: int | None = None
    blocked_at_ms: int | None = None
    """Since when its attempts run on after the deadline of its drain (on_blocked: wait)."""
    alarmed_at_ms: int | None = None
    """When that was recorded as an event last."""

    @property
    def under_way(self) -> bool:
        return self.step is not Step.ACTED


@dataclass(slots=True, kw_only=True)
class HealthLife:
    conditions: dict[tuple[str, Condition], ConditionSeen] = field(default_factory=dict)
    """By source and condition."""
    repair: RepairLife | None = None
    quarantined_at_ms: int | None = None
    """Since when it is kept for inspection."""
    notice: Notice | None = None
    """The provider takes its machine back (`engine/workers/notices.py`)."""
    # in memory only
    notice_told: bool = False
    """Its agent knows the deadline of its attempts."""
    cleans: bool = False
    """Its agent knows how to clean up."""
    clean_told: bool = False
    skew_ms: int = 0
    """How far its agent's clock is ahead, as last reported."""
    held: str = ""
    """Why the rung that is due is not carried out."""

    @property
    def interrupted(self) -> bool:
        """Whether its machine is about to be taken back, and no person has kept the worker all the same."""
        return self.notice is not None and not self.notice.dismissed

    @property
    def blocks(self) -> bool:
        """Whether it must take no work, even if it is ready otherwise."""
        repair = self.repair
        return (
            self.quarantined_at_ms is not None
            or (repair is not None and (repair.step is not Step.ACTED or repair.rejoins))
            or any(condition in BLOCKING for _, condition in self.conditions)
        )


def text_of(health: HealthLife) -> str:
    """Empty for a worker without conditions and repairs. FailedAttempts is not stored: it is found again after a restart."""
    plain: dict[str, object] = {}
    conditions = [
        [source, condition.value, seen.since_ms, seen.last_seen_ms, seen.count, seen.message]
        for (source, condition), seen in health.conditions.items()
        if condition is not Condition.FAILED_ATTEMPTS
    ]
    if conditions:
        plain["conditions"] = conditions
    if health.repair is not None:
        plain["repair"] = _plain_repair(health.repair)
    if health.quarantined_at_ms is not None:
        plain["quarantined_at_ms"] = health.quarantined_at_ms
    if health.notice is not None:
        plain["notice"] = asdict(health.notice)
    return json.dumps({"version": 1, **plain}, separators=(",", ":")) if plain else ""


def _plain_repair(repair: RepairLife) -> dict[str, object]:
    return {
        "condition": repair.condition.value,
        "rung": repair.rung.value,
        "step": repair.step.value,
        "since_ms": repair.since_ms,
        "tries": repair.tries,
        "acted_at_ms": repair.acted_at_ms,
        "result": repair.result,
        "done": [[condition.value, rung.value, at_ms] for (condition, rung), at_ms in repair.done.items()],
        "escalated": repair.escalated,
        "rejoins": repair.rejoins,
        "well_since_ms": repair.well_since_ms,
        "blocked_at_ms": repair.blocked_at_ms,
        "alarmed_at_ms": repair.alarmed_at_ms,
    }


def read(text: str) -> HealthLife:
    """What `text_of` wrote."""
    if not text:
        return HealthLife()
    plain = json.loads(text)
    conditions = {
        (source, Condition(name)): ConditionSeen(
            since_ms=since_ms, last_seen_ms=last_ms, count=count, message=message
        )
        for source, name, since_ms, last_ms, count, message in plain.get("conditions", ())
    }
    repair = plain.get("repair")
    return HealthLife(
        conditions=conditions,
        repair=None if repair is None else _read_repair(repair),
        quarantined_at_ms=plain.get("quarantined_at_ms"),
        notice=_read_notice(plain.get("notice")),
    )


def _read_notice(plain: dict[str, Any] | None) -> Notice | None:
    return None if plain is None else Notice(**{**plain, "source": NoticeSource(plain["source"])})


def _read_repair(plain: dict[str, object]) -> RepairLife:
    done = plain["done"]
    assert isinstance(done, list)
    more = {key: value for key, value in plain.items() if key not in ("condition", "rung", "step", "done")}
    return RepairLife(
        condition=Condition(str(plain["condition"])),
        rung=Rung(str(plain["rung"])),
        step=Step(str(plain["step"])),
        done={(Condition(condition), Rung(rung)): at_ms for condition, rung, at_ms in done},
        **more,  # type: ignore[arg-type]
    )


def move(health: HealthLife, by_ms: int, not_after_ms: int | None = None) -> None:
    """The clock was set, or the server did not run: ages stay the same, but no time is moved beyond `not_after_ms`."""

    def moved(at_ms: int) -> int:
        return at_ms + by_ms if not_after_ms is None else max(at_ms, min(at_ms + by_ms, not_after_ms))

    for seen in health.conditions.values():
        seen.since_ms, seen.last_seen_ms = moved(seen.since_ms), moved(seen.last_seen_ms)
    repair = health.repair
    if repair is not None:
        repair.since_ms = moved(repair.since_ms)
        repair.done = {key: moved(at_ms) for key, at_ms in repair.done.items()}
        if repair.acted_at_ms is not None:
            repair.acted_at_ms = moved(repair.acted_at_ms)
        if repair.well_since_ms is not None:
            repair.well_since_ms = moved(repair.well_since_ms)
        if repair.blocked_at_ms is not None:
            repair.blocked_at_ms = moved(repair.blocked_at_ms)
        if repair.alarmed_at_ms is not None:
            repair.alarmed_at_ms = moved(repair.alarmed_at_ms)
    if health.quarantined_at_ms is not None:
        health.quarantined_at_ms = moved(health.quarantined_at_ms)
    if (
        health.notice is not None and not_after_ms is None
    ):  # the provider does not wait for a server that is away
        health.notice = health.notice.moved(by_ms)


def may_be_off(health: HealthLife, now_ms: int) -> bool:
    """Whether its machine is being restarted, so that the provider may list it as stopped."""
    repair = health.repair
    if repair is None or repair.rung not in RESTARTS or repair.step is Step.DRAINING:
        return False
    return repair.acted_at_ms is None or now_ms - repair.acted_at_ms < MAY_BE_OFF_MS
