"""From use by day to lines of a month: what machines cost, split among those who asked for them, and what each project is charged at its rate card. Pure.

Amounts are a function of sums of whole numbers, so no order of events and no slicing of them can change one. A machine's cost of a day is its price times the time that it existed,
rounded half-even once, and split by largest remainder into overhead (before it was ready), the work of each payer, and idle: the parts sum to the whole. Charges are exact rates times
exact quantities, rounded as they telescope over the month, so that the lines of one rate sum to the rounded amount of the month.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from herder.ledger.lines import COST, Kind, Line, Payer, Place
from herder.ledger.quantities import MachineDay, MeteredDay, WorkDay
from herder.ledger.rates import RateList, Subject
from herder.ledger.splits import split
from herder.model.values.money import cost_of

#: The card at which reported use costs what it costs.
INTERNAL = "internal"


class Project(NamedTuple):
    """`card`: at which it is charged."""

    division: str = ""
    card: str = INTERNAL


@dataclass(frozen=True, slots=True)
class Payers:
    """Which division a project belongs to, and at which card it pays."""

    projects: Mapping[str, Project] = field(default_factory=dict)

    def of(self, project: str) -> Project:
        return self.projects.get(project, Project())


@dataclass(slots=True)
class Month:
    """The use of a month, as far as it was known at one time. Keys do not say when it was booked."""

    machines: dict[tuple[int, str], MachineDay] = field(default_factory=dict)
    work: dict[tuple[int, str], dict[tuple[str, str], WorkDay]] = field(default_factory=dict)
    """By (day, worker), then by (project, user)."""
    metered: dict[tuple[object, ...], MeteredDay] = field(default_factory=dict)

    def add(self, row: MachineDay | WorkDay | MeteredDay) -> None:
        """Rows of one key are summed up, whatever month they are booked in."""
        if isinstance(row, MachineDay):
            key = (row.day_ms, row.worker)
            known = self.machines.get(key)
            self.machines[key] = row if known is None else row._replace(
                ms=known.ms + row.ms, starting_ms=known.starting_ms + row.starting_ms, capacity=known.capacity + row.capacity
            )  # fmt: skip
        elif isinstance(row, WorkDay):
            payers = self.work.setdefault((row.day_ms, row.worker), {})
            before = payers.get((row.project, row.user))
            payers[row.project, row.user] = row if before is None else WorkDay(
                *row[:5], *(one + other for one, other in zip(before[5:], row[5:], strict=True))
            )  # fmt: skip
        else:
            name = (row.day_ms, *row[2:-1])
            seen = self.metered.get(name)
            self.metered[name] = row if seen is None else row._replace(quantity=seen.quantity + row.quantity)


Scope = tuple[str, Subject, str, str]
"""(card, what has the rate, division, project): whose use is added up for graduated rates."""
Key = tuple[int, str, Kind, Payer, Place, str, str, str]
"""(day, card, kind, payer, place, resource, product, rate)."""
Amount = tuple[int, int | None]
"""(quantity, pico-USD; None: unpriced)."""


def lines_of(month: str, use: Month, rates: RateList, payers: Payers) -> list[Line]:
    """Of a month that has not been closed, in the order of their content."""
    return _sorted(_line(month, "", key, amount) for key, amount in amounts_of(use, rates, payers).items())


def corrections_of(
    month: str, corrected: str, before: Mapping[Key, Amount], after: Mapping[Key, Amount]
) -> list[Line]:
    """In `month`, of what has become known of a closed month: the differences. What was unpriced and has a price now is taken back and booked anew, since the rate is in the key."""
    lines = []
    for key in before.keys() | after.keys():
        had, has = before.get(key, (0, 0)), after.get(key, (0, 0))
        if had == has:
            continue
        unpriced = had[1] is None or has[1] is None
        pico = None if unpriced else (has[1] or 0) - (had[1] or 0)
        lines.append(_line(month, corrected, key, (has[0] - had[0], pico)))
    return _sorted(lines)


def _line(month: str, corrects: str, key: Key, amount: Amount) -> Line:
    day_ms, card, kind, payer, place, resource, product, rate = key
    return Line(
        month, day_ms, corrects, card, kind, payer, place, resource, product, amount[0], rate, amount[1]
    )


def _sorted(lines: Iterable[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: (*line[:11], line.quantity))


def amounts_of(use: Month, rates: RateList, payers: Payers) -> dict[Key, Amount]:
    """By all of a line that is neither its month nor its amount."""
    amounts: dict[Key, Amount] = {}
    for key in use.machines.keys() | use.work.keys():
        _machine(use.machines.get(key), use.work.get(key, {}), payers, amounts)
    _charges(_charged(use, payers), rates, amounts, payers)
    return amounts


def _machine(
    machine: MachineDay | None,
    work: Mapping[tuple[str, str], WorkDay],
    payers: Payers,
    amounts: dict[Key, Amount],
) -> None:
    """A worker of which no machine is known yet has cost nothing yet; it will with the next sample."""
    if machine is None or machine.ms <= 0:
        return
    place = Place(
        machine.pool, machine.worker, machine.template, machine.provider, machine.zone, machine.market
    )
    parts = parts_of(machine, work)
    pico = split(cost_of(machine.price_pico_per_hour, machine.ms), parts)
    time = split(machine.ms, parts)
    for part, weight in parts.items():
        if weight:
            kind, project, user = Kind(part[0]), *part[1:]
            payer = Payer(payers.of(project).division if kind is Kind.WORKLOAD else "", project, user)
            key = (machine.day_ms, COST, kind, payer, place, "machine", "", str(machine.price_pico_per_hour))
            amounts[key] = (time[part], pico[part])


def parts_of(machine: MachineDay, work: Mapping[tuple[str, str], WorkDay]) -> dict[tuple[str, str, str], int]:
    """By (kind, project, user), weights that sum to the capacity of the machine, or to what was asked for where that is more: then each gets less than it asked for,
    and nothing is idle."""
    size = machine.capacity // machine.ms
    starting = size * machine.starting_ms
    parts: dict[tuple[str, str, str], int] = {(Kind.OVERHEAD, "", ""): max(0, starting)}
    for (project, user), row in sorted(work.items()):
        parts[Kind.WORKLOAD, project, user] = max(0, row.weight)
    parts[Kind.IDLE, "", ""] = max(0, machine.capacity - sum(parts.values()))
    return parts


class Charged(NamedTuple):
    """What a rate applies to, on one day."""

    day_ms: int
    kind: Kind
    payer: Payer
    place: Place
    resource: str
    product: str


def _charged(use: Month, payers: Payers) -> dict[Charged, int]:
    """Base units. Work is charged by pool, not by worker."""
    found: dict[Charged, int] = {}
    for key, rows in use.work.items():
        machine = use.machines.get(key)
        for row in rows.values():
            pool = Place() if machine is None else Place(machine.pool, market=machine.market)
            payer = Payer(payers.of(row.project).division, row.project, row.user)
            for resource, quantity in (
                ("cpu", row.cpu_milli_ms),
                ("memory", row.memory_mib_ms),
                ("gpu", row.gpu_ms),
            ):
                if quantity:
                    name = Charged(row.day_ms, Kind.WORKLOAD, payer, pool, resource, "")
                    found[name] = found.get(name, 0) + quantity
    for metered in use.metered.values():
        payer = Payer(metered.division or payers.of(metered.project).division, metered.project, metered.user)
        name = Charged(
            metered.day_ms,
            Kind.METERED,
            payer,
            Place(provider=metered.source),
            metered.resource,
            metered.product,
        )
        found[name] = found.get(name, 0) + metered.quantity
    return found


def _charges(
    charged: Mapping[Charged, int], rates: RateList, amounts: dict[Key, Amount], payers: Payers
) -> None:
    """Reported use is also a cost: what the internal card says."""
    tiers: dict[Scope, int] = {}
    for name in sorted(charged):
        own = payers.of(name.payer.project).card
        if name.kind is Kind.METERED:
            _charge(name, COST, INTERNAL, charged[name], rates, amounts, tiers)
        _charge(name, own, own, charged[name], rates, amounts, tiers)


def _charge(
    name: Charged,
    card: str,
    listed: str,
    quantity: int,
    rates: RateList,
    amounts: dict[Key, Amount],
    tiers: dict[Scope, int],
) -> None:
    """`listed`: the card that has the rate. `tiers`: what each project has used this month of what has graduated rates."""
    rate = rates.at(Subject(listed, name.resource, name.product), name.day_ms)
    key = (name.day_ms, card, *name[1:], "" if rate is None else rate.id)
    if rate is None:
        amounts[key] = (quantity, None)
        return
    before = 0
    if len(rate.tiers) > 1:
        scope = (card, rate.subject, name.payer.division, name.payer.project)
        before = tiers.get(scope, 0)
        tiers[scope] = before + quantity
    amounts[key] = (quantity, rate.booked(before, before + quantity))
