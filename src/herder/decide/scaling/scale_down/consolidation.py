"""Consolidation: moves work so that a worker becomes idle, only where that saves more than it costs.

Called by the planner for pools that ask for it, when nothing queued wants their room. A move costs the work that is lost
with it, the worker while it drains, and the boot of new ones where they are needed; it saves the worker for as long as it
would otherwise have lived. Where nobody knows how long a job will run, it is taken to run on for as long as it has run.
It never drains a worker whose work has no other place that is ready, nor more than the disruption budget allows.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass

from herder.decide.packing.pack import Bin, BinOffer, ItemGroup, Packing, pack
from herder.decide.scaling import triggers
from herder.decide.scaling.limits import GrowthLimit
from herder.decide.scaling.proposals import Proposal
from herder.decide.scaling.scale_down.budgets import budget_reason, disruptions_left
from herder.decide.scaling.scale_down.gradual import allowance
from herder.decide.scaling.signals.endings import ending
from herder.decide.scaling.signals.utilisation import load_of
from herder.decide.scaling.snapshot import PoolView, Snapshot, age
from herder.model.fleet.upkeep import Disruption
from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.model.planning.observed import ObservedWorker, RunningClass
from herder.model.planning.plan import DrainWorker, Reason, ReasonKind
from herder.model.values.money import format_usd
from herder.model.values.resources import ZERO
from herder.model.work.cost_share import price_per_hour
from herder.model.work.usage import machine_of

_HOUR_MS = 3_600_000
#: A life is not predicted further ahead than this: a day.
HORIZON_MS = 24 * _HOUR_MS
#: Workers looked at in one plan, the cheapest moves first; in larger pools the start goes round with time.
CANDIDATES_MOST = 32
#: Replacements need an idle timeout above this, or the new worker would go before the old one's work comes.
LEAST_IDLE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolidationResult:
    proposals: tuple[Proposal, ...] = ()
    drains: tuple[DrainWorker, ...] = ()
    held_back: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What emptying one worker would save and cost, in pico-USD."""

    saving: int
    lost_work: int
    draining: int
    boot: int = 0

    @property
    def cost(self) -> int:
        return self.lost_work + self.draining + self.boot

    @property
    def pays(self) -> bool:
        return self.saving > self.cost

    @property
    def evidence(self) -> tuple[tuple[str, int | float | str], ...]:
        return (
            ("saving_pico", self.saving),
            ("lost_work_pico", self.lost_work),
            ("draining_pico", self.draining),
            ("boot_pico", self.boot),
        )


def ask(
    snapshot: Snapshot, view: PoolView, growth_limit: GrowthLimit, leaving: Set[WorkerName], now_ms: int
) -> ConsolidationResult:
    """`leaving`: workers that this plan drains already."""
    ready = [
        worker
        for worker in view.staying
        if worker.state is WorkerState.READY and worker.usable and worker.name not in leaving
    ]
    movable = _in_turn(
        [worker for worker in ready if worker.live_attempts and worker.running and not worker.manual],
        view,
        now_ms,
    )
    if not movable:
        return ConsolidationResult()
    budget = _budget(view, leaving, now_ms)
    if budget <= 0:
        return ConsolidationResult(held_back=(budget_reason(view, Disruption.CONSOLIDATION, now_ms),))
    going: list[tuple[ObservedWorker, Move]] = []
    refused: Reason | None = None
    # What drains now will need a place too.
    load = [
        group
        for worker in view.workers
        if worker.state is WorkerState.DRAINING
        for group in worker.running or ()
    ]
    for worker in movable:
        others = [each for each in ready if each is not worker and all(each is not gone for gone, _ in going)]
        if not _place(snapshot, [*load, *(worker.running or ())], others).unplaced:
            move = judge(view, worker, now_ms)
            if move.pays and not _kept(view, leaving, [*(gone for gone, _ in going), worker]):
                going.append((worker, move))
                load += worker.running or ()
                if len(going) >= budget:
                    break
            elif not move.pays:
                refused = refused or _refusal(worker, move)
    if going:
        return ConsolidationResult(drains=tuple(_drain(view, worker, move) for worker, move in going))
    proposals, why_not = _replacement(snapshot, view, growth_limit, movable, ready, now_ms)
    held = [reason for reason in (refused, why_not) if reason is not None]
    return ConsolidationResult(proposals=proposals, held_back=() if proposals else tuple(held[:1]))


def judge(
    view: PoolView, worker: ObservedWorker, now_ms: int, *, new_price: int = 0, boot_s: float = 0.0
) -> Move:
    """`new_price`: per hour, of the workers that would be made for its work."""
    grace_ms = int(view.spec.lifetime.drain_grace_s * 1000)
    price = int(worker.spec.price_pico_per_hour)
    groups = worker.running or ()
    left = max((remaining_ms(group, now_ms) for group in groups), default=0)
    life = (
        HORIZON_MS
        if view.spec.scale_down.idle_timeout_s is None
        else left + int(view.spec.scale_down.idle_timeout_s * 1000)
    )
    if worker.expires_at_ms is not None:
        life = min(life, max(0, worker.expires_at_ms - now_ms))
    life = min(life, HORIZON_MS)
    lost = 0
    for group in groups:
        if group.ends_at_ms is not None and group.ends_at_ms <= now_ms + grace_ms:
            continue  # it ends while the worker drains
        share = price_per_hour(machine_of(worker.spec), group.job_class.request)
        lost += share * (_elapsed_ms(group, now_ms) + grace_ms * group.count) // _HOUR_MS
    return Move(
        saving=max(0, price - new_price) * life // _HOUR_MS,
        lost_work=lost,
        draining=price * min(grace_ms, life) // _HOUR_MS,
        boot=int(new_price * boot_s) // 3600,
    )


def remaining_ms(group: RunningClass, now_ms: int) -> int:
    """Known, or (unknown) as long as such an attempt has run on average."""
    if group.ends_at_ms is not None:
        return max(0, group.ends_at_ms - now_ms)
    return _elapsed_ms(group, now_ms) // max(1, group.count)


def _elapsed_ms(group: RunningClass, now_ms: int) -> int:
    return max(0, group.count * now_ms - group.started_sum_ms)


def _in_turn(workers: list[ObservedWorker], view: PoolView, now_ms: int) -> list[ObservedWorker]:
    """The one that loses least first."""
    workers.sort(key=lambda worker: (judge(view, worker, now_ms).lost_work, age(worker)))
    if len(workers) <= CANDIDATES_MOST:
        return workers
    start = now_ms // 1000 % len(workers)
    return [*workers[start:], *workers[:start]][:CANDIDATES_MOST]


def _budget(view: PoolView, leaving: Set[WorkerName], now_ms: int) -> int:
    going = leaving | ending(view, now_ms)
    there = sum(worker.works and worker.name not in going for worker in view.staying)
    budget = min(
        disruptions_left(view, Disruption.CONSOLIDATION, now_ms, leaving), there - view.spec.size.min_workers
    )
    degree = allowance(view, now_ms)
    return budget if degree is None else min(budget, degree)


def _kept(view: PoolView, leaving: Set[WorkerName], going: Sequence[ObservedWorker]) -> bool:
    """Whether headroom or target utilisation would then be missed."""
    if not triggers.any_concerned(view.spec):
        return False
    load = load_of(view, leaving, frozenset(), ZERO, in_flight=False)
    for worker in going:
        load = load.without(worker, empty=False)
    return triggers.kept_for(view, load) is not None


def _place(
    snapshot: Snapshot,
    load: Sequence[RunningClass],
    workers: Sequence[ObservedWorker],
    offers: Sequence[BinOffer] = (),
    most: int = 0,
) -> Packing:
    items = [
        ItemGroup(
            key=key,
            size=group.job_class.request,
            count=group.count,
            allowed=snapshot.kinds.allowed(group.job_class),
        )
        for key, group in enumerate(load)
    ]
    bins = [
        Bin(key=key, kind=snapshot.worker_kinds[worker.name], free=worker.free, slots=worker.free_slots)
        for key, worker in enumerate(workers)
    ]
    return pack(items, bins, open_bins=offers, group_limits={0: most})


def _replacement(
    snapshot: Snapshot,
    view: PoolView,
    growth_limit: GrowthLimit,
    movable: Sequence[ObservedWorker],
    ready: Sequence[ObservedWorker],
    now_ms: int,
) -> tuple[tuple[Proposal, ...], Reason | None]:
    """New workers, cheaper than the old one, for the first whose work fits nowhere else; it drains once they are ready."""
    idle_s = view.spec.scale_down.idle_timeout_s
    coming = any(worker.state.in_flight for worker in view.staying)
    if growth_limit.workers <= 0 or coming or (idle_s is not None and idle_s < LEAST_IDLE_S):
        return (), None
    offers = _offers(snapshot, view, growth_limit)
    boot_s = view.spec.lifetime.boot_timeout_s if view.history.boot_s is None else view.history.boot_s
    refused: Reason | None = None
    for worker in movable:
        others = [each for each in ready if each is not worker]
        packing = _place(snapshot, worker.running or (), others, offers, growth_limit.workers)
        prices = [
            opened.copies * int(view.templates[opened.offer_key].price_pico_per_hour)
            for opened in packing.opened
        ]
        if packing.unplaced or not prices or sum(prices) >= worker.spec.price_pico_per_hour:
            continue
        move = judge(view, worker, now_ms, new_price=sum(prices), boot_s=boot_s)
        if move.pays:
            return _proposals(view, worker, move, packing), None
        refused = refused or _refusal(worker, move)
    return (), refused


def _offers(snapshot: Snapshot, view: PoolView, growth_limit: GrowthLimit) -> list[BinOffer]:
    kinds = snapshot.template_kinds[view.spec.name]
    return [
        BinOffer(
            kind=kind,
            size=template.allocatable,
            slots=template.slots,
            price_pico_per_hour=offer.price,
            limit=offer.at_most(growth_limit.workers),
            key=key,
            limit_group=0,
        )
        for key, (kind, template, offer) in enumerate(
            zip(kinds, view.templates, growth_limit.offers, strict=True)
        )
    ]


def _proposals(view: PoolView, worker: ObservedWorker, move: Move, packing: Packing) -> tuple[Proposal, ...]:
    text = (
        f"The work of {worker.name} fits on cheaper workers: moving it costs {format_usd(move.cost, 6)} and saves "
        f"{format_usd(move.saving, 6)}."
    )
    evidence = (*move.evidence, ("flips", "consolidation: off"))
    reason = Reason(kind=ReasonKind.CONSOLIDATED, text=text, evidence=evidence)
    return tuple(
        Proposal(
            pool=view.spec.name,
            template=view.templates[opened.offer_key].name,
            zone=view.templates[opened.offer_key].zone,
            spot=view.templates[opened.offer_key].spot,
            count=opened.copies,
            reason=reason,
        )
        for opened in packing.opened
    )


def _refusal(worker: ObservedWorker, move: Move) -> Reason:
    text = (
        f"The work of {worker.name} fits on other workers, but moving it costs {format_usd(move.cost, 6)} and saves only "
        f"{format_usd(move.saving, 6)}."
    )
    flips = f"a saving that is {format_usd(move.cost - move.saving, 6)} larger, or less work to lose"
    return Reason(kind=ReasonKind.NOT_WORTH_MOVING, text=text, evidence=(*move.evidence, ("flips", flips)))


def _drain(view: PoolView, worker: ObservedWorker, move: Move) -> DrainWorker:
    text = (
        f"The work of {worker.name} fits on the other workers: moving it costs {format_usd(move.cost, 6)} and saves "
        f"{format_usd(move.saving, 6)}."
    )
    flips = f"work to lose above {format_usd(move.saving - move.draining, 6)}"
    reason = Reason(kind=ReasonKind.CONSOLIDATED, text=text, evidence=(*move.evidence, ("flips", flips)))
    return DrainWorker(worker=worker.name, pool=view.spec.name, reason=reason)
