"""Whether a provider has room and a network for workers that a person is about to add: two rows of the checklist of a dry run.

From what the provider reported last (`control/loops/quotas.py`), in its own words and units, with its age. Calls no provider; what was not
reported, or too long ago, has no verdict. The provider itself has the last word when a machine is made.
"""

from collections.abc import Mapping, Sequence

from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import DriverNotes
from herder.control.pools.quotas_left import Left, capacity_of, left_of, needs_of, unusable
from herder.model.fleet.driver_capabilities import Need, Network, Networks
from herder.model.fleet.worker import WorkerSpec
from herder.model.values.phrases import agree, counted, listed, sentences
from herder.model.values.times import span
from herder.wire.api.resources import SafetyCheck

ZONES_SHOWN = 3


def capacity(core: Core, driver: str, specs: Sequence[WorkerSpec], now_ms: int) -> SafetyCheck:
    known = capacity_of(core, driver, now_ms)
    needs, why = needs_of(core, driver, specs)
    why = known.why or why or known.unreported(needs)
    if why:
        return SafetyCheck(name="capacity", passed=None, detail=f"Not known: {why}.")
    fit, coming = known.fit(needs), known.coming
    shown = _shown(left_of(core.driver_notes[driver].quotas.values), needs)
    detail = sentences(
        f"Driver {driver} has capacity for {fit:,} of {counted(len(needs), 'worker')}: each takes {_amounts(needs[0].quotas)}, and it had "
        f"{shown} {span(now_ms - known.as_of_ms)} ago",
        f"Since then {counted(coming, 'worker')} {agree(coming, 'was', 'were')} requested" if coming else "",
    )
    return SafetyCheck(name="capacity", passed=fit == len(needs), detail=detail)


def network(core: Core, driver: str, specs: Sequence[WorkerSpec], now_ms: int) -> SafetyCheck:
    notes = core.driver_notes.get(driver) or DriverNotes()
    needs, why = needs_of(core, driver, specs)
    if not isinstance(core.drivers.get(driver), Networks):
        why = f"driver {driver} does not report networks; they are known when it creates a machine"
    elif not why and not all(need.network for need in needs):
        why = "the machines have the network of their template"
    why = why or unusable(driver, "networks", notes.networks, notes.networks.at_ms, now_ms)
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


def _shown(left: Left, needs: Sequence[Need]) -> str:
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
