"""When a waiting job will start, as quantiles: in 10, 50 and 90 of 100 such cases by then.

Called for `herder job explain` and by simulations. What must start before the job follows from the fair order: more urgent
jobs, its user's older ones, and what the others are due until its user's level is reached. That much capacity must become
free: what is free now and comes, what ends, and what ends of that which is started in the meantime. All of it is counted
by classes in the one resource that is shortest, never job by job. It promises nothing: jobs that others have yet to send
are not in it, nor are failures; where nothing can be said it answers None.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from statistics import NormalDist

from herder.decide.run_times import RunTime
from herder.model.ids import UserName
from herder.model.job import JobClass
from herder.model.observed import QueuedClass
from herder.model.resources import ZERO, Resources

#: Steps of time in which capacity is followed.
STEPS = 48
#: When all capacity must be used more often than this before the job starts, only its mean rate matters.
TURNS_MAX = 10
#: A mean run time is reckoned with no wider spread: the far tail of what was hardly ever seen would decide it.
SPREAD_MOST = 1.5
#: How often the horizon is moved further out (each time four times as far) until the job has started in it.
HORIZONS = 10
#: Doubt that no run time knows of: jobs yet to come, failures, rooms too narrow. A spread of the logarithm of the time,
#: set so that simulated fleets start 75 to 85 of 100 jobs in the interval of 80 (`tests/placement/test_eta.py`).
DOUBT = 1.2
#: No interval is narrower than this at its upper end: hand-over, poll, start.
LEAST_MS = 1_000

_NORMAL = NormalDist()
_Z90 = 1.2815515655446004


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a user is due and holds. Users who are not named have weight 1 and hold nothing."""

    weight: int = 1
    used: Resources = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """`count` live attempts that free `amount` each, on workers the job may use."""

    amount: Resources
    run_time: RunTime
    elapsed_ms: int
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """Room of workers that are on their way or that the next plan makes: after `in_ms`, give or take as much again."""

    amount: Resources
    in_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the job may use, and who else wants it. `rivals` has the job's own class too."""

    total: Resources
    free: Resources
    endings: Sequence[Ending]
    coming: Sequence[Coming]
    rivals: Sequence[QueuedClass]
    users: dict[UserName, Held]
    guess: Callable[[JobClass], RunTime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """Milliseconds from now."""

    p10_ms: int
    p50_ms: int
    p90_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ahead:
    """What starts before the job, by class: how many."""

    counts: tuple[tuple[QueuedClass, float], ...]
    request: Resources

    def amount(self, dimension: int) -> float:
        own = self.request[dimension]
        return own + sum(queued.job_class.request[dimension] * count for queued, count in self.counts)


def expected_start(target: QueuedClass, before: int, scene: Scene) -> Eta | None:
    """Of the job that has `before` others of its class in front of it. None: nothing is known that would free room."""
    ahead = _ahead(target, before, scene)
    there = scene.total
    for coming in scene.coming:
        there = there.plus(coming.amount)
    short = max(
        (d for d in range(4) if there[d] > 0),
        key=lambda d: (ahead.amount(d) - scene.free[d]) / there[d],
        default=None,
    )
    if short is None or not target.job_class.request.fits_in(there):
        return None
    flow = _flow(ahead, scene, short)
    if flow.needed <= flow.free:
        return Eta(p10_ms=0, p50_ms=0, p90_ms=LEAST_MS)
    if not flow.endings and not flow.coming:
        return None
    if flow.turns() > TURNS_MAX:
        return _with_doubt(*flow.far(), flow.doubt)
    horizon = flow.first_horizon_ms()
    for _ in range(HORIZONS):
        curve = flow.follow(horizon)
        if curve.reached(0.9):
            low, middle, high = curve.at(0.1), curve.at(0.5), curve.at(0.9)
            if high >= horizon / 8:
                return _with_doubt(low, middle, high, flow.doubt)
            horizon = high * 1.5
            continue
        horizon *= 4
    return None


def _ahead(target: QueuedClass, before: int, scene: Scene) -> _Ahead:
    """Levels as in placement: what is held and granted, by weight, in the dominant resource."""
    mine, user = target.job_class, target.job_class.user
    counts: list[tuple[QueuedClass, float]] = [(target, float(before))]
    same: dict[UserName, list[QueuedClass]] = {}
    granted = _share(mine.request, scene.total) * (before + 1)
    for rival in scene.rivals:
        theirs = rival.job_class
        if rival.class_id == target.class_id or theirs.priority < mine.priority:
            continue
        if theirs.priority > mine.priority:
            counts.append((rival, float(rival.count)))
        elif theirs.user == user:
            if (rival.oldest_ready_at_ms, rival.class_id) < (target.oldest_ready_at_ms, target.class_id):
                counts.append((rival, float(rival.count)))
                granted += _share(theirs.request, scene.total) * rival.count
        else:
            same.setdefault(theirs.user, []).append(rival)
    own = scene.users.get(user, Held())
    level = (_share(own.used, scene.total) + granted) / max(1, own.weight)
    for other, queues in same.items():
        held = scene.users.get(other, Held())
        due = level * max(1, held.weight) - _share(held.used, scene.total)
        for queued in sorted(queues, key=lambda queued: (queued.oldest_ready_at_ms, queued.class_id)):
            each = _share(queued.job_class.request, scene.total)
            count = min(float(queued.count), due / each if each > 0 else inf)
            if count <= 0:
                break
            counts.append((queued, count))
            due -= count * each
    return _Ahead(counts=tuple((q, count) for q, count in counts if count > 0), request=mine.request)


def _share(amount: Resources, total: Resources) -> float:
    return max((part / whole for part, whole in zip(amount, total, strict=True) if whole > 0), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flow:
    """Capacity in one resource. `parts`: (amount, probability to be free by then) as functions of time."""

    free: float
    needed: float
    endings: tuple[tuple[float, int, RunTime, int], ...]
    """(amount each, count, run time, elapsed)"""
    coming: tuple[tuple[float, int], ...]
    next_runs: tuple[tuple[float, RunTime], ...]
    """Run times of what is started meanwhile, with their parts of the amount."""
    grain: float
    """The usual amount of one job."""
    doubt: float

    def turns(self) -> float:
        """How often all that is there is used before the job starts."""
        return self.needed / max(1.0, self._there())

    def _there(self) -> float:
        held = sum(amount * count for amount, count, _, _ in self.endings)
        return held + self.free + sum(amount for amount, _ in self.coming)

    def far(self) -> tuple[float, float, float]:
        """When a deep queue is through, by the mean rate at which capacity comes back."""
        mean = sum(
            part * exp(min(run.mean + min(run.spread, SPREAD_MOST) ** 2 / 2, 50.0))
            for part, run in self.next_runs
        )
        middle = max(1.0, mean * (self.needed - self.free) / max(1.0, self._there()))
        off = _Z90 * sqrt(self.grain / self.needed)
        return middle * exp(-off), middle, middle * exp(off)

    def first_horizon_ms(self) -> float:
        """Long enough for all that is there to be used once by what is ahead."""
        mean = sum(part * exp(min(run.mean, 50.0)) for part, run in self.next_runs)
        return max(4.0 * LEAST_MS, 4.0 * mean * (1.0 + self.turns()))

    def follow(self, horizon: float) -> "_Curve":
        step = horizon / STEPS
        first, spread = [0.0], [0.0]
        known: dict[tuple[RunTime, int], list[float]] = {}
        for number in range(1, STEPS + 1):
            at = step * number
            amount = variance = 0.0
            for each, count, run, elapsed in self.endings:
                curve = known.get((run, elapsed))
                if curve is None:
                    curve = known[run, elapsed] = [
                        _ended_by(run, elapsed, step * n) for n in range(STEPS + 1)
                    ]
                chance = curve[number]
                amount += each * count * chance
                variance += each * each * count * chance * (1.0 - chance)
            for each, in_ms in self.coming:
                chance = min(1.0, max(0.0, (at - in_ms / 2) / max(1.0, in_ms)))
                amount += each * chance
                variance += each * each * chance * (1.0 - chance)
            first.append(amount)
            spread.append(variance)
        again = [
            sum(part * _ended_by(run, 0, step * (number + 0.5)) for part, run in self.next_runs)
            for number in range(STEPS)
        ]
        return self._recycled(first, spread, again, step)

    def _recycled(self, first: list[float], spread: list[float], again: list[float], step: float) -> "_Curve":
        """What is freed is used again at once, and freed again when that ends."""
        freed, started = [0.0], [self.free]
        for number in range(1, len(first)):
            second = sum(
                amount * again[number - 1 - at] for at, amount in enumerate(started) if number - 1 - at >= 0
            )
            freed.append(first[number] + second)
            spread[number] += second * self.grain
            started.append(max(0.0, freed[number] - freed[number - 1]))
        return _Curve(
            step=step,
            chances=tuple(
                _NORMAL.cdf((self.free + amount - self.needed) / max(sqrt(variance), self.grain / 4))
                for amount, variance in zip(freed, spread, strict=True)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """The chance that the job has started, at each step of time."""

    step: float
    chances: tuple[float, ...]

    def reached(self, chance: float) -> bool:
        return self.chances[-1] >= chance

    def at(self, chance: float) -> float:
        before = self.chances[0]
        if before >= chance:
            return 0.0
        for number, now in enumerate(self.chances[1:], start=1):
            if now >= chance:
                return self.step * (number - (now - chance) / (now - before))
            before = max(before, now)
        return self.step * (len(self.chances) - 1)


def _flow(ahead: _Ahead, scene: Scene, dimension: int) -> _Flow:
    needed = ahead.amount(dimension)
    mix: dict[RunTime, float] = {}
    jobs = 1.0
    for queued, count in ahead.counts:
        jobs += count
        run = scene.guess(queued.job_class)
        mix[run] = mix.get(run, 0.0) + queued.job_class.request[dimension] * count
    whole = sum(mix.values())
    runs = tuple((amount / whole, run) for run, amount in mix.items()) if whole > 0 else ()
    endings = tuple(
        (float(ending.amount[dimension]), ending.count, ending.run_time, ending.elapsed_ms)
        for ending in scene.endings
        if ending.amount[dimension] > 0
    )
    known = [(part, run) for part, run in runs] or [(each * count, run) for each, count, run, _ in endings]
    weight = sum(part for part, _ in known)
    unsure = (
        sum(part * run.spread / sqrt(2.0 + run.ends) for part, run in known) / weight if weight > 0 else 1.0
    )
    return _Flow(
        free=float(scene.free[dimension]),
        needed=needed,
        endings=endings,
        coming=tuple((float(c.amount[dimension]), c.in_ms) for c in scene.coming if c.amount[dimension] > 0),
        next_runs=runs,
        grain=max(1.0, needed / jobs),
        doubt=sqrt(unsure**2 + DOUBT**2),
    )


def _ended_by(run: RunTime, elapsed_ms: int, in_ms: float) -> float:
    """The chance that a job which has run for so long ends within so long."""
    if in_ms <= 0:
        return 0.0
    if elapsed_ms <= 0:
        return _NORMAL.cdf((log(in_ms) - run.mean) / run.spread)
    lives = _NORMAL.cdf((run.mean - log(elapsed_ms)) / run.spread)
    if lives < 1e-9:
        return 1.0 - exp(-in_ms / max(1.0, run.residual_ms(0.5, elapsed_ms) * 1.44))
    return 1.0 - _NORMAL.cdf((run.mean - log(elapsed_ms + in_ms)) / run.spread) / lives


def _with_doubt(low: float, middle: float, high: float, doubt: float) -> Eta:
    """The interval widened on both sides by what the run times themselves are unsure of."""
    middle = max(middle, 1.0)
    up = sqrt(max(0.0, log(max(high, middle) / middle)) ** 2 + (_Z90 * doubt) ** 2)
    down = sqrt(log(middle / min(max(low, middle / 1e3), middle)) ** 2 + (_Z90 * doubt) ** 2)
    return Eta(
        p10_ms=round(middle * exp(-down)) if low > 0 else 0,
        p50_ms=round(middle),
        p90_ms=max(LEAST_MS, round(middle * exp(up))),
    )
