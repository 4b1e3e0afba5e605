"""Actions on drivers: freeze, unfreeze, forget. Called by the API, and at start for drivers that are missing.

Nothing here calls a provider. A forgotten worker is not recorded as terminated, because its machine was not removed.
"""

from herder.control.access.access_check import FLEET, check
from herder.control.drivers.calling import check_known, notes_of
from herder.control.kernel.bounds.errors import Conflict
from herder.control.kernel.bounds.limits import check_message
from herder.control.kernel.core import Core
from herder.control.workers.exchange import forget_worker
from herder.engine.memory.events import record_event
from herder.engine.workers import drivers
from herder.engine.workers import worker as life
from herder.model.permissions import Action, Kind, Principal, Thing
from herder.model.stored.changes import Changes
from herder.model.values.phrases import counted
from herder.wire.api.drivers import DriverAction
from herder.wire.api.resources import Result

#: How long `unfreeze --allow-removals` lets the sweep work without its brake.
REMOVALS_ALLOWED_MS = 600_000


def note_missing(core: Core, changes: Changes, now_ms: int) -> None:
    """Drivers that rows name and this server does not have. Their workers and machines stay as they are."""
    used = {worker.spec.driver for worker in core.state.workers.values()}
    used.update(*(pool.drivers for pool in core.state.pools.values()))
    for name in sorted(used - set(core.drivers)):
        drivers.note_missing(core.state, changes, name, now_ms)


def freeze(
    core: Core, who: Principal, name: str, body: DriverAction, changes: Changes, now_ms: int
) -> Result:
    check(who, Action.CHANGE, FLEET)
    check_message(body.message)
    check_known(core, name)
    if name in core.state.frozen_drivers:
        raise Conflict(
            f"Driver {name} is already frozen, and its reason is kept. {core.state.frozen_drivers[name].reason}",
            hint=f"To replace the reason, run `herder driver unfreeze {name}` first, then freeze it again.",
        )
    because = f": {body.message.rstrip('.')}" if body.message else ""
    reason = f"Driver {name} was frozen by {who.user}{because}. To use it again, run `herder driver unfreeze {name}`."
    drivers.freeze(core.state, changes, name, reason, now_ms, actor=who.actor)
    core.workers_changed.set()
    return Result(
        object=f"driver/{name}",
        text=f"Driver {name} is frozen: Herder creates and removes no workers with it.",
    )


def unfreeze(
    core: Core, who: Principal, name: str, body: DriverAction, changes: Changes, now_ms: int
) -> Result:
    check(who, Action.CHANGE, FLEET)
    check_message(body.message)
    check_known(core, name)
    frozen = core.state.frozen_drivers.get(name)
    if frozen is None:
        raise Conflict(f"Driver {name} is not frozen.")
    if frozen.missing:
        raise Conflict(
            f"Driver {name} is not in the server's settings.",
            hint=f"Add it again under `drivers` in herder.yaml and restart the server, or run `herder driver forget {name}`.",
        )
    notes, extra = notes_of(core, name), ""
    if body.allow_removals:
        notes.removals_allowed_until_ms = core.clock.monotonic_ms() + REMOVALS_ALLOWED_MS
        extra = " For 10 minutes, lost workers are closed and unknown machines are removed without the limit."
    drivers.unfreeze(
        core.state,
        changes,
        name,
        body.message or f"Driver {name} was unfrozen.{extra}",
        now_ms,
        actor=who.actor,
    )
    notes.usable = None
    core.workers_changed.set()
    return Result(object=f"driver/{name}", text=f"Driver {name} is unfrozen.{extra}")


def forget(
    core: Core,
    who: Principal,
    name: str,
    body: DriverAction,
    changes: Changes,
    now_ms: int,
    *,
    dry_run: bool,
) -> Result:
    """Close the rows of its workers. Only of a missing driver: of any other, workers are removed, not forgotten."""
    check(who, Action.REMOVE, Thing(kind=Kind.DRIVER, name=name))
    check_message(body.message)
    check_known(core, name)
    if name in core.drivers:
        raise Conflict(
            f"Driver {name} is in the server's settings, so its workers can be removed but not forgotten.",
            hint="Run `herder worker remove`, or remove the driver from herder.yaml and restart the server.",
        )
    workers = [worker for worker in core.state.workers.values() if worker.spec.driver == name]
    live = sum(len(worker.live) for worker in workers)
    will = "would be" if dry_run else "is" if len(workers) == 1 else "are"
    text = (
        f"{counted(len(workers), 'worker')} of driver {name} {will} given up and {counted(live, 'attempt')} retried on other workers. "
        "Machines that still run at the provider are not removed."
    )
    if not dry_run:
        for worker in workers:
            handle = f" ({worker.handle})" if worker.handle else ""
            said = (
                body.message
                or f"Driver {name} was forgotten; the machine{handle} may still run at the provider."
            )
            life.forgotten(core.state, changes, worker, said, now_ms, actor=who.actor)
            forget_worker(core, worker.spec.name)
        if not any(name in pool.drivers for pool in core.state.pools.values()):
            del core.state.frozen_drivers[name]
        record_event(core.state, changes, now_ms, "driver.forgotten", f"driver/{name}", text, actor=who.actor)
        core.workers_changed.set()
    return Result(object=f"driver/{name}", text=text, dry_run=dry_run)
