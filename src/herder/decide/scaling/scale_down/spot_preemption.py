"""Drains spot workers of the same driver when a pool's minimum has no capacity: which workers are drained, and which pools create none
until the minimum is met.

Called by the planner for pools with `preempts_spot`, before anything asks for workers. It drains the spot workers whose loss is cheapest,
as many as the missing workers need, within the disruption budgets of their pools; until the minimum is there, no pool makes spot
there. When rounds of that have not helped, the shortage is not our own doing, and it stops.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass

from herder.decide.scaling.scale_down.budgets import disruptions_left
from herder.decide.scaling.scale_down.consolidation import judge
from herder.decide.scaling.snapshot import PoolView, Snapshot, age
from herder.model.fleet.offer import FailureCause, Offer
from herder.model.fleet.upkeep import Disruption
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PoolName, WorkerName
from herder.model.planning.observed import ObservedWorker
from herder.model.planning.plan import DrainWorker, Reason, ReasonKind
from herder.model.values.phrases import agree, counted, sentences
from herder.model.values.resources import ZERO, Resources

#: After so many failures in a row nobody is drained any more: what was freed has not helped.
ROUNDS_MOST = 3
_HOUR_MS = 3_600_000
_ASKED = (WorkerState.REQUESTED, WorkerState.PROVISIONING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """`missing` workers of one of `offers` (of each driver the cheapest), for which there is no capacity; `awaited`: with those that are
    asked for and that the driver has not made yet."""

    view: PoolView
    offers: tuple[Offer, ...]
    missing: int
    awaited: int
    resting: bool
    """Whether nothing of it is tried now."""
    tries: int
    """How often its creation has failed in a row."""

    def shares_with(self, driver: str, zone: str) -> bool:
        """Whether capacity there would do: the same driver, and the same zone where both name one."""
        zones = {
            offer.zone
            for offer in self.view.templates
            if not offer.spot and (offer.driver or self.view.spec.driver) == driver
        }
        return bool(zones) and ("" in zones or not zone or zone in zones)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotResult:
    drains: tuple[DrainWorker, ...] = ()
    notes: tuple[tuple[Need, Reason], ...] = ()

    def of(self, pool: PoolName) -> tuple[Reason, ...]:
        """What is to be said of this pool."""
        return tuple(note for need, note in self.notes if need.view.spec.name == pool)


def needs(snapshot: Snapshot, leaving: Set[WorkerName], now_ms: int) -> tuple[Need, ...]:
    """Of pools all whose offers were out of capacity at the last try."""
    found = []
    for view in snapshot.pools:
        spec = view.spec
        on_demand = [offer for offer in view.templates if not offer.spot]
        staying = [each for each in view.staying if each.name not in leaving and not each.quarantined]
        awaited = spec.size.min_workers - sum(worker.state not in _ASKED for worker in staying)
        if not spec.scale_up.preempts_spot or spec.frozen or not on_demand or awaited <= 0:
            continue
        short = [memory for memory in view.memories if memory is not None and memory.failed_at_ms is not None]
        if len(short) < len(view.templates):
            continue
        if all(memory.cause is FailureCause.OUT_OF_CAPACITY for memory in short if not memory.key.spot):
            tries = min(memory.failed_in_row for memory in short if not memory.key.spot)
            rests = [
                memory.rests_until_ms(spec.scale_up.offer_backoff_s, spec.scale_up.offer_backoff_max_s)
                for memory in short
            ]
            found.append(
                Need(
                    view=view,
                    offers=_cheapest_by_driver(view, on_demand),
                    missing=max(0, spec.size.min_workers - len(staying)),
                    awaited=awaited,
                    resting=all(until is not None and now_ms < until for until in rests),
                    tries=tries,
                )
            )
    return tuple(found)


def _cheapest_by_driver(view: PoolView, offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """The cheapest first."""
    found: dict[str, Offer] = {}
    for offer in sorted(offers, key=lambda each: (each.price_pico_per_hour, each.id)):
        found.setdefault(offer.driver or view.spec.driver, offer)
    return tuple(found.values())


def ask(snapshot: Snapshot, found: tuple[Need, ...], leaving: Set[WorkerName], now_ms: int) -> SpotResult:
    drains: list[DrainWorker] = []
    notes: list[tuple[Need, Reason]] = []
    gone = set(leaving)
    for need in found:
        if not need.missing or not need.resting:
            continue  # first it is seen what comes of those that are tried
        chosen, freed = _choose(snapshot, need, gone, now_ms)
        reason = _reason(need, len(chosen), freed)
        drains += [
            DrainWorker(worker=worker.name, pool=worker.spec.pool, reason=_loss_reason(need, worker, lost))
            for worker, lost in chosen
        ]
        gone |= {worker.name for worker, _ in chosen}
        notes.append((need, reason))
    return SpotResult(drains=tuple(drains), notes=tuple(notes))


def _choose(
    snapshot: Snapshot, need: Need, gone: Set[WorkerName], now_ms: int
) -> tuple[list[tuple[ObservedWorker, int]], Resources]:
    """The workers with what they lose in pico-USD, and what is free once they and those that drain already have gone. All are of one driver: room
    at another adds up to nothing. Of several that could make room, the one where least is lost."""
    if need.tries > ROUNDS_MOST:
        return [], ZERO
    found = (_choose_for(snapshot, need, offer, gone, now_ms) for offer in need.offers)
    # What does not make room for even one is not worth anybody's work.
    fitting = [
        (chosen, freed)
        for offer, (chosen, freed) in zip(need.offers, found, strict=True)
        if offer.allocatable.fits_in(freed)
    ]
    return min(fitting, key=lambda each: (sum(lost for _, lost in each[0]), len(each[0])), default=([], ZERO))


def _choose_for(
    snapshot: Snapshot, need: Need, offer: Offer, gone: Set[WorkerName], now_ms: int
) -> tuple[list[tuple[ObservedWorker, int]], Resources]:
    """As `_choose`, of the driver of this offer."""
    wanted = offer.allocatable.times(need.missing)
    freed, candidates = _near(snapshot, need, offer.driver or need.view.spec.driver, gone, now_ms)
    left = {
        view.spec.name: disruptions_left(view, Disruption.PREEMPTED, now_ms, gone) for view in snapshot.pools
    }
    chosen: list[tuple[ObservedWorker, int]] = []
    for lost, worker in sorted(candidates, key=lambda each: (each[0], *age(each[1]))):
        if wanted.fits_in(freed):
            break
        if worker.live_attempts:
            if left[worker.spec.pool] <= 0:
                continue
            left[worker.spec.pool] -= 1
        freed = freed.plus(worker.spec.allocatable)
        chosen.append((worker, lost))
    return chosen, freed


def _near(
    snapshot: Snapshot, need: Need, driver: str, gone: Set[WorkerName], now_ms: int
) -> tuple[Resources, list[tuple[int, ObservedWorker]]]:
    """Of the spot workers of other pools that hold such capacity at this driver: what leaves already, and who may go, with the loss."""
    freed, candidates = ZERO, []
    for view in snapshot.pools:
        if view.spec.name == need.view.spec.name:
            continue
        for worker in view.workers:
            spec = worker.spec
            if not spec.spot or spec.driver != driver or not need.shares_with(driver, spec.zone):
                continue
            if worker.state.leaving or worker.name in gone:
                freed = freed.plus(spec.allocatable)
            elif not view.spec.frozen and not worker.manual:
                candidates.append((_loss(view, worker, now_ms), worker))
    return freed, candidates


def _loss(view: PoolView, worker: ObservedWorker, now_ms: int) -> int:
    """What it would lose, in pico-USD; where nobody knows what runs, all that it has cost."""
    if not worker.live_attempts:
        return 0
    if worker.running:
        return judge(view, worker, now_ms).lost_work
    return int(worker.spec.price_pico_per_hour) * (now_ms - worker.requested_at_ms) // _HOUR_MS


def yields_to(found: tuple[Need, ...], view: PoolView, offer: Offer) -> Reason | None:
    """Why no worker of this offer is made now: of what may be spot, on-demand would take the same room."""
    for need in found:
        may_be_spot = offer.spot or offer.spot_preferred
        driver = offer.driver or view.spec.driver
        if may_be_spot and need.view is not view and need.shares_with(driver, offer.zone):
            name = need.view.spec.name
            text = (
                f"Pool {view.spec.name} creates no workers of template {offer.id}, because pool {name} waits for "
                f"{counted(need.awaited, 'worker')} and comes first (preempts_spot)."
            )
            evidence = (
                ("pool", name),
                ("awaited", need.awaited),
                ("flips", f"the minimum of pool {name} is met"),
            )
            return Reason(kind=ReasonKind.YIELDS, text=text, evidence=evidence)
    return None


def _loss_reason(need: Need, worker: ObservedWorker, lost: int) -> Reason:
    name = need.view.spec.name
    text = (
        f"{_shortage(need)} {worker.name} is a spot worker and the cheapest to lose: "
        f"{counted(worker.live_attempts, 'attempt')} {agree(worker.live_attempts, 'runs', 'run')} there."
    )
    evidence = (
        ("pool", name),
        ("missing", need.missing),
        ("lost_pico", lost),
        ("live_attempts", worker.live_attempts),
        ("flips", f"capacity for pool {name}, or preempts_spot: false there"),
    )
    return Reason(kind=ReasonKind.PREEMPTED, text=text, evidence=evidence)


def _shortage(need: Need) -> str:
    return f"Pool {need.view.spec.name} is missing {counted(need.missing, 'worker')} of its minimum and is out of capacity."


def _reason(need: Need, drained: int, freed: Resources) -> Reason:
    if drained:
        text = f"{counted(drained, 'spot worker')} {agree(drained, 'is', 'are')} drained for it"
        flips = "the end of these workers"
    elif need.tries > ROUNDS_MOST:
        text, flips = (
            f"{need.tries} tries have failed, so no more spot workers are drained for it",
            "a success",
        )
    elif any(freed):
        text, flips = f"Spot workers being drained free {freed}", "the end of these workers"
    else:
        text, flips = (
            "The spot workers that may be drained would not free enough capacity",
            "a larger disruption_budget of their pools",
        )
    evidence = (
        ("missing", need.missing),
        ("drained", drained),
        ("failed_in_row", need.tries),
        ("flips", flips),
    )
    return Reason(
        kind=ReasonKind.PREEMPTED,
        text=sentences(_shortage(need), text),
        evidence=evidence,
    )
