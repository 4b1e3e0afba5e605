"""The log of use: what one hand-over or one sample adds, and how it becomes use by day. Pure.

An entry is plain data (lists, numbers, texts) that names each machine and each kind of request once. Intervals of one attempt or one machine never overlap: a sample
takes what has passed since the last one, and an end what has passed since then. One that ended before the last sample, as became known later, gives time back: its
interval runs backwards and counts negative.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from herder.ledger.lines import GPU_PARTS
from herder.ledger.quantities import DAY_MS, MachineDay, WorkDay
from herder.model.values.resources import Resources
from herder.model.work.cost_share import weight_of
from herder.model.work.usage import Machine, MachineUsage, UsageInterval

Entry = dict[str, list[Any]]


class LoggedMachine(NamedTuple):
    worker: str
    pool: str
    template: str
    provider: str
    zone: str
    market: str
    price_pico_per_hour: int
    cpu_milli: int
    memory_mib: int
    gpu: int
    gpu_parts: int


class Ask(NamedTuple):
    """Who asked for how much."""

    user: str
    project: str
    cpu_milli: int
    memory_mib: int
    gpu: int


class LoggedAttempt(NamedTuple):
    machine: int
    """Its place among the machines of the entry; `ask` likewise."""
    ask: int
    batch: int | None
    job: int
    attempt: int
    from_ms: int
    to_ms: int


class LoggedWorker(NamedTuple):
    machine: int
    from_ms: int
    to_ms: int
    ready_ms: int | None


def entry_of(usage: Iterable[UsageInterval], sampled_ms: int, *, ended: bool) -> Entry:
    """`sampled_ms`: of the last sample; what passed before it is in the log already."""
    machines: dict[str, int] = {}
    asks: dict[tuple[str, str, Resources], int] = {}
    told: list[Machine] = []
    attempts: list[LoggedAttempt] = []
    workers: list[LoggedWorker] = []
    for each in usage:
        machine = each.machine
        place = machines.get(machine.worker)
        if place is None:
            place = machines[machine.worker] = len(told)
            told.append(machine)
        from_ms, to_ms = each.from_ms, each.to_ms
        to_ms = max(to_ms, from_ms)
        from_ms = max(from_ms, sampled_ms)
        if isinstance(each, MachineUsage):
            workers.append(LoggedWorker(place, from_ms, to_ms, each.ready_ms))
            continue
        ask = asks.setdefault((each.user, each.project, each.request), len(asks))
        attempts.append(LoggedAttempt(place, ask, each.batch, each.job, each.attempt, from_ms, to_ms))
    return {
        "machines": [_logged(each) for each in told],
        "asks": [
            Ask(user, project, amounts.cpu_milli, amounts.memory_mib, amounts.gpu)
            for user, project, amounts in asks
        ],
        "ended" if ended else "sampled": attempts,
        "workers": workers,
    }


def _logged(machine: Machine) -> LoggedMachine:
    size = machine.allocatable
    return LoggedMachine(
        machine.worker, machine.pool, machine.template, machine.driver, machine.zone, "spot" if machine.spot else "on-demand",
        machine.price_pico_per_hour, size.cpu_milli, size.memory_mib, size.gpu, machine.gpu_parts,
    )  # fmt: skip


@dataclass(slots=True)
class Days:
    """Rows of use by their keys, added up."""

    machines: dict[tuple[int, str, str], MachineDay] = field(default_factory=dict)
    work: dict[tuple[int, str, str, str, str], WorkDay] = field(default_factory=dict)

    def add_machine(self, row: MachineDay) -> None:
        known = self.machines.get(row[:3])
        if known is not None:
            row = row._replace(
                ms=known.ms + row.ms,
                starting_ms=known.starting_ms + row.starting_ms,
                capacity=known.capacity + row.capacity,
            )
        self.machines[row[:3]] = row

    def add_work(self, row: WorkDay) -> None:
        known = self.work.get(row[:5])
        if known is not None:
            row = WorkDay(*row[:5], *(one + other for one, other in zip(known[5:], row[5:], strict=True)))
        self.work[row[:5]] = row

    def add(self, entry: Entry, booked: Callable[[int], str]) -> None:
        """`booked`: in which month the entry counts for a day (`months.booked_in`)."""
        machines = [LoggedMachine(*each) for each in entry["machines"]]
        self._add_workers(machines, entry["workers"], booked)
        asks = [Ask(*each) for each in entry["asks"]]
        for (place, ask, day_ms), (count, ms) in _time_by_day(entry).items():
            machine, asked = machines[place], asks[ask]
            part, _ = _weight(machine, asked)
            gpu = asked.gpu * GPU_PARTS // machine.gpu_parts
            self.add_work(
                WorkDay(
                    day_ms, booked(day_ms), machine.worker, asked.user, asked.project, count, ms,
                    asked.cpu_milli * ms, asked.memory_mib * ms, gpu * ms, part * ms,
                )
            )  # fmt: skip

    def _add_workers(
        self, machines: list[LoggedMachine], workers: list[Any], booked: Callable[[int], str]
    ) -> None:
        for place, from_ms, to_ms, ready_ms in workers:
            machine = machines[place]
            _, whole = _weight(machine, NOTHING)
            for day_ms, begin, end, sign in days_between(from_ms, to_ms):
                ms = sign * (end - begin)
                starting = ms if ready_ms is None else sign * max(0, min(end, ready_ms) - begin)
                self.add_machine(
                    MachineDay(
                        day_ms,
                        booked(day_ms),
                        machine.worker,
                        machine.pool,
                        machine.template,
                        machine.provider,
                        machine.zone,
                        machine.market,
                        machine.price_pico_per_hour,
                        ms,
                        starting,
                        whole * ms,
                    )
                )


NOTHING = Ask("", "", 0, 0, 0)


def _weight(machine: LoggedMachine, ask: Ask) -> tuple[int, int]:
    return weight_of(
        machine.price_pico_per_hour,
        Resources(machine.cpu_milli, machine.memory_mib, 0, machine.gpu),
        machine.gpu_parts,
        Resources(ask.cpu_milli, ask.memory_mib, 0, ask.gpu),
    )


def _time_by_day(entry: Entry) -> dict[tuple[int, int, int], tuple[int, int]]:
    """(attempts that ended, ms) by machine, request and day: attempts are many, and most of an entry are alike."""
    found: dict[tuple[int, int, int], tuple[int, int]] = {}
    for ended, attempts in ((1, entry.get("ended", ())), (0, entry.get("sampled", ()))):
        for place, ask, _, _, _, from_ms, to_ms in attempts:
            day_ms = to_ms - to_ms % DAY_MS
            if day_ms <= from_ms < day_ms + DAY_MS:
                key = (place, ask, day_ms)
                count, ms = found.get(key, (0, 0))
                found[key] = (count + ended, ms + to_ms - from_ms)
                continue
            for day, begin, end, sign in days_between(from_ms, to_ms):
                count, ms = found.get((place, ask, day), (0, 0))
                found[place, ask, day] = (count, ms + sign * (end - begin))
            count, ms = found.get((place, ask, day_ms), (0, 0))
            found[place, ask, day_ms] = (count + ended, ms)
    return found


def days_between(from_ms: int, to_ms: int) -> Iterable[tuple[int, int, int, int]]:
    """(day, from, to, sign) of each day that an interval touches; sign is -1 of one that runs backwards."""
    sign, low, high = (1, from_ms, to_ms) if from_ms <= to_ms else (-1, to_ms, from_ms)
    while low < high:
        day_ms = low - low % DAY_MS
        end = min(high, day_ms + DAY_MS)
        yield day_ms, low, end, sign
        low = end
