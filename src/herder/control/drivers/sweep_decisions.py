"""What a person decides about machines that no worker row knows: adopt them, or remove them. Called by the API (`herder admin sweep`).

Nothing here calls a provider: an adopted machine gets its row, and machines to be removed are noted for the sweep. A driver that the sweep
has frozen is unfrozen by such a decision, unless so many machines are left that the sweep would freeze it again. A dry run asks the same
functions as the real one.
"""

from collections.abc import Sequence

from herder.control.access.access_check import FLEET, check
from herder.control.drivers import adoption
from herder.control.drivers.adoption import Adoptions
from herder.control.drivers.calling import check_known, notes_of
from herder.control.drivers.removal_limit import expected_workers, removals_most
from herder.control.kernel.bounds.errors import Conflict, Invalid
from herder.control.kernel.bounds.limits import check_message
from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import DriverNotes
from herder.engine.memory.events import record_event
from herder.engine.workers import drivers
from herder.model.ids import WorkerName
from herder.model.permissions import Action, Kind, Principal, Thing
from herder.model.stored.changes import Changes
from herder.model.values.phrases import agree, counted, listed, sentences
from herder.wire.drivers import SweepAnswer, SweepDecision

#: Reasons of machines that cannot be adopted, in one answer, and machines that are named with each.
REASONS_SHOWN, NAMES_SHOWN = 3, 3


def decide(
    core: Core,
    who: Principal,
    name: str,
    body: SweepDecision,
    changes: Changes,
    now_ms: int,
    *,
    dry_run: bool,
) -> SweepAnswer:
    """Raises Refused."""
    check(who, Action.CHANGE, FLEET)
    if body.action == "remove":
        check(who, Action.REMOVE, Thing(kind=Kind.DRIVER, name=name))
    check_message(body.message)
    check_known(core, name)
    notes = notes_of(core, name)
    _may_decide(core, name, notes)
    chosen = _chosen(notes, name, body)
    adopt = body.action == "adopt"
    found = adoption.adoptions(core, name, chosen if adopt else [], who.user, now_ms)
    answer = (_adopting if adopt else _removing)(core, name, chosen, found, dry_run=dry_run)
    if dry_run:
        return answer
    # Also when there was nothing to do: the same request again acts on nothing that was found since. It is answered from this event.
    what, about = "driver.unknown_machines", f"driver/{name}"
    data: dict[str, object] = {
        "done": answer.done,
        "refused": answer.refused,
        "stays_frozen": answer.stays_frozen,
    }
    record_event(core.state, changes, now_ms, what, about, answer.text, actor=who.actor, data=data)
    for worker, spec in found.specs.items():
        adoption.adopt(core, changes, spec, notes.unknown.pop(worker).machine, now_ms, actor=who.actor)
        notes.decided.discard(worker)
    if not adopt:
        notes.decided.update(chosen)
    if answer.done:
        if not answer.stays_frozen:
            _unfreeze(core, who, name, changes, now_ms)
        core.workers_changed.set()
    return answer


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


def _removing(
    core: Core, name: str, chosen: list[WorkerName], found: Adoptions, *, dry_run: bool
) -> SweepAnswer:
    """The driver is unfrozen, because a frozen one would remove nothing."""
    count, will = len(chosen), "would be" if dry_run else agree(len(chosen), "is", "are")
    if not count:
        text = f"Driver {name} lists no unknown machines; there is nothing to remove."
        return SweepAnswer(object=f"driver/{name}", text=text, dry_run=dry_run)
    text = f"{counted(count, 'unknown machine')} of driver {name} {will} removed. What runs on {agree(count, 'it', 'them')} is lost."
    left, most = _left(core, name, chosen, more=0)
    if left > most:
        text += (
            f" {counted(left, 'unknown machine')} {agree(left, 'remains', 'remain')}, and the limit is {most:,}, so the driver is frozen "
            f"afterwards. Decide about the others too: run `herder admin sweep --driver {name}`."
        )
    return SweepAnswer(object=f"driver/{name}", text=text, dry_run=dry_run, done=count)


def _adopting(
    core: Core, name: str, chosen: list[WorkerName], found: Adoptions, *, dry_run: bool
) -> SweepAnswer:
    if not chosen:
        text = f"Driver {name} lists no unknown machines; there is nothing to adopt."
        return SweepAnswer(object=f"driver/{name}", text=text, dry_run=dry_run)
    done, refused = len(found.specs), len(found.refused)
    will = "would be" if dry_run else agree(done, "is", "are")
    text = f"{counted(done, 'machine')} of driver {name} {will} adopted"
    text += f", {refused:,} cannot be adopted." if refused else "."
    left, most = _left(core, name, list(found.specs), more=done)
    frozen = name in core.state.frozen_drivers and (left > most or not done)
    text = sentences(text, *_reasons(found.refused), _how_to_go_on(name, left, most) if frozen else "")
    return SweepAnswer(
        object=f"driver/{name}", text=text, dry_run=dry_run, done=done, refused=refused, stays_frozen=frozen
    )


def _reasons(refused: dict[WorkerName, str]) -> list[str]:
    """Each once, with its machines; the most frequent first."""
    machines: dict[str, list[WorkerName]] = {}
    for worker, why in refused.items():
        machines.setdefault(why, []).append(worker)
    ranked = sorted(machines.items(), key=lambda each: -len(each[1]))
    told = [
        sentences(why, f"This applies to {counted(len(names), 'machine')}: {_named(names)}.")
        for why, names in ranked[:REASONS_SHOWN]
    ]
    if (more := len(ranked) - REASONS_SHOWN) > 0:
        told.append(f"{counted(more, 'more reason')} {agree(more, 'is', 'are')} not shown.")
    return told


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return listed([*names[:NAMES_SHOWN], *([f"{more:,} more"] if more > 0 else [])])


def _left(core: Core, name: str, chosen: Sequence[WorkerName], *, more: int) -> tuple[int, int]:
    """Machines that nobody has decided about when those are, and how many may be left for the driver not to be frozen. `more`: workers
    that the driver then has more."""
    notes = notes_of(core, name)
    left = len(set(notes.unknown) - notes.decided - set(chosen))
    return left, removals_most(core, len(expected_workers(core, name)) + more)


def _how_to_go_on(name: str, left: int, most: int) -> str:
    if left > most:
        why = f"{counted(left, 'unknown machine')} {agree(left, 'remains', 'remain')}, and the limit is {most:,}"
        return f"Driver {name} stays frozen, because {why}. Adopt them too, or run `herder admin sweep --driver {name} --remove`."
    return (
        f"Driver {name} stays frozen, because no machine was adopted. Run `herder admin sweep --driver {name} --remove`, or "
        f"`herder driver unfreeze {name}` to use the driver again."
    )


def _unfreeze(core: Core, who: Principal, name: str, changes: Changes, now_ms: int) -> None:
    frozen = core.state.frozen_drivers.get(name)
    if frozen is not None and frozen.by_sweep:
        text = f"Driver {name} was unfrozen: {who.user} decided about its unknown machines."
        drivers.unfreeze(core.state, changes, name, text, now_ms, actor=who.actor)
        notes_of(core, name).usable = None
