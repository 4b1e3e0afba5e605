"""Computes recorded plans again from their observations with the same planner, and compares them byte for byte.

Called by the command `herder simulate verify`. With other pools than those of then it shows what would have been decided
otherwise on the same observations; what would have followed from that is a simulation's matter.
"""

import json
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from itertools import islice

import msgspec
from sqlalchemy import ColumnElement, Connection, func, inspect, select

from herder.client.http.clock import cpu_s
from herder.decide.plan.planner import decide
from herder.model.fleet.pool import PoolSpec
from herder.model.planning.observed import Observed
from herder.model.stored.records import ObservationRecord
from herder.model.values.addresses import shown_address
from herder.settings.openings import openings_shown
from herder.settings.schedule_windows import windows
from herder.simulate.traces.rows import TraceError
from herder.store.opening.database import StoreError
from herder.store.opening.reading import reading
from herder.store.rows import tables as t
from herder.store.rows.json_forms import plain_plan
from herder.store.rows.versions import READ, WRITTEN
from herder.store.writing.flight_recorder import BrokenRecord, Played, play

#: Differences that are kept whole; the others are only counted.
SHOWN_MAX = 3
#: Lines of one difference.
LINES_MAX = 60
FETCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    plan: int
    made_at_ms: int
    lines: tuple[str, ...]
    """From the recorded plan (-) to the one that is made now (+)."""


@dataclass(slots=True, kw_only=True)
class Verified:
    """`plans`: all that are recorded; `unobserved`: those made by hand, or whose observation is not kept (any more)."""

    plans: int = 0
    compared: int = 0
    equal: int = 0
    different: int = 0
    unobserved: int = 0
    older: dict[int, int] = field(default_factory=dict)
    """Skipped: plans of versions of the form that this Herder does not make, by version."""
    acting: int = 0
    """Of those compared, the ones that do something."""
    differences: list[Difference] = field(default_factory=list)
    seconds: float = 0.0


def verify(where: str, pools: Sequence[PoolSpec] = ()) -> Verified:
    """`where` as `store.opening.reading` takes it. `pools` stand for those of the same names. Raises TraceError."""
    begun_s = cpu_s()
    try:
        with reading(where) as connection:
            found = _verified(connection, shown_address(where), {pool.name: pool for pool in pools})
    except (StoreError, BrokenRecord) as error:
        raise TraceError(str(error)) from None
    found.seconds = cpu_s() - begun_s
    return found


def _verified(connection: Connection, where: str, pools: dict[str, PoolSpec]) -> Verified:
    there = inspect(connection)
    if not there.has_table(t.observations.name) or "version" not in {
        column["name"] for column in there.get_columns(t.observations.name)
    }:
        raise TraceError(
            f"{where}: its schema is older than the recorder of observations. A server of this version migrates it when it starts."
        )
    found = Verified(plans=connection.execute(select(func.count()).select_from(t.plans)).scalar() or 0)
    found.older = _older(connection)
    known: set[str] = set()
    bodies: deque[str] = deque()
    with closing(_frames(connection, bodies)) as frames:
        for played in play(frames):
            body = bodies.popleft()
            known.update(pool.name for pool in played.observed.pools)
            seen = played.observed
            _compare(found, body, played, _with_pools(seen, pools, played.now_ms) if pools else seen)
    if not found.compared and found.older:
        raise TraceError(f"{where}: {older_text(found)}. There is nothing to compare.")
    if not found.compared:
        raise TraceError(
            f"{where}: none of its {found.plans} plans has an observation, so there is nothing to compare."
        )
    strange = sorted(set(pools) - known)
    if strange:
        raise TraceError(
            f"{where}: pool {strange[0]!r} did not exist. Its pools were {', '.join(sorted(known)) or 'none'}."
        )
    found.unobserved = found.plans - found.compared - sum(found.older.values())
    return found


def older_text(found: Verified) -> str:
    """For people: which plans are skipped."""
    number, count = ", ".join(str(each) for each in sorted(found.older)), sum(found.older.values())
    return (
        f"{count:,} of its {found.plans:,} plans are of version {number} and are skipped, because this Herder makes version "
        f"{WRITTEN['plan']}"
    )


def _same_form() -> ColumnElement[bool]:
    """Plans that this version would write in the same form, from observations that it can read."""
    return (t.plans.c.version == WRITTEN["plan"]) & t.observations.c.version.in_(READ["observation"])


def _older(connection: Connection) -> dict[int, int]:
    query = (
        select(t.plans.c.version, func.count().label("plans"))
        .join(t.observations, t.observations.c.plan == t.plans.c.number)
        .where(~_same_form())
        .group_by(t.plans.c.version)
    )
    return {row.version: row.plans for row in connection.execute(query)}


def _frames(connection: Connection, bodies: deque[str]) -> Generator[ObservationRecord, None, None]:
    """With each, its plan as it was recorded goes to `bodies`."""
    query = (
        select(t.observations, t.plans.c.body)
        .join(t.plans, t.plans.c.number == t.observations.c.plan)
        .where(_same_form())
        .order_by(t.observations.c.plan)
    )
    with connection.execution_options(stream_results=True).execute(query) as result:
        while rows := result.fetchmany(FETCH):
            for *frame, body in rows:
                bodies.append(body)
                yield ObservationRecord(*frame)


def _with_pools(observed: Observed, pools: dict[str, PoolSpec], now_ms: int) -> Observed:
    """The same observation, had these pools been set. A pool that was frozen by hand stays so."""
    wanted = tuple(
        replace(pools[pool.name], frozen=pool.frozen) if pool.name in pools else pool
        for pool in observed.pools
    )
    return replace(
        observed,
        pools=wanted,
        windows=tuple((pool.name, windows(pool, now_ms)) for pool in wanted if pool.size.schedules),
        openings=openings_shown(wanted, now_ms),
    )


def _compare(found: Verified, body: str, played: Played, observed: Observed) -> None:
    again = decide(observed, played.now_ms)
    text = msgspec.json.encode(plain_plan(again)).decode()
    found.compared += 1
    found.acting += bool(json.loads(body)["actions"])
    if text == body:
        found.equal += 1
        return
    found.different += 1
    if len(found.differences) < SHOWN_MAX:
        lines = unified_diff(
            _pretty(body),
            _pretty(text),
            f"plan {played.plan}, recorded",
            f"plan {played.plan}, now",
            n=2,
            lineterm="",
        )
        shown = tuple(islice(lines, LINES_MAX))
        found.differences.append(Difference(plan=played.plan, made_at_ms=played.now_ms, lines=shown))


def _pretty(body: str) -> list[str]:
    return json.dumps(json.loads(body), indent=1, ensure_ascii=False).splitlines()
