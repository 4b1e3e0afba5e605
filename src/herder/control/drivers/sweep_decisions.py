"""What a person decides about machines that no worker row knows: adopt them, or remove them. Called by the API (`herder admin sweep`).

Nothing here calls a provider: an adopted machine gets its row, and machines to be removed are noted for the sweep. A driver that the sweep
has frozen is unfrozen by such a decision, unless so many machines are left that the sweep would freeze it again. A dry run asks the same
functions as the real one.
"""

from collections.abc import Callable, Sequence
from functools import partial

from herder.control.access.access_check import FLEET, check
from herder.control.drivers import adoption
from herder.control.drivers.adoption import Adoptions
from herder.control.drivers.calling import check_known, notes_of
from herder.control.drivers.removal_limit import expected_workers, removals_most
from herder.control.kernel.bounds.errors import Conflict, NotKnown
from herder.control.kernel.bounds.limits import check_message
from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import DriverNotes, Removal
from herder.engine.memory.events import record_event
from herder.engine.workers import drivers
from herder.model.ids import WorkerName
from herder.model.permissions import Action, Kind, Principal, Thing
from herder.model.stored.changes import Changes
from herder.model.values.phrases import agree, counted, listed, sentence, sentences
from herder.wire.api.drivers import SweepAnswer, SweepDecision

#: Reasons of machines that cannot be adopted, in one answer, and machines that are named with each.
REASONS_SHOWN, NAMES_SHOWN = 3, 3
#: Machines that the event of a decision lists in its data.
NAMES_RECORDED = 100


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
    of = partial(adoption.adoptions, core, name, user=who.user, now_ms=now_ms, message=body.message)
    found = of(chosen if adopt else [])
    answer = (
        _adopting(core, name, chosen, found, of, dry_run=dry_run)
        if adopt
        else _removing(core, name, chosen, dry_run=dry_run)
    )
    if dry_run:
        return answer
    _record(core, who, answer, list(found.specs) if adopt else chosen, body.message, changes, now_ms)
    for worker, spec in found.specs.items():
        adoption.adopt(core, changes, spec, notes.unknown.pop(worker).machine, now_ms, actor=who.actor)
        notes.decided.pop(worker, None)
    if not adopt:
        removal = Removal(actor=who.actor, message=body.message)
        notes.decided.update(dict.fromkeys(chosen, removal))
    if answer.done:
        if not answer.stays_frozen:
            _unfreeze(core, who, name, changes, now_ms)
        core.workers_changed.set()
    return answer


def _record(
    core: Core,
    who: Principal,
    answer: SweepAnswer,
    machines: Sequence[WorkerName],
    message: str,
    changes: Changes,
    now_ms: int,
) -> None:
    """Also when there was nothing to do: the same request again acts on nothing that was found since. It is answered from this event."""
    which = agree(len(machines), "The machine is", "The machines are")
    text = sentences(answer.text, f"{which} {_named(machines)}" if machines else "", sentence(message))
    data: dict[str, object] = {
        "done": answer.done,
        "refused": answer.refused,
        "stays_frozen": answer.stays_frozen,
        "answer": answer.text,
        "machines": list(machines[:NAMES_RECORDED]),
        "message": message,
    }
    record_event(
        core.state,
        changes,
        now_ms,
        "driver.unknown_machines",
        answer.object,
        text,
        actor=who.actor,
        data=data,
    )


def _may_decide(core: Core, name: str, notes: DriverNotes) -> None:
    if why := adoption.not_now(core, name):
        raise Conflict(why)
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
            raise NotKnown(
                f"Driver {name} lists no unknown machine {each[:100]!r}.",
                hint=f"`herder admin sweep --driver {name}` shows those that it lists.",
            )
    return sorted(WorkerName(each) for each in set(body.machines))


def _removing(core: Core, name: str, chosen: list[WorkerName], *, dry_run: bool) -> SweepAnswer:
    """The driver is unfrozen, because a frozen one would remove nothing."""
    count, will = len(chosen), "would be" if dry_run else agree(len(chosen), "is", "are")
    if not count:
        text = f"Driver {name} lists no unknown machines; there is nothing to remove."
        return SweepAnswer(object=f"driver/{name}", text=text, dry_run=dry_run)
    text = f"{counted(count, 'unknown machine')} of driver {name} {will} removed. What runs on {agree(count, 'it', 'them')} is lost."
    remaining, most = _left(core, name, chosen, more=0)
    if (left := len(remaining)) > most:
        text += (
            f" {counted(left, 'unknown machine')} {agree(left, 'remains', 'remain')}, and the limit is {most:,}, so the driver is frozen "
            f"afterwards. Decide about the others too: run `herder admin sweep --driver {name}`."
        )
    return SweepAnswer(object=f"driver/{name}", text=text, dry_run=dry_run, done=count)


def _adopting(
    core: Core,
    name: str,
    chosen: list[WorkerName],
    found: Adoptions,
    of: Callable[[Sequence[WorkerName]], Adoptions],
    *,
    dry_run: bool,
) -> SweepAnswer:
    """`of`: what the adoption of several does, also of those that are not chosen."""
    if not chosen:
        text = f"Driver {name} lists no unknown machines; there is nothing to adopt."
        return SweepAnswer(object=f"driver/{name}", text=text, dry_run=dry_run)
    done, refused = len(found.specs), len(found.refused)
    will = "would be" if dry_run else agree(done, "is", "are")
    text = f"{counted(done, 'machine')} of driver {name} {will} adopted"
    text += f", {refused:,} cannot be adopted." if refused else "."
    left, most = _left(core, name, list(found.specs), more=done)
    frozen = name in core.state.frozen_drivers and (len(left) > most or not done)
    too = frozen and len(left) > most and len(of([*found.specs, *left]).specs) > done
    next_ = _how_to_go_on(name, len(left), most, too=too) if frozen else ""
    text = sentences(text, *_reasons(found.refused), next_)
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


def _left(core: Core, name: str, chosen: Sequence[WorkerName], *, more: int) -> tuple[list[WorkerName], int]:
    """Machines that nobody has decided about when those are, and how many may be left for the driver not to be frozen. `more`: workers
    that the driver then has more."""
    notes = notes_of(core, name)
    left = sorted(set(notes.unknown) - notes.decided.keys() - set(chosen))
    return left, removals_most(core, len(expected_workers(core, name)) + more)


def _how_to_go_on(name: str, left: int, most: int, *, too: bool) -> str:
    """`too`: some that are left can be adopted."""
    if left > most:
        why = f"{counted(left, 'unknown machine')} {agree(left, 'remains', 'remain')}, and the limit is {most:,}"
        return f"Driver {name} stays frozen, because {why}. {'Adopt them too, or run' if too else 'Run'} `herder admin sweep --driver {name} --remove`."
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
