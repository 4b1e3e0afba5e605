"""Entries of the log of use become rows by day: nothing is lost or doubled by samples, midnights, order or an end that is told late."""

from collections.abc import Callable
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.lines import GPU_PARTS
from herder.ledger.months import begin_of, booked_in, month_of
from herder.ledger.quantities import DAY_MS
from herder.ledger.use_log import Days, Entry, entry_of
from herder.model.ids import JobId, PoolName, UserName, WorkerName
from herder.model.values.resources import Resources
from herder.model.work.usage import AttemptUsage, Machine, MachineUsage, UsageInterval

NOVEMBER = begin_of("2026-11")
SIZE = Resources(8_000, 32_768, 0, 8)
MACHINES = [
    Machine(WorkerName(f"w{number}"), PoolName("p"), SIZE, 4, 10**12 * (number + 1), "t", "d")
    for number in range(3)
]
USERS = ["ann", "bob"]
times = st.integers(NOVEMBER, NOVEMBER + 4 * DAY_MS)


@st.composite
def attempts(draw: st.DrawFn) -> AttemptUsage:
    from_ms = draw(times)
    to_ms = from_ms + draw(st.integers(0, 3 * DAY_MS))
    request = Resources(draw(st.integers(0, 8_000)), draw(st.integers(0, 32_768)), 0, draw(st.integers(0, 8)))
    user, machine = UserName(draw(st.sampled_from(USERS))), draw(st.sampled_from(MACHINES))
    return AttemptUsage(
        machine, user, "alpha", None, JobId(draw(st.integers(1, 99))), 1, request, from_ms, to_ms
    )


@st.composite
def machines(draw: st.DrawFn) -> MachineUsage:
    from_ms = draw(times)
    to_ms = from_ms + draw(st.integers(0, 3 * DAY_MS))
    ready = draw(st.one_of(st.none(), st.integers(from_ms, to_ms)))
    return MachineUsage(draw(st.sampled_from(MACHINES)), from_ms, to_ms, ready)


used = st.lists(st.one_of(attempts(), machines()), max_size=12)


def by_day(*entries: Entry, booked: Callable[[int], str] = month_of) -> Days:
    days = Days()
    for each in entries:
        days.add(each, booked)
    return days


def without_zeros(days: Days) -> tuple[dict[object, object], dict[object, object]]:
    """A sample at the very beginning adds a row of nothing."""
    return (
        {key: row for key, row in days.machines.items() if row.ms},
        {key: row for key, row in days.work.items() if row.ms or row.attempts},
    )


@given(used)
def test_the_days_sum_to_the_whole(found: list[UsageInterval]) -> None:
    days = by_day(entry_of(found, 0, ended=True))
    alone = [each for each in found if isinstance(each, AttemptUsage)]
    rows = days.work.values()
    assert sum(row.ms for row in rows) == sum(each.to_ms - each.from_ms for each in alone)
    assert sum(row.cpu_milli_ms for row in rows) == sum(
        each.request.cpu_milli * (each.to_ms - each.from_ms) for each in alone
    )
    assert sum(row.gpu_ms for row in rows) == sum(
        each.request.gpu * GPU_PARTS // 4 * (each.to_ms - each.from_ms) for each in alone
    )
    assert sum(row.attempts for row in rows) == len(alone)
    there = [each for each in found if isinstance(each, MachineUsage)]
    assert sum(row.ms for row in days.machines.values()) == sum(each.to_ms - each.from_ms for each in there)
    starting = sum((each.to_ms if each.ready_ms is None else each.ready_ms) - each.from_ms for each in there)
    assert sum(row.starting_ms for row in days.machines.values()) == starting
    for row in days.machines.values():
        assert row.day_ms % DAY_MS == 0
        assert row.capacity % row.ms == 0 if row.ms else row.capacity == 0


@given(used, st.lists(times, max_size=4))
def test_samples_change_nothing(found: list[UsageInterval], cuts: list[int]) -> None:
    """What lives is sampled at each cut, with its end or its readiness not known yet; what ended before a cut is in the log by then."""
    entries, sampled_ms = [], 0
    for cut in sorted(cuts):
        ended = [
            each
            for each in found
            if sampled_ms < each.to_ms <= cut or (each.to_ms <= cut and sampled_ms == 0)
        ]
        entries.append(entry_of(ended, sampled_ms, ended=True))
        live = [_so_far(each, cut) for each in found if each.from_ms < cut < each.to_ms]
        entries.append(entry_of(live, sampled_ms, ended=False))
        sampled_ms = cut
    entries.append(
        entry_of([each for each in found if each.to_ms > sampled_ms or not cuts], sampled_ms, ended=True)
    )
    Random(len(found)).shuffle(entries)
    assert without_zeros(by_day(*entries)) == without_zeros(by_day(entry_of(found, 0, ended=True)))


def _so_far(usage: UsageInterval, now_ms: int) -> UsageInterval:
    if isinstance(usage, MachineUsage) and usage.ready_ms is not None and usage.ready_ms > now_ms:
        usage = usage._replace(ready_ms=None)
    return usage._replace(to_ms=now_ms)


@given(attempts(), st.integers(0, 3 * DAY_MS))
def test_an_end_before_the_last_sample_gives_time_back(usage: AttemptUsage, later_ms: int) -> None:
    sampled_ms = usage.to_ms + later_ms
    sample = entry_of([usage._replace(to_ms=sampled_ms)], 0, ended=False)
    end = entry_of([usage], sampled_ms, ended=True)
    right = by_day(entry_of([usage], 0, ended=True))
    found = by_day(sample, end)
    assert {key: row for key, row in found.work.items() if row.ms or row.attempts} == {
        key: row for key, row in right.work.items() if row.ms or row.attempts
    }


@given(st.lists(used, min_size=1, max_size=6), st.randoms())
def test_the_order_of_entries_does_not_matter(found: list[list[UsageInterval]], dice: Random) -> None:
    entries = [entry_of(each, 0, ended=True) for each in found]
    shuffled = list(entries)
    dice.shuffle(shuffled)
    one, other = by_day(*entries), by_day(*shuffled)
    assert (one.machines, one.work) == (other.machines, other.work)


def test_what_comes_after_the_close_counts_in_the_first_open_month() -> None:
    closed = {"2026-11": 10, "2026-12": 20}
    assert booked_in(NOVEMBER, 10, closed) == "2026-11"
    assert booked_in(NOVEMBER, 11, closed) == "2026-12"
    assert booked_in(NOVEMBER, 21, closed) == "2027-01"
    assert booked_in(begin_of("2027-01"), 21, closed) == "2027-01"
    assert booked_in(begin_of("2026-12"), 15, closed) == "2026-12"
    assert booked_in(begin_of("2026-09"), 10, closed) == "2026-09", "it came before the first close"
    assert booked_in(begin_of("2026-09"), 21, closed) == "2027-01"
