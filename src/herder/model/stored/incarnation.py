"""The incarnation of a store: how often it was put back to an earlier state, and from which numbers it has gone on since.

A store that is restored from a backup has forgotten the time after the backup: jobs, plans, events and attempts of that time had numbers
that the store would give again. Whoever restores it (`herder admin restore`), or notices that it is older than what it meets (a server's
opening, the sweep), calls `put_back`. From then on every number is higher than any that the forgotten time can have given, and workers
whose names have a plan number of that time are recognised. Two stores that are restored from one backup go on with different numbers: the
caller draws a salt. Pure: the caller says what time it is, too, and stores the result.
"""

from dataclasses import dataclass, replace

from herder.model.ids import WorkerName

#: Highest numbers that a server can have given in the forgotten time: so many at once, and so many in each second of it.
JOBS_AT_ONCE, JOBS_PER_S = 20_000_000, 100_000
EVENTS_AT_ONCE, EVENTS_PER_S = 20_000_000, 100_000
BATCHES_AT_ONCE, BATCHES_PER_S = 100_000, 5_000
PLANS_AT_ONCE, PLANS_PER_S = 10_000, 100
#: Numbers go on at the next multiple of this, so that people see the gap.
ROUND_TO = 1_000_000
PLANS_ROUND_TO = 10_000
#: Attempts of a job that existed before are numbered anew from a multiple of this: more than any job can have.
ATTEMPTS_STEP = 100_000
#: A salt is below SALTS. It shifts the first number of attempts, and, modulo SLOTS, all other numbers by as many multiples of their rounding.
SALTS, SLOTS = 1_000_000, 1_000
#: Ranges of forgotten plan numbers that are kept; the oldest are merged.
RANGES_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The next number of each kind."""

    jobs: int = 1
    batches: int = 1
    events: int = 1
    plans: int = 1

    def at_least(self, other: "Numbers") -> "Numbers":
        return Numbers(
            jobs=max(self.jobs, other.jobs),
            batches=max(self.batches, other.batches),
            events=max(self.events, other.events),
            plans=max(self.plans, other.plans),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of a later state of the store than the one that it is put back to: numbers that had been given at `at_ms`."""

    numbers: Numbers
    at_ms: int | None = None
    number: int = 0
    """Of its incarnation."""
    epoch: int = 0
    installation: str = ""
    """Empty: no server has used it."""

    def joined(self, other: "Seen | None") -> "Seen":
        """With what another witness of the same installation says; the earlier moment is the safe one."""
        if other is None:
            return self
        moments = [each for each in (self.at_ms, other.at_ms) if each is not None]
        return replace(
            self,
            numbers=self.numbers.at_least(other.numbers),
            at_ms=min(moments, default=None),
            number=max(self.number, other.number),
            epoch=max(self.epoch, other.epoch),
            installation=self.installation or other.installation,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Incarnation:
    """`number` 0: the store was never put back. `next`: no number below is given any more."""

    number: int = 0
    salt: int = 0
    """Tells it from others of the same number that come from the same backup."""
    at_ms: int = 0
    """When it was noticed or done."""
    taken_at_ms: int = 0
    """The latest moment that the store remembered then."""
    why: str = ""
    """A sentence for people."""
    next: Numbers = Numbers()
    forgotten_plans: tuple[tuple[int, int], ...] = ()
    """Plan numbers [from, to) of the forgotten times."""

    @property
    def attempts_base(self) -> int:
        return (self.number * SALTS + self.salt) * ATTEMPTS_STEP

    def attempt_after(self, attempts: int) -> int:
        """The number of the next attempt of a job that existed before; its last digits still count the tries."""
        return self.attempts_base + attempts % ATTEMPTS_STEP + 1

    def forgotten(self, plan: int | None) -> bool:
        """Whether a plan of this number may have been made in a time that the store has forgotten."""
        return plan is not None and any(first <= plan < end for first, end in self.forgotten_plans)


def tries(attempt: int) -> int:
    """How many attempts a job has had, from the number of its last one."""
    return attempt % ATTEMPTS_STEP


def plan_of(worker: WorkerName) -> int | None:
    """The number of the plan that made a worker of this name; None for a name that no plan gives."""
    pool, _, rest = worker.rpartition("-")
    _, _, plan = pool.rpartition("-")
    good = rest.isascii() and rest.isdigit() and plan.isascii() and plan.isdigit() and len(plan) <= 18
    return int(plan) if good and pool != plan else None


def put_back(
    before: Incarnation,
    reached: Numbers,
    *,
    taken_at_ms: int,
    now_ms: int,
    why: str,
    salt: int,
    seen: Seen | None = None,
) -> Incarnation:
    """The store remembers everything up to `reached` and `taken_at_ms`, and nothing later. `seen`: of the time that is forgotten."""
    known_until_ms = max(taken_at_ms, (seen and seen.at_ms) or 0)
    lost_s = max(0, now_ms - known_until_ms) // 1000 + 1
    top, slot = reached.at_least(seen.numbers if seen else reached), salt % SLOTS
    following = Numbers(
        jobs=_beyond(top.jobs, JOBS_AT_ONCE + JOBS_PER_S * lost_s, ROUND_TO, slot),
        batches=_beyond(top.batches, BATCHES_AT_ONCE + BATCHES_PER_S * lost_s, ROUND_TO, slot),
        events=_beyond(top.events, EVENTS_AT_ONCE + EVENTS_PER_S * lost_s, ROUND_TO, slot),
        plans=_beyond(top.plans, PLANS_AT_ONCE + PLANS_PER_S * lost_s, PLANS_ROUND_TO, slot),
    )
    ranges = (*before.forgotten_plans, (reached.plans, following.plans))
    if len(ranges) > RANGES_MAX:
        ranges = ((ranges[0][0], ranges[1][1]), *ranges[2:])
    return replace(
        before,
        number=max(before.number, seen.number if seen else 0) + 1,
        salt=salt,
        at_ms=now_ms,
        taken_at_ms=taken_at_ms,
        why=why,
        next=following,
        forgotten_plans=ranges,
    )


def other_store(
    before: Incarnation, reached: Numbers, seen_plans: int, *, seen_at_ms: int, now_ms: int, why: str
) -> Incarnation:
    """The data folder was another store's: workers of that one may be met, whatever the numbers in their names. Their tokens open nothing
    here, so only names must not be given again."""
    lost_s = max(0, now_ms - seen_at_ms) // 1000 + 1
    plans = _beyond(max(reached.plans, seen_plans), PLANS_AT_ONCE + PLANS_PER_S * lost_s, PLANS_ROUND_TO)
    return replace(
        before,
        number=before.number + 1,
        at_ms=now_ms,
        why=why,
        next=replace(before.next, plans=plans),
        forgotten_plans=((0, plans),),
    )


def _beyond(number: int, gap: int, to: int, slot: int = 0) -> int:
    """One more than a multiple of `to`, so that the first new one reads as ….0001; `slot`: so many multiples later."""
    return (-(-(number + gap) // to) + slot) * to + 1
