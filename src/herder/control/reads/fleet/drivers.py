"""Views of drivers: whether each can be used, why not, and its calls in progress. From memory only; calls no provider."""

from herder.control.drivers import unknown_machines
from herder.control.drivers.calling import check_known, driver_names
from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import DriverNotes
from herder.control.reads.fleet.creations import creations_view
from herder.model.fleet.driver_capabilities import capabilities
from herder.model.values.phrases import clause
from herder.model.values.times import iso
from herder.wire.api.drivers import DriverCallView, DriverView


def driver_views(core: Core) -> list[DriverView]:
    return [_view(core, name) for name in driver_names(core)]


def driver_view(core: Core, name: str) -> DriverView:
    """Raises NotKnown."""
    check_known(core, name)
    return _view(core, name)


def troubles(core: Core) -> list[str]:
    """A sentence for each driver that cannot be used, or that waits for a person's decision about machines."""
    sentences = [view.reason for view in driver_views(core) if view.reason]
    for name, notes in sorted(core.driver_notes.items()):
        held = unknown_machines.held_text(name, notes)
        sentences += [held] if held else []
    return sentences


def _view(core: Core, name: str) -> DriverView:
    driver, notes = core.drivers.get(name), core.driver_notes.get(name) or DriverNotes()
    state, reason = _state(core, name, notes)
    calls, frozen, last = core.calls.report(name), core.state.frozen_drivers.get(name), notes.last_error
    return DriverView(
        name=name,
        kind=core.driver_kinds.get(name, "") if driver is not None else "",
        state=state,  # type: ignore[arg-type]
        reason=reason,
        since=iso(frozen.at_ms) if frozen is not None else None,
        workers=sum(worker.spec.driver == name for worker in core.state.workers.values()),
        places=calls.places,
        calls=[
            DriverCallView(
                verb=call.verb,
                worker=call.worker,
                since=iso(call.since_ms),
                seconds=round(call.seconds, 1),
                abandoned=call.abandoned,
            )
            for call in calls.under_way
        ],
        waiting=calls.waiting,
        abandoned=calls.abandoned,
        abandoned_total=calls.abandoned_total,
        last_error="" if last is None else f"{last.verb} {last.worker}".strip() + f": {last.text}",
        last_error_at=None if last is None else iso(last.at_ms),
        capabilities=list(capabilities(driver)) if driver is not None else [],
        creations=creations_view(core, name),
    )


def _state(core: Core, name: str, notes: DriverNotes) -> tuple[str, str]:
    frozen, calls = core.state.frozen_drivers.get(name), core.calls.report(name)
    if frozen is not None:
        return "missing" if frozen.missing else "frozen", frozen.reason
    if calls.abandoned >= calls.places:
        oldest = calls.under_way[0]
        text = (
            f"Driver {name} does not answer: all of its {calls.places} calls are past their deadlines, the oldest "
            f"({oldest.verb}) began {oldest.seconds:.0f} s ago. It is used again when they return."
        )
        return "unavailable", text
    if notes.usable is False:
        why = notes.last_error.text if notes.last_error is not None else "it does not answer"
        return "unavailable", f"Driver {name} cannot be used now ({clause(why)}). It is tried again."
    return ("unknown" if notes.usable is None else "ready"), ""
