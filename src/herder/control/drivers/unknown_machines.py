"""Machines under our tag that no worker row knows: since when, and which of them the sweep may remove.

Called by the sweep for each listing, and when a person looks. A row is written before its machine is created, so such a machine is either
left over, or the store has forgotten its row: the store was restored, or is another one. The number of the plan in its name tells which.
A machine of a forgotten time is held: only a person's decision removes it, however few there are.
"""

from herder.control.drivers import calling
from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import DriverNotes, UnknownMachine
from herder.control.kernel.put_back import met_a_later_plan
from herder.engine.memory.events import record_event
from herder.model.fleet.driver import Listing, Phase
from herder.model.ids import WorkerName
from herder.model.stored.changes import Changes
from herder.model.stored.incarnation import plan_of
from herder.model.values.phrases import agree, counted

#: So long a removed machine may still be listed before it counts as unknown.
LATE_LISTING_MS = 60_000
#: Listings that must have shown a machine before anything follows from it.
LISTINGS_LEAST = 2


async def note(core: Core, name: str, listing: Listing) -> None:
    """What a listing of this driver shows goes into its notes."""
    notes, now_ms = calling.notes_of(core, name), core.clock.monotonic_ms()
    found: dict[WorkerName, UnknownMachine] = {}
    for machine in listing.machines:
        worker = machine.worker
        if worker in core.state.workers or machine.phase in (Phase.STOPPING, Phase.GONE):
            continue
        if notes.ended.get(worker, now_ms - LATE_LISTING_MS) > now_ms - LATE_LISTING_MS:
            continue
        before = notes.unknown.get(worker)
        found[worker] = UnknownMachine(
            machine=machine,
            since_ms=now_ms if before is None else before.since_ms,
            listings=1 if before is None else before.listings + 1,
            held=before is not None and before.held,
        )
    had = {worker for worker, each in notes.unknown.items() if each.held}
    notes.unknown, notes.listed_at_ms = found, core.clock.now_ms()
    notes.decided = {worker: each for worker, each in notes.decided.items() if worker in found}
    await _hold(core, name, notes, had)


async def _hold(core: Core, name: str, notes: DriverNotes, had: set[WorkerName]) -> None:
    plans = {worker: plan_of(worker) for worker in notes.unknown}
    latest = max(plans, key=lambda worker: plans[worker] or 0, default=None)
    if latest is not None and (plans[latest] or 0) >= core.state.next_plan:
        await met_a_later_plan(core, plans[latest] or 0, f"Driver {name} lists machine {latest}")
    incarnation = core.state.incarnation
    for worker, each in notes.unknown.items():
        plan = plans[worker]
        # After a restore a name that says nothing is no proof that it is left over.
        each.held = incarnation.forgotten(plan) or (plan is None and incarnation.number > 0)
    held = {worker for worker, each in notes.unknown.items() if each.held}
    if held - had:
        changes = Changes()
        record_event(
            core.state, changes, core.clock.now_ms(), "driver.unknown_machines", f"driver/{name}", held_text(name, notes)
        )  # fmt: skip
        await core.commit(changes)


def held_text(name: str, notes: DriverNotes) -> str:
    """A sentence for people; empty when nothing is held."""
    held = [worker for worker, each in notes.unknown.items() if each.held and worker not in notes.decided]
    if not held:
        return ""
    return (
        f"Driver {name} lists {counted(len(held), 'machine')} of a time that the store has forgotten. "
        f"{agree(len(held), 'It is', 'They are')} kept until you decide: run `herder admin sweep --driver {name}`."
    )


def suspicious(notes: DriverNotes) -> list[WorkerName]:
    """Those that count against the limit: a person has not decided about them."""
    return sorted(
        worker
        for worker, each in notes.unknown.items()
        if each.listings >= LISTINGS_LEAST and worker not in notes.decided
    )


def due(core: Core, notes: DriverNotes, *, allowed: bool) -> list[WorkerName]:
    """Those that may be removed now without a person's word. `allowed`: a person has lifted the limit for a while."""
    long_ago_ms = core.clock.monotonic_ms() - int(core.settings.sweep_delay_s * 1000)
    return [
        worker
        for worker in suspicious(notes)
        if not notes.unknown[worker].held and (allowed or notes.unknown[worker].since_ms <= long_ago_ms)
    ]
