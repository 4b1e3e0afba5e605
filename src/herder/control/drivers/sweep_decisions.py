"""What a person decides about machines that no worker row knows: adopt them, or remove them. Called by the API (`herder admin sweep`).

Nothing here calls a provider: an adopted machine gets its row, and machines to be removed are noted for the sweep. A driver that the sweep
has frozen is unfrozen by such a decision, because it was the decision that it waited for.
"""

from herder.control.access.access_check import FLEET, check
from herder.control.drivers import adoption
from herder.control.drivers.calling import check_known, notes_of
from herder.control.kernel.bounds.errors import Conflict, Invalid
from herder.control.kernel.bounds.limits import check_message
from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import DriverNotes
from herder.engine.memory.events import record_event
from herder.engine.workers import drivers
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.model.permissions import Action, Kind, Principal, Thing
from herder.model.stored.changes import Changes
from herder.model.values.phrases import agree, counted, sentences
from herder.wire.drivers import SweepDecision
from herder.wire.resources import Result

#: Reasons of machines that cannot be adopted, in one answer.
REASONS_SHOWN = 3


def decide(
    core: Core,
    who: Principal,
    name: str,
    body: SweepDecision,
    changes: Changes,
    now_ms: int,
    *,
    dry_run: bool,
) -> Result:
    """Raises Refused."""
    check(who, Action.CHANGE, FLEET)
    if body.action == "remove":
        check(who, Action.REMOVE, Thing(kind=Kind.DRIVER, name=name))
    check_message(body.message)
    check_known(core, name)
    notes = notes_of(core, name)
    _may_decide(core, name, notes)
    chosen = _chosen(notes, name, body)
    act = _adopt if body.action == "adopt" else _remove
    text, done = act(core, who, name, chosen, changes, now_ms, dry_run=dry_run)
    if (
        not dry_run
    ):  # also when there was nothing to do: the same request again acts on nothing that was found since
        what = "driver.unknown_machines"
        record_event(core.state, changes, now_ms, what, f"driver/{name}", text, actor=who.actor)
    if done and not dry_run:
        _unfreeze(core, who, name, changes, now_ms)
        core.workers_changed.set()
    return Result(object=f"driver/{name}", text=text, dry_run=dry_run)


def _may_decide(core: Core, name: str, notes: DriverNotes) -> None:
    frozen = core.state.frozen_drivers.get(name)
    if frozen is not None and not frozen.by_sweep:
        raise Conflict(
            f"Driver {name} is frozen. {frozen.reason}", hint=f"Run `herder driver unfreeze {name}` first."
        )
    if notes.listed_at_ms is None:
        raise Conflict(
            f"The machines of driver {name} were not listed since the server started.",
            hint=f"Run `herder admin sweep --driver {name}` to list them.",
        )


def _chosen(notes: DriverNotes, name: str, body: SweepDecision) -> list[WorkerName]:
    if not body.machines:
        return sorted(notes.unknown)
    for each in body.machines:
        if each not in notes.unknown:
            raise Invalid(f"Driver {name} lists no unknown machine {each[:100]!r}.", field="machines")
    return sorted(WorkerName(each) for each in set(body.machines))


def _remove(
    core: Core,
    who: Principal,
    name: str,
    chosen: list[WorkerName],
    changes: Changes,
    now_ms: int,
    *,
    dry_run: bool,
) -> tuple[str, int]:
    count, will = len(chosen), "would be" if dry_run else agree(len(chosen), "is", "are")
    if not count:
        return f"Driver {name} lists no unknown machines; there is nothing to remove.", 0
    text = f"{counted(count, 'unknown machine')} of driver {name} {will} removed. What runs on {agree(count, 'it', 'them')} is lost."
    if not dry_run:
        notes_of(core, name).decided.update(chosen)
    return text, count


def _adopt(
    core: Core,
    who: Principal,
    name: str,
    chosen: list[WorkerName],
    changes: Changes,
    now_ms: int,
    *,
    dry_run: bool,
) -> tuple[str, int]:
    notes, why, specs = notes_of(core, name), list[str](), list[WorkerSpec]()
    if not chosen:
        return f"Driver {name} lists no unknown machines; there is nothing to adopt.", 0
    done = 0
    for worker in chosen:
        try:
            spec = adoption.spec_of(core, name, notes.unknown[worker], who.user)
            if not dry_run:
                adoption.adopt(core, changes, spec, notes.unknown[worker].machine, now_ms, actor=who.actor)
                del notes.unknown[worker]
                notes.decided.discard(worker)
            specs.append(spec)
            done += 1
        except adoption.NotAdoptable as error:
            why.append(str(error))
    will = "would be" if dry_run else agree(done, "is", "are")
    text = f"{counted(done, 'machine')} of driver {name} {will} adopted"
    text += f", {len(why)} cannot be adopted." if why else "."
    if len(why) > REASONS_SHOWN:
        why = [*why[:REASONS_SHOWN], f"{len(why) - REASONS_SHOWN} more reasons are not shown."]
    return sentences(text, *why), done


def _unfreeze(core: Core, who: Principal, name: str, changes: Changes, now_ms: int) -> None:
    frozen = core.state.frozen_drivers.get(name)
    if frozen is not None and frozen.by_sweep:
        text = f"Driver {name} was unfrozen: {who.user} decided about its unknown machines."
        drivers.unfreeze(core.state, changes, name, text, now_ms, actor=who.actor)
        notes_of(core, name).usable = None
