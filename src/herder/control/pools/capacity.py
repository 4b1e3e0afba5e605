"""Whether a provider has room and a network for workers that a person is about to add: two rows of the checklist of a dry run.

From what the provider reported last (`control/loops/quotas.py`), in its own words and units, with its age. Calls no provider; what was not
reported, or too long ago, has no verdict. The provider itself has the last word when a machine is made.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import DriverNotes, Reported
from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.driver_capabilities import Need, Needs, Network, Networks, Quota, Quotas
from herder.model.fleet.worker import WorkerSpec, WorkerState
from herder.model.values.phrases import agree, clause, counted, listed, sentences
from herder.model.values.times import span
from herder.wire.api.resources import SafetyCheck

log = logging.getLogger(__name__)

#: Ten questions without an answer: by then others may have taken what was left.
STALE_MS = 600_000
ZONES_SHOWN = 3

_Left = dict[str, dict[str, int]]
"""By zone and name of a quota; zone "" counts everywhere."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """What one worker takes of which quotas, and where: workers that are alike are counted together."""

    amounts: tuple[tuple[str, int], ...]
    zones: tuple[str, ...]


def capacity(core: Core, driver: str, specs: Sequence[WorkerSpec], now_ms: int) -> SafetyCheck:
    notes = core.driver_notes.get(driver) or DriverNotes()
    able: object = core.drivers.get(driver)
    needs, why = _needs(core, driver, specs)
    if not isinstance(able, Quotas):
        why = f"driver {driver} reports no quotas, and reserves capacity when it creates a machine"
    elif not why and not all(need.quotas for need in needs):
        why = f"driver {driver} does not report what these workers take of its quotas"
    as_of_ms = _as_of(notes.quotas)
    why = why or _unusable(driver, "quotas", notes.quotas, as_of_ms, now_ms)
    if why or as_of_ms is None:
        return SafetyCheck(name="capacity", passed=None, detail=f"Not known: {why}.")
    left = _left(notes.quotas.values)
    coming = _not_counted(core, driver, as_of_ms)
    shown = _shown(left, needs)
    _fitting(left, coming)
    fit = _fitting(left, needs)
    detail = sentences(
        f"Driver {driver} has capacity for {fit:,} of {counted(len(needs), 'worker')}: each takes {_amounts(needs[0].quotas)}, and it had "
        f"{shown} {span(now_ms - as_of_ms)} ago",
        f"Since then {counted(len(coming), 'worker')} {agree(len(coming), 'was', 'were')} requested"
        if coming
        else "",
    )
    return SafetyCheck(name="capacity", passed=fit == len(needs), detail=detail)


def network(core: Core, driver: str, specs: Sequence[WorkerSpec], now_ms: int) -> SafetyCheck:
    notes = core.driver_notes.get(driver) or DriverNotes()
    needs, why = _needs(core, driver, specs)
    if not isinstance(core.drivers.get(driver), Networks):
        why = f"driver {driver} does not report networks; they are known when it creates a machine"
    elif not why and not all(need.network for need in needs):
        why = "the machines have the network of their template"
    why = why or _unusable(driver, "networks", notes.networks, notes.networks.at_ms, now_ms)
    if why or notes.networks.at_ms is None:
        return SafetyCheck(name="network", passed=None, detail=f"Not known: {why}.")
    reported = notes.networks.values
    everywhere = {zone for each in reported for zone in each.zones} | {
        each.zone for each in notes.quotas.values
    }
    faults, fine = list[str](), list[str]()
    for name, vlan in sorted({(need.network, need.vlan) for need in needs}):
        own = [need for need in needs if (need.network, need.vlan) == (name, vlan)]
        wanted = {zone for need in own for zone in need.zones or everywhere} - {""}
        has = {zone for each in reported if each.name == name and _carries(each, vlan) for zone in each.zones}
        what = f"network {name}" + (f" with VLAN {vlan}" if vlan else "")
        lacking = sorted(wanted - has)
        if lacking or not has:
            faults.append(f"{what} is not in {_zones(lacking) or 'any zone'}")
        else:
            fine.append(f"{what} is in {_zones(sorted(wanted))}")
    told = f"as driver {driver} reported {span(now_ms - notes.networks.at_ms)} ago"
    text = ", and ".join(faults or fine)
    return SafetyCheck(
        name="network", passed=not faults, detail=sentences(f"{text[:1].upper()}{text[1:]}, {told}")
    )


def _carries(network: Network, vlan: int) -> bool:
    return not vlan or not network.vlans or any(first <= vlan <= last for first, last in network.vlans)


def _needs(core: Core, driver: str, specs: Iterable[WorkerSpec]) -> tuple[list[Need], str]:
    """Of each worker; or why nobody can say, as a clause."""
    able: object = core.drivers.get(driver)
    if not isinstance(able, Needs):
        return [], f"driver {driver} does not report what a worker takes of its quotas"
    try:
        return [able.need(spec) for spec in specs], ""
    except InvalidRequest as error:
        return [], clause(error)
    except Exception as error:
        log.exception("Driver %s failed in need.", driver)
        return [], f"driver {driver} has a bug in need ({type(error).__name__}: {clause(error)})"


def _not_counted(core: Core, driver: str, as_of_ms: int) -> list[Need]:
    """Of workers whose machines the provider could not count yet. Those that the driver would refuse take nothing."""
    return [
        need
        for worker in core.state.workers.values()
        if worker.spec.driver == driver
        and not worker.state.leaving
        and (worker.state is WorkerState.REQUESTED or worker.requested_at_ms >= as_of_ms)
        for need in _needs(core, driver, [worker.spec])[0]
    ]


def _as_of(reported: Reported[Quota]) -> int | None:
    """Of the oldest."""
    if reported.at_ms is None:
        return None
    return min([reported.at_ms, *(each.as_of_ms for each in reported.values if each.as_of_ms is not None)])


def _unusable(
    driver: str, what: str, reported: Reported[Quota] | Reported[Network], as_of_ms: int | None, now_ms: int
) -> str:
    """Why nothing follows from it, as a clause; empty: something does."""
    because = f" ({reported.problem})" if reported.problem else ""
    if as_of_ms is None:
        return f"driver {driver} has not reported its {what} yet{because}"
    if now_ms - as_of_ms > STALE_MS:
        return f"the {what} that driver {driver} reported last are {span(now_ms - as_of_ms)} old{because}"
    return "" if reported.values else f"driver {driver} reports no {what}"


def _left(quotas: Iterable[Quota]) -> _Left:
    """The tightest, where one name comes twice."""
    found: _Left = {}
    for each in quotas:
        zone, left = found.setdefault(each.zone, {}), each.limit - each.used
        zone[each.name] = min(left, zone.get(each.name, left))
    return found


def _fitting(left: _Left, needs: Iterable[Need]) -> int:
    """How many fit, in order; what they take is taken off `left`."""
    fit, overall = 0, left.get("", {})
    alike = Counter(_Taken(tuple(sorted(need.quotas.items())), need.zones) for need in needs)
    for taken, wanted in alike.items():
        rest = wanted
        for zone in taken.zones or sorted(left):
            places = (left.get(zone, {}), overall) if zone else (overall,)
            held = [
                (place, name, amount) for name, amount in taken.amounts for place in places if name in place
            ]
            if {name for _, name, _ in held} != {name for name, _ in taken.amounts}:
                continue  # nobody has reported anything of that quota here
            rooms = [max(0, place[name]) // amount for place, name, amount in held if amount > 0]
            some = min([rest, *rooms])
            for place, name, amount in held:
                place[name] -= some * amount
            fit, rest = fit + some, rest - some
    return fit


def _shown(left: _Left, needs: Sequence[Need]) -> str:
    """What is left of the quotas that count: of the zones with most, few."""
    names = list(dict.fromkeys(name for need in needs for name in need.quotas))
    zones = {zone for need in needs for zone in need.zones or left} | {""}
    rows = [
        (zone, {name: max(0, amount) for name, amount in left.get(zone, {}).items() if name in names})
        for zone in zones
    ]
    rows = sorted((row for row in rows if row[1]), key=lambda row: (-row[1].get(names[0], 0), row[0]))
    if not rows:
        return "no such quotas"
    shown = [
        f"{_amounts(amounts)} left" + (f" in {zone}" if zone else "") for zone, amounts in rows[:ZONES_SHOWN]
    ]
    more = len(rows) - len(shown)
    return listed([*shown, *([f"less in {more} more"] if more else [])])


def _amounts(amounts: Mapping[str, int]) -> str:
    return listed([f"{name} {amount:,}" for name, amount in sorted(amounts.items())])


def _zones(names: Sequence[str]) -> str:
    more = len(names) - ZONES_SHOWN
    return listed([*names[:ZONES_SHOWN], *([f"{more} more"] if more > 0 else [])])
