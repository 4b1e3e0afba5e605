"""The queued-jobs trigger: packs the queue on existing workers, then on starting ones, and requests workers for the rest.

Called by the planner and by `explain`. Capacity in flight counts once and in full, as if it were there. Real shapes are
packed, so scattered free room never hides that a job fits nowhere. It asks for no more than the limits allow, and says
what it would ask for without them.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial

from herder.decide.eligibility.matching import ZONE_LABEL
from herder.decide.packing.apart import Standing, pack_apart
from herder.decide.packing.optimise import Optimised, optimise
from herder.decide.packing.pack import Bin, BinOffer, ItemGroup, Packing, pack
from herder.decide.packing.top_up import bins_of, topped_up
from herder.decide.scaling.limits import GrowthLimit
from herder.decide.scaling.proposals import Proposal
from herder.decide.scaling.snapshot import PoolView, Snapshot, noun_of, oldest_first
from herder.model.ids import ClassId, PoolName, WorkerName
from herder.model.planning.observed import ObservedWorker
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree, counted
from herder.model.values.resources import ZERO, Resources
from herder.model.work.apart import Topology
from herder.model.work.demand import DemandGroup, apart_of


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandOutcome:
    """Where the jobs of one class go: on workers that are ready, in flight or to be made now, or nowhere yet.
    `held_by`: the pool whose limit keeps the rest waiting; None when no template is large enough."""

    ready: int = 0
    in_flight: int = 0
    new: int = 0
    nowhere: int = 0
    held_by: PoolName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueResult:
    """`proposals` in the order in which the workers are to be made. `used`: workers the queue needs as they are."""

    proposals: tuple[Proposal, ...]
    outcome: Mapping[ClassId, DemandOutcome]
    used: Set[WorkerName]
    beyond_limits: Mapping[PoolName, int]
    """Workers that the rest of the demand would need beyond what the limits allow."""
    taken: Mapping[PoolName, Resources]
    """What the queue takes of each pool, on workers that are there, coming or wished for."""
    cost_pico_per_hour: int = 0
    bound_pico_per_hour: int = 0
    """Of the proposals: what they cost, and the least that could do (0: not known)."""
    known: bool = True
    """False: the demand could not be packed, and the pools' notes say why."""


NAME = "queued_jobs"
#: Fewer new workers than this, or a gap to the bound below this part, are not worth a search for cheaper ones.
IMPROVE_FROM_WORKERS = 8
IMPROVE_FROM_GAP = 0.02
#: Looks at an offer for a shape that the search may take: about a tenth of a second, whatever the queue.
IMPROVE_WORK = 200_000
IMPROVE_STEPS_MAX = 400


def ask(
    snapshot: Snapshot, growth_limits: Mapping[PoolName, GrowthLimit], leaving: Set[WorkerName]
) -> QueueResult:
    if not snapshot.queue:
        nothing = {view.spec.name: ZERO for view in snapshot.pools}
        return QueueResult(proposals=(), outcome={}, used=frozenset(), beyond_limits={}, taken=nothing)
    workers = [
        worker for worker in oldest_first(snapshot.pools) if worker.usable and worker.name not in leaving
    ]
    items = _items(snapshot, {index: queued.count for index, queued in enumerate(snapshot.queue)})
    bins = [_bin(snapshot, key, worker) for key, worker in enumerate(workers)]
    offers = _offers(snapshot, growth_limits)
    limits = {number: growth_limits[view.spec.name].workers for number, view in enumerate(snapshot.pools)}
    finer = small_workers_preferred(snapshot.pools, growth_limits)
    if any(item.apart is not None for item in items):
        rest = partial(_cheapest, finer=finer)
        found = pack_apart(items, bins, offers, limits, _standing(snapshot, workers), rest)
    else:
        found = _cheapest(items, bins, offers, limits, finer)
    cost, bound = _in_money(snapshot, found, items, bins, offers, limits)
    packing = found.packing
    held, beyond = _without_limits(snapshot, dict(packing.unplaced))
    return QueueResult(
        proposals=_proposals(snapshot, packing),
        outcome=_homes(snapshot, workers, packing, held),
        used=frozenset(workers[packed.bin_key].name for packed in packing.placed if packed.bin_key >= 0),
        beyond_limits=beyond,
        taken=_taken(snapshot, workers, packing),
        cost_pico_per_hour=cost,
        bound_pico_per_hour=bound,
    )


def unknown(snapshot: Snapshot) -> QueueResult:
    """When it could not be packed: nothing is known of where the jobs go."""
    return QueueResult(
        proposals=(),
        outcome={queued.class_id: DemandOutcome() for queued in snapshot.queue},
        used=frozenset(),
        beyond_limits={},
        taken={view.spec.name: ZERO for view in snapshot.pools},
        known=False,
    )


def small_workers_preferred(
    views: Sequence[PoolView], growth_limits: Mapping[PoolName, GrowthLimit]
) -> frozenset[int]:
    """The places of the pools that take many small workers rather than few large ones of the same price. A small one is empty
    and gone as soon as its few jobs have ended; a large one lives as long as its longest. But where workers are counted, large
    ones hold more: it is done only as long as half of the maximum stays free whatever this plan makes."""
    return frozenset(
        place
        for place, view in enumerate(views)
        if len(view.templates) > 1
        and 2 * (len(view.workers) + growth_limits[view.spec.name].workers) <= view.spec.size.most_workers
    )


def _in_money(
    snapshot: Snapshot,
    found: Optimised,
    items: Sequence[ItemGroup],
    bins: Sequence[Bin],
    offers: Sequence[BinOffer],
    limits: Mapping[int, int],
) -> tuple[int, int]:
    """Cost and bound at the templates' own prices. Offers are ranked by price over success rate, which nobody pays; where the
    two differ, the bound is proved anew, and is left out when it would speak of other jobs."""
    prices = {
        (snapshot.template_kinds[view.spec.name][key], key): template.price_pico_per_hour
        for view in snapshot.pools
        for key, template in enumerate(view.templates)
    }
    paid = [replace(offer, price_pico_per_hour=prices[offer.kind, offer.key]) for offer in offers]
    if paid == list(offers):
        return found.cost_pico_per_hour, found.bound_pico_per_hour
    cost = sum(prices[opened.kind, opened.offer_key] * opened.copies for opened in found.packing.opened)
    if any(item.apart is not None for item in items):
        return cost, 0
    plain = optimise(items, bins, open_bins=paid, group_limits=limits)
    return cost, plain.bound_pico_per_hour if plain.packing.unplaced == found.packing.unplaced else 0


def _cheapest(
    items: Sequence[ItemGroup],
    bins: Sequence[Bin],
    offers: Sequence[BinOffer],
    group_limits: Mapping[int, int],
    finer: Set[int],
) -> Optimised:
    """The cheaper workers, if placement will find room on them for the same jobs: it fills workers in its own way, and a
    plan that has been applied must need no other plan."""
    plain = optimise(items, bins, open_bins=offers, group_limits=group_limits, finer=finer)
    workers = sum(opened.copies for opened in plain.packing.opened)
    if workers < IMPROVE_FROM_WORKERS or plain.gap < IMPROVE_FROM_GAP:
        return plain
    steps = min(IMPROVE_STEPS_MAX, IMPROVE_WORK // max(1, len(items) * plain.offers))
    better = optimise(items, bins, open_bins=offers, group_limits=group_limits, improve=steps, finer=finer)
    if pack(items, [*bins, *bins_of(better.packing.opened, offers)]).unplaced == better.packing.unplaced:
        return better
    topped = topped_up(items, bins, offers, group_limits, better)
    return plain if topped is None or topped.cost_pico_per_hour >= plain.cost_pico_per_hour else topped


def _items(snapshot: Snapshot, counts: Mapping[int, int]) -> list[ItemGroup]:
    """Keys are places in the scene's queue."""
    return [
        ItemGroup(
            key=index,
            size=snapshot.queue[index].asks.request,
            count=count,
            allowed=snapshot.kinds.allowed(snapshot.queue[index].asks),
            apart=apart_of(snapshot.queue[index].asks),
        )
        for index, count in counts.items()
    ]


def _standing(snapshot: Snapshot, workers: Sequence[ObservedWorker]) -> Standing:
    """The pods that run already, as far as rules of pending pods count them."""
    keys = {worker.name: key for key, worker in enumerate(workers)}
    in_bins: dict[int, dict[str, int]] = {}
    in_zones: dict[str, dict[str, int]] = {}
    for each in snapshot.counted:
        if each.topology is Topology.ZONE:
            in_zones.setdefault(each.group, {})[each.domain] = each.pods
        elif WorkerName(each.domain) in keys:
            in_bins.setdefault(keys[WorkerName(each.domain)], {})[each.group] = each.pods
    zones = {number: dict(kind.labels).get(ZONE_LABEL, "") for kind, number in snapshot.kinds.known.items()}
    return Standing(zones=zones, in_bins=in_bins, in_zones=in_zones)


def _bin(snapshot: Snapshot, key: int, worker: ObservedWorker) -> Bin:
    if worker.state.in_flight:
        return Bin(
            key=key,
            kind=snapshot.worker_kinds[worker.name],
            free=worker.spec.allocatable,
            slots=worker.spec.slots,
        )
    return Bin(key=key, kind=snapshot.worker_kinds[worker.name], free=worker.free, slots=worker.free_slots)


def _offers(snapshot: Snapshot, growth_limits: Mapping[PoolName, GrowthLimit]) -> list[BinOffer]:
    """One for each template; its key is the template's place in the sorted list of its pool's."""
    return [
        BinOffer(
            kind=snapshot.template_kinds[view.spec.name][key],
            size=template.allocatable,
            slots=template.slots,
            price_pico_per_hour=offer.price,
            limit=offer.at_most(growth_limits[view.spec.name].workers),
            key=key,
            limit_group=group,
        )
        for group, view in enumerate(snapshot.pools)
        if growth_limits[view.spec.name].workers > 0
        for key, (template, offer) in enumerate(
            zip(view.templates, growth_limits[view.spec.name].offers, strict=True)
        )
    ]


def _offers_without_limits(snapshot: Snapshot, most: int) -> list[BinOffer]:
    """As if every pool had room for `most` workers and nothing were held against any template."""
    return [
        BinOffer(
            kind=snapshot.template_kinds[view.spec.name][key],
            size=template.allocatable,
            slots=template.slots,
            price_pico_per_hour=template.price_pico_per_hour,
            limit=most,
            key=key,
        )
        for view in snapshot.pools
        for key, template in enumerate(view.templates)
    ]


def _plain(
    items: Sequence[ItemGroup], bins: Sequence[Bin], offers: Sequence[BinOffer], limits: Mapping[int, int]
) -> Optimised:
    packing = pack(items, bins, open_bins=offers, group_limits=limits)
    return Optimised(packing=packing, cost_pico_per_hour=0, bound_pico_per_hour=0)


def _pool_of_kind(snapshot: Snapshot) -> dict[int, PoolName]:
    return {number: kind.pool for kind, number in snapshot.kinds.known.items()}


def _proposals(snapshot: Snapshot, packing: Packing) -> tuple[Proposal, ...]:
    pools = _pool_of_kind(snapshot)
    jobs: dict[int, int] = {}
    for packed in packing.placed:
        jobs[packed.bin_key] = jobs.get(packed.bin_key, 0) + packed.total
    proposals = []
    for opened in packing.opened:
        pool = pools[opened.kind]
        template = snapshot.pool(pool).templates[opened.offer_key]
        served = jobs[opened.key]
        spec = snapshot.pool(pool).spec
        kind = ReasonKind.QUEUED_JOBS if noun_of(spec) == "queued job" else ReasonKind.PENDING_PODS
        text = (
            f"{counted(served, noun_of(spec))} {agree(served, 'does', 'do')} not fit on existing or starting workers; "
            f"adding {opened.copies} × {template.name}."
        )
        reason = Reason(kind=kind, text=text, evidence=(("jobs", served), ("workers", opened.copies)))
        proposals.append(
            Proposal(
                pool=pool,
                template=template.name,
                zone=template.zone,
                spot=template.spot,
                count=opened.copies,
                reason=reason,
            )
        )
    return tuple(proposals)


def _taken(
    snapshot: Snapshot, workers: Sequence[ObservedWorker], packing: Packing
) -> dict[PoolName, Resources]:
    pools = _pool_of_kind(snapshot)
    opened = {opened.key: pools[opened.kind] for opened in packing.opened}
    taken = {view.spec.name: ZERO for view in snapshot.pools}
    for packed in packing.placed:
        key = packed.bin_key
        pool = opened[key] if key < 0 else workers[key].spec.pool
        request = snapshot.queue[packed.item_key].asks.request
        taken[pool] = taken[pool].plus(request.times(packed.total))
    return taken


def _without_limits(
    snapshot: Snapshot, unplaced: Mapping[int, int]
) -> tuple[dict[int, PoolName], dict[PoolName, int]]:
    """Pack the rest as if no limit held: which pool would take each class, and how many workers that would be."""
    if not unplaced:
        return {}, {}
    most = sum(unplaced.values())
    items, offers = _items(snapshot, unplaced), _offers_without_limits(snapshot, most)
    if any(item.apart is not None for item in items):
        packing = pack_apart(items, (), offers, {}, _standing(snapshot, ()), _plain).packing
    else:
        packing = pack(items, open_bins=offers)
    pools = _pool_of_kind(snapshot)
    opened = {opened.key: pools[opened.kind] for opened in packing.opened}
    held: dict[int, PoolName] = {}
    for packed in packing.placed:
        held.setdefault(packed.item_key, opened[packed.bin_key])
    beyond: dict[PoolName, int] = {}
    for run in packing.opened:
        beyond[pools[run.kind]] = beyond.get(pools[run.kind], 0) + run.copies
    return held, beyond


def _homes(
    snapshot: Snapshot, workers: Sequence[ObservedWorker], packing: Packing, held: Mapping[int, PoolName]
) -> dict[ClassId, DemandOutcome]:
    ready: dict[int, int] = {}
    in_flight: dict[int, int] = {}
    new: dict[int, int] = {}
    for packed in packing.placed:
        if packed.bin_key < 0:
            tally = new
        else:
            tally = in_flight if workers[packed.bin_key].state.in_flight else ready
        tally[packed.item_key] = tally.get(packed.item_key, 0) + packed.total
    nowhere = dict(packing.unplaced)

    def home(index: int, queued: DemandGroup) -> tuple[ClassId, DemandOutcome]:
        return queued.class_id, DemandOutcome(
            ready=ready.get(index, 0),
            in_flight=in_flight.get(index, 0),
            new=new.get(index, 0),
            nowhere=nowhere.get(index, 0),
            held_by=held.get(index),
        )

    return dict(home(index, queued) for index, queued in enumerate(snapshot.queue))
