"""`herder driver check --write`: one worker is created, joins, and is removed. Used by `driver`.

It is an order to a pool like any other, with a short ttl: whatever happens to this command, the worker goes.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from herder.cli.output.waits import LOOK_S, telling
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.session import Session
from herder.client.http import clock
from herder.model.values.phrases import clause, listed, sentence
from herder.model.values.times import span
from herder.wire.api.clusters import ClusterCheckView
from herder.wire.api.resources import ScaleRequest, WorkerAction

if TYPE_CHECKING:
    from herder.wire.api.resources import PoolView, WorkerView

#: Of the worker, and the longest time that its creation and its removal are waited for.
TTL_S = 3600.0
WAIT_S = 1800.0


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


def run_trial(say: Session, pool: str, template: str) -> Sequence[ClusterCheckView]:
    """One row for each step; none comes after one that failed, but for the removal. Raises ClientError when the order is refused."""
    began_s = clock.monotonic_s()
    request = ScaleRequest(workers=1, template=template, ttl_s=TTL_S, reason="check of its driver")
    (name,) = say.client.pools.scale(pool, request).workers
    try:
        return [*_created(say, name, began_s), *_removed(say, name)]
    except KeyboardInterrupt:
        say.say(
            f"Worker {name} is left, and ends with its ttl. Remove it with `herder worker remove {name}`."
        )
        raise


def _created(say: Session, name: str, began_s: float) -> Iterator[ClusterCheckView]:
    worker = _wait(say, name, ("ready", "terminated", "failed"))
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
        action = WorkerAction(message="check of its driver", force=True)
        say.client.workers.act(name, "remove", action)
        worker = _wait(say, name, ("terminated", "failed"))
    gone = worker.ended_at is not None
    detail = "Its machine is removed." if gone else f"Worker {name} is still {worker.state}."
    yield ClusterCheckView(
        name="remove it", passed=gone, detail=detail, remedy="" if gone else f"herder why worker {name}"
    )


def _wait(say: Session, name: str, states: Sequence[str]) -> "WorkerView":
    """As it is when it is in one of these states, or when the time is over."""
    until_s = clock.monotonic_s() + WAIT_S
    with telling(say) as tell:
        while True:
            worker = say.client.workers.get(name)
            if worker.state in states or worker.ended_at is not None or clock.monotonic_s() > until_s:
                return worker
            tell(worker.step_text or f"Worker {name} is {worker.state}.")
            clock.sleep_s(LOOK_S)
