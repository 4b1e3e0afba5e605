"""The use that is measured: the same for each run. Attempts and reports are scattered over 40 days, in an order that has nothing to do with their times."""

from collections.abc import Iterator
from math import gcd
from typing import NamedTuple

from herder.ledger.metering import UsageEvent
from herder.ledger.quantities import DAY_MS
from herder.model.ids import BatchId, JobId, PoolName, UserName, WorkerName
from herder.model.values.resources import Resources
from herder.model.work.usage import AttemptUsage, Machine, MachineUsage

#: 1 November 2026, UTC.
BEGIN_MS = 1_793_491_200_000
DAYS = 40
WORKERS, USERS, PROJECTS = 100, 20, 5
#: Attempts in one entry of the log, as a busy server writes it.
PER_ENTRY = 1_000
#: One report in so many is of a counter, which tells once an hour how far it has come.
COUNTED, POINTS = 20, DAYS * 24
_STEP = 2_654_435_761


def scattered(number: int, below: int) -> int:
    return number * _STEP % below


def machine(number: int) -> Machine:
    size = Resources(32_000, 128 * 1024, 0, 0)
    return Machine(
        WorkerName(f"burst-{number}"), PoolName("burst"), size, 1, 350_000_000_000, "large", "gcp", "europe-west1-b", number % 2 == 0,
    )  # fmt: skip


MACHINES = [machine(number) for number in range(WORKERS)]


def attempt(number: int) -> AttemptUsage:
    user = scattered(number, USERS)
    from_ms = BEGIN_MS + scattered(number + 1, DAYS * DAY_MS - 600_000)
    return AttemptUsage(
        MACHINES[scattered(number // 7, WORKERS)], UserName(f"user-{user}"), f"project-{user % PROJECTS}", BatchId(1 + number // PER_ENTRY),
        JobId(number % PER_ENTRY), 1, Resources(1_000 * (1 + user % 4), 2_048, 0, 0), from_ms, from_ms + 1 + scattered(number, 600_000),
    )  # fmt: skip


def machines_of_day(day: int) -> Iterator[MachineUsage]:
    """All workers are there all the time."""
    from_ms = BEGIN_MS + day * DAY_MS
    for each in MACHINES:
        yield MachineUsage(each, from_ms, from_ms + DAY_MS, from_ms)


class Shuffle(NamedTuple):
    """An order of so many numbers, and where each has its place in it."""

    size: int

    @property
    def step(self) -> int:
        step = _STEP
        while gcd(step, self.size) > 1:
            step += 2
        return step

    def numbers(self) -> Iterator[int]:
        step, size = self.step, self.size
        return (place * step % size for place in range(size))

    def places(self) -> Iterator[int]:
        """Of the numbers 0, 1, 2 …"""
        back, size = pow(self.step, -1, self.size), self.size
        return (number * back % size for number in range(size))


def report(number: int, reports: int) -> UsageEvent:
    """The first ones are plain use, the last twentieth points of counters, one counter after the other."""
    plain = reports - reports // COUNTED
    if number < plain:
        at_ms, counter, amount = BEGIN_MS + scattered(number, DAYS * DAY_MS), "", 100 + number % 900
        user = number % USERS
    else:
        which, point = divmod(number - plain, POINTS)
        at_ms, counter, amount = BEGIN_MS + point * 3_600_000, f"meter-{which}", point * 977
        user = which % USERS
    return UsageEvent(
        "gateway", f"id-{number}", "tokens.input", at_ms, 0, "claude-sonnet-4.5", "", f"project-{user % PROJECTS}",
        f"user-{user}", counter, amount,
    )  # fmt: skip
