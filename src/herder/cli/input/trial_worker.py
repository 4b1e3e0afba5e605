"""`herder driver check --write`: one worker is created, joins, and is removed. Used by `driver`.

It is an order to a pool like any other, with a short ttl: whatever happens to this command, the worker goes. It is cordoned before it can work, so
that no job is placed on it and ended with it.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from herder.cli.output.waits import LOOK_S, telling
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.session import Session
from herder.client.errors import NotFoundError
from herder.client.http import clock
from herder.model.values.phrases import clause, listed, sentence
from herder.model.values.times import span
from herder.settings.syntax.durations import parse_duration
from herder.wire.api.clusters import ClusterCheckView
from herder.wire.api.resources import ScaleRequest, WorkerAction

if TYPE_CHECKING:
    from herder.wire.api.resources import PoolView, WorkerView

REASON = "check of its driver"
#: Of the worker, from when it is ready.
TTL_S = 3600.0
#: How much longer than the pool's `boot_timeout` its creation is waited for: it may have to wait for its turn. And how long its removal is.
TURN_S, REMOVAL_S = 600.0, 1800.0


def trial_pool(say: Session, driver: str, named: str | None, template: str | None) -> "tuple[PoolView, str]":
    """The pool in which the worker is created, and its template: the cheapest of this driver. Raises CommandError."""
    fitting = [
        (pool, cheapest)
        for pool in say.client.pools.list()
        if named in (None, pool.name) and (cheapest := _cheapest(pool, driver, template))
    ]
    if not fitting:
        what = f"template {template} of driver {driver}" if template else f"a template of driver {driver}"
        where = f"Pool {named} has not {what}." if named else f"No pool has {what}."
        hint = "Define a pool with it in herder.yaml and run `herder apply`. `herder offer list` shows what there is."
        raise CommandError(where, hint=hint, code=Code.NOT_FOUND)
    if len(fitting) > 1:
        names = listed([pool.name for pool, _ in fitting])
        raise CommandError(
            f"Pools {names} have templates of driver {driver}.", hint="Name one with --pool.", code=Code.USAGE
        )
    return fitting[0]


def _cheapest(pool: "PoolView", driver: str, wanted: str | None) -> str:
    """The name of a template; empty: none."""
    found = [
        (float(each["price_per_hour"]), str(each["name"]))
        for each in pool.settings["templates"]
        if (each.get("driver") or pool.settings["driver"]) == driver and wanted in (None, each["name"])
    ]
    return min(found, default=(0.0, ""))[1]


def run_trial(say: Session, pool: "PoolView", template: str) -> Sequence[ClusterCheckView]:
    """One row for each step; none comes after one that failed, but for the removal. Raises ClientError when the order is refused."""
    most = pool.settings["ttl_max"]
    ttl_s = TTL_S if most is None else min(TTL_S, parse_duration(most))
    request = ScaleRequest(workers=1, template=template, ttl_s=ttl_s, reason=REASON)
    wait_s = parse_duration(pool.settings["boot_timeout"]) + TURN_S
    (name,) = say.client.pools.scale(pool.name, request).workers
    try:
        with suppress(NotFoundError):  # it has ended already; the rows say why
            say.client.workers.act(name, "cordon", WorkerAction(message=REASON))
        return [*_created(say, name, wait_s), *_removed(say, name)]
    except KeyboardInterrupt:
        say.say(
            f"Worker {name} is left, and ends with its ttl. Remove it with `herder worker remove {name}`."
        )
        raise


def _created(say: Session, name: str, wait_s: float) -> Iterator[ClusterCheckView]:
    began_s = clock.monotonic_s()
    worker = _wait(say, name, ("ready",), wait_s)
    took = span(round((clock.monotonic_s() - began_s) * 1000))
    made = bool(worker.handle)
    why = worker.why_removed or worker.step_text or "It has not become ready in time."
    detail = f"Worker {name} has machine {worker.handle}." if made else sentence(clause(why))
    yield ClusterCheckView(name="create a worker", passed=made, detail=detail, remedy="")
    if made:
        joined = worker.state == "ready"
        hint = f"`herder worker console {name}` and `herder worker operations {name}` may show why."
        yield ClusterCheckView(
            name="its agent joins",
            passed=joined,
            detail=f"It was ready after {took}." if joined else sentence(clause(why)),
            remedy="" if joined else hint,
        )


def _removed(say: Session, name: str) -> Iterator[ClusterCheckView]:
    worker = say.client.workers.get(name)
    if worker.ended_at is None:
        with suppress(NotFoundError):  # it has ended meanwhile
            say.client.workers.act(name, "remove", WorkerAction(message=REASON))
        worker = _wait(say, name, (), REMOVAL_S)
    gone = worker.ended_at is not None
    if not gone:
        detail = f"Worker {name} is still {worker.state}."
    else:
        detail = "Its machine is removed." if worker.handle else "It has ended. No machine is known."
    yield ClusterCheckView(
        name="remove it", passed=gone, detail=detail, remedy="" if gone else f"herder why worker {name}"
    )


def _wait(say: Session, name: str, states: Sequence[str], wait_s: float) -> "WorkerView":
    """As it is when it has ended, is in one of these states, or when the time is over."""
    until_s = clock.monotonic_s() + wait_s
    with telling(say) as tell:
        while True:
            worker = say.client.workers.get(name)
            if worker.state in states or worker.ended_at is not None or clock.monotonic_s() > until_s:
                return worker
            tell(worker.step_text or f"Worker {name} is {worker.state}.")
            clock.sleep_s(LOOK_S)
