"""What the sweep knows of one driver's machines, for people: unknown machines, workers without a machine, and what is done about them.

Lists the machines anew, also of a frozen driver, because a person is about to decide. Changes nothing.
"""

from herder.control.drivers import adoption, calling, unknown_machines
from herder.control.kernel.bounds.errors import Conflict
from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import DriverNotes, UnknownMachine
from herder.model.fleet.driver import JOINED, DriverError
from herder.model.ids import WorkerName
from herder.model.values.phrases import clause
from herder.model.values.times import iso, iso_or_none
from herder.wire.api.drivers import MissingWorkerView, SweepView, UnknownMachineView


async def sweep_view(core: Core, name: str, user: str) -> SweepView:
    """Raises NotKnown, and Conflict when the provider does not answer."""
    calling.check_known(core, name)
    notes = calling.notes_of(core, name)
    if name in core.drivers and name != JOINED:
        try:
            await unknown_machines.note(core, name, await calling.listing(core, name, although_frozen=True))
        except DriverError as error:
            raise Conflict(
                f"The machines of driver {name} cannot be listed: {clause(error)}.",
                hint="`herder driver list` shows the state of drivers.",
            ) from None
    frozen = core.state.frozen_drivers.get(name)
    now_ms, names = core.clock.monotonic_ms(), sorted(notes.unknown)
    not_now = adoption.not_now(core, name)
    refused = (
        dict.fromkeys(names, not_now)
        if not_now
        else adoption.adoptions(core, name, names, user, core.clock.now_ms()).refused
    )
    return SweepView(
        driver=name,
        frozen=frozen.reason if frozen is not None else "",
        not_now=not_now,
        put_back=core.state.incarnation.why,
        listed_at=iso_or_none(notes.listed_at_ms),
        unknown=[_unknown(core, name, notes, worker, refused.get(worker, "")) for worker in names],
        missing=[
            MissingWorkerView(worker=worker, state=life.state.value, since=iso(since_ms))
            for worker, since_ms in sorted(notes.missing.items())
            if (life := core.state.workers.get(worker)) is not None
        ],
        unknown_agents=core.unknown_agents.staying(now_ms),
    )


def _unknown(
    core: Core, name: str, notes: DriverNotes, worker: WorkerName, why_not: str
) -> UnknownMachineView:
    each = notes.unknown[worker]
    ago_s = max(0, core.clock.monotonic_ms() - each.since_ms) / 1000
    return UnknownMachineView(
        worker=worker,
        handle=each.machine.handle,
        phase=each.machine.phase.value,
        unknown_for_s=round(ago_s, 1),
        held=each.held,
        next=_next(core, name, notes, worker, each, ago_s),
        not_adoptable=why_not,
    )


def _next(
    core: Core, name: str, notes: DriverNotes, worker: WorkerName, each: UnknownMachine, ago_s: float
) -> str:
    if adoption.not_now(core, name):
        return "It is kept, because the driver is frozen."
    if worker in notes.decided:
        return "It is being removed."
    if each.held:
        return "It is kept until you decide."
    if name in core.state.frozen_drivers:
        return "It is kept, because the driver is frozen."
    left_s = max(0.0, core.settings.sweep_delay_s - ago_s)
    return f"It is removed in {left_s:.0f} s." if left_s else "It is removed with the next sweep."
