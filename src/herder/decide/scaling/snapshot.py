"""The observation, prepared for one plan: pools by name, workers oldest first, kinds numbered.

Made once per plan by the planner and by `explain`. Everything that could depend on the order of the input is sorted here,
so that the steps need not care. It draws no conclusions.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial

from herder.decide.eligibility.matching import Kinds, kind_of_template, kind_of_worker
from herder.decide.quotas.alerted import allowed_demand
from herder.decide.quotas.paid import paid_demand
from herder.decide.quotas.reasons import HeldBack, within_quotas
from herder.decide.scaling.failed_triggers import Failures
from herder.decide.scaling.shape_grouping import Grouped, grouped
from herder.decide.scaling.signals.scheduled_limits import limits_in_force
from herder.model.fleet.metric import Metric, MetricReading
from herder.model.fleet.offer import Offer, OfferMemory, OfferName, offers_of
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.pressure import FRESH_MS, FRESH_ON_NODES_MS
from herder.model.fleet.schedule import Window
from herder.model.fleet.upkeep import Opening
from herder.model.ids import ClassId, PoolName, WorkerName
from herder.model.planning.budgets import BudgetLeft, SpotOnly
from herder.model.planning.cluster import NotConsidered
from herder.model.planning.observed import Observed, ObservedWorker, PoolHistory
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree, counted, sentences
from herder.model.work.apart import GroupCount
from herder.model.work.demand import DemandGroup


@dataclass(frozen=True, kw_only=True)
class PoolView:
    """One pool and its workers that have not ended, oldest first."""

    spec: PoolSpec
    """With the minimum and maximum that are in force now."""
    history: PoolHistory
    workers: tuple[ObservedWorker, ...]
    templates: tuple[Offer, ...]
    """As they are sold, each in each zone, spot and on-demand: by name."""
    memories: tuple[OfferMemory | None, ...] = ()
    """Beside `templates`."""
    window: Window | None = None
    """The scheduled window that sets the minimum now."""
    metrics: tuple[tuple[Metric, MetricReading | None], ...] = ()
    """With what was read last; a value that is too old is none."""
    openings: tuple[Opening, ...] = ()
    """Of the windows for maintenance and budgets: each that is open, and the next."""
    budgets: tuple[BudgetLeft, ...] = ()
    """With a limit, that pay for its workers: its own first, and those above it."""
    quantum_ms: int = 0
    """For which a worker reserves its price at a time; only with budgets."""
    spot_only: SpotOnly | None = None
    """Of an action of an alert in force."""
    ahead: tuple[ObservedWorker, ...] = ()
    """Workers of the pools that grow before this one, as far as they stay: they count in its pressure."""

    @cached_property
    def offers(self) -> dict[OfferName, Offer]:
        """`templates` by name."""
        return {offer.id: offer for offer in self.templates}

    @cached_property
    def staying(self) -> tuple[ObservedWorker, ...]:
        """Not on their way out. A worker that drains counts against the maximum and for nothing else."""
        return tuple(worker for worker in self.workers if not worker.state.leaving)

    @cached_property
    def in_flight(self) -> int:
        return sum(worker.state.in_flight for worker in self.workers)

    @property
    def actual(self) -> int:
        return len(self.staying) - self.in_flight


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """`template_kinds` goes beside `PoolView.templates`."""

    pools: tuple[PoolView, ...]
    queue: tuple[DemandGroup, ...]
    """Groups of which something may start, quotas permitting."""
    kinds: Kinds
    template_kinds: Mapping[PoolName, tuple[int, ...]]
    worker_kinds: Mapping[WorkerName, int]
    held_back: tuple[HeldBack, ...] = ()
    lead: Mapping[ClassId, ClassId] = field(default_factory=dict)
    """The class in `queue` that stands for a class, where very many wait."""
    note: Reason | None = None
    """What is to be said of that."""
    left_out: tuple[tuple[str, NotConsidered], ...] = ()
    """By cluster: pending pods that are no demand."""
    counted: tuple[GroupCount, ...] = ()
    """Bound pods of the groups that rules of pending pods name."""

    def not_considered(self, cluster: str) -> tuple[Reason, ...]:
        """Of a cluster, for the report of each of its pools."""
        return tuple(
            Reason(
                kind=ReasonKind.NOT_CONSIDERED,
                text=sentences(
                    f"{counted(each.count, 'pending pod')} of cluster {cluster} {agree(each.count, 'is', 'are')} not considered, for example "
                    f"{each.example}",
                    each.because,
                ),
                evidence=(("pods", each.count),),
            )
            for name, each in self.left_out
            if cluster and name == cluster
        )

    def pool(self, name: PoolName) -> PoolView:
        return next(view for view in self.pools if view.spec.name == name)

    def may_use(self, queued: DemandGroup) -> Iterator[PoolView]:
        """The pools that have a template this class may use, be it large enough or not."""
        allowed = self.kinds.allowed(queued.asks)
        for view in self.pools:
            if not allowed.isdisjoint(self.template_kinds[view.spec.name]):
                yield view

    def fits_in(self, queued: DemandGroup) -> Iterator[PoolView]:
        """The pools with a template that could take a job of this class."""
        return (view for view in self.pools if self.templates_for(queued, view))

    def templates_for(self, queued: DemandGroup, view: PoolView) -> frozenset[int]:
        """The places of the pool's templates that could take a job of this class."""
        allowed = self.kinds.allowed(queued.asks)
        kinds = self.template_kinds[view.spec.name]
        return frozenset(
            place
            for place, (kind, template) in enumerate(zip(kinds, view.templates, strict=True))
            if kind in allowed and template.slots > 0 and queued.asks.request.fits_in(template.allocatable)
        )


def noun_of(spec: PoolSpec) -> str:
    """What waits for such a pool."""
    return "pending pod" if spec.membership.takes_pods and not spec.membership.takes_jobs else "queued job"


def snapshot_of(observed: Observed, now_ms: int, failures: Failures | None = None) -> Snapshot:
    """A pool that cannot be read is shown as a frozen one without templates, and `failures` has the error."""
    pools = _views(observed, now_ms, Failures() if failures is None else failures)
    kinds = Kinds()
    # All kinds are numbered before anything is packed, also those of workers that leave: the numbers must not change
    # when a plan has been applied.
    template_kinds = {
        view.spec.name: tuple(
            kinds.number(kind_of_template(view.spec, template)) for template in view.templates
        )
        for view in pools
    }
    worker_kinds = {worker.name: number for view in pools for worker, number in _numbered(view, kinds)}
    waiting, held_back = within_quotas(observed)
    waiting, restricted = allowed_demand(observed, waiting)
    waiting, unpaid = paid_demand(observed, waiting)
    found = _grouped(waiting, pools, kinds, template_kinds, observed.demand_left_out)
    return Snapshot(
        pools=pools,
        queue=found.queue,
        held_back=(*held_back, *restricted, *unpaid),
        lead=found.lead,
        note=found.note,
        left_out=observed.not_considered,
        counted=observed.counted,
        kinds=kinds,
        template_kinds=template_kinds,
        worker_kinds=worker_kinds,
    )


def _grouped(
    waiting: Iterable[DemandGroup],
    pools: Iterable[PoolView],
    kinds: Kinds,
    template_kinds: Mapping[PoolName, tuple[int, ...]],
    left_out: int,
) -> Grouped:
    sizes = (
        (kind, template.allocatable)
        for view in pools
        for kind, template in zip(template_kinds[view.spec.name], view.templates, strict=True)
    )
    return grouped(sorted(waiting, key=lambda queued: queued.class_id), kinds, sizes, left_out)


def _numbered(view: PoolView, kinds: Kinds) -> Iterator[tuple[ObservedWorker, int]]:
    """The workers of a pool with their kinds: most look alike, so each look is worked out once."""
    numbers: dict[object, int] = {}
    for worker in view.workers:
        spec = worker.spec
        looks = (spec.labels, spec.taints, spec.template, spec.zone)
        number = numbers.get(looks)
        if number is None:
            kind = kind_of_worker(view.spec, spec.labels, spec.taints, template=spec.template, zone=spec.zone)
            number = numbers[looks] = kinds.number(kind)
        yield worker, number


def _views(observed: Observed, now_ms: int, failures: Failures) -> tuple[PoolView, ...]:
    by_pool: dict[PoolName, list[ObservedWorker]] = {}
    for worker in sorted(observed.workers, key=age):
        if not worker.state.ended:
            by_pool.setdefault(worker.spec.pool, []).append(_fresh(worker, now_ms))
    history, windows, openings = dict(observed.history), dict(observed.windows), dict(observed.openings)
    memories = {memory.key: memory for memory in observed.offers}
    spot_only = {each.pool: each for each in observed.spot_only}
    read = {(reading.pool, reading.metric): reading for reading in observed.metrics}

    def view_of(wanted: PoolSpec) -> PoolView:
        spec, window = in_force(wanted, windows.get(wanted.name, ()), now_ms)
        sold = (offer for template in spec.templates for offer in offers_of(template))
        templates = tuple(sorted(sold, key=lambda offer: (offer.name, not offer.spot, offer.zone)))
        return PoolView(
            spec=spec,
            history=history.get(spec.name, PoolHistory()),
            workers=tuple(by_pool.get(spec.name, ())),
            templates=templates,
            memories=tuple(
                memories.get(each.id.key(spec.name, each.driver or spec.driver)) for each in templates
            ),
            window=window,
            ahead=tuple(
                worker
                for name in spec.scale_up.grows_after
                for worker in by_pool.get(PoolName(name), ())
                if name != spec.name and not worker.state.leaving
            ),
            openings=openings.get(spec.name, ()),
            budgets=observed.budgets.above(spec.name),
            quantum_ms=observed.budgets.quantum_ms,
            spot_only=spot_only.get(spec.name),
            metrics=tuple(
                (metric, _not_older(metric.keep_s, read.get((spec.name, metric.name)), now_ms))
                for metric in spec.scale_up.metrics
            ),
        )

    def untouched(wanted: PoolSpec) -> PoolView:
        spec = replace(wanted, frozen=True, templates=())
        return PoolView(
            spec=spec, history=PoolHistory(), workers=tuple(by_pool.get(spec.name, ())), templates=()
        )

    return tuple(
        failures.attempt((spec.name,), "snapshot", partial(view_of, spec), partial(untouched, spec))
        for spec in sorted(observed.pools, key=lambda spec: spec.name)
    )


def _fresh(worker: ObservedWorker, now_ms: int) -> ObservedWorker:
    """An old sample is no sample. A metrics API has older ones than an agent."""
    fresh_ms = FRESH_ON_NODES_MS if worker.spec.cluster else FRESH_MS
    if worker.use is None or now_ms - worker.use.at_ms <= fresh_ms:
        return worker
    return replace(worker, use=None)


def _not_older(keep_s: float, reading: MetricReading | None, now_ms: int) -> MetricReading | None:
    if reading is None or reading.at_ms is None or now_ms - reading.at_ms <= keep_s * 1000:
        return reading
    return replace(reading, value=None)


def in_force(spec: PoolSpec, windows: tuple[Window, ...], now_ms: int) -> tuple[PoolSpec, Window | None]:
    """The pool with the limits of the moment, and the window that sets them."""
    if not windows:
        return spec, None
    least, most, window = limits_in_force(spec.size.min_workers, spec.size.max_workers, windows, now_ms)
    return replace(spec, size=replace(spec.size, min_workers=least, max_workers=most)), window


def age(worker: ObservedWorker) -> tuple[int, int, int, str]:
    """Sorts the oldest first, and the workers of one plan in the order in which it made them: they are filled in the
    order in which they were planned, and so what was planned to fit does fit."""
    return worker.requested_at_ms, worker.spec.plan, _ordinal(worker.spec.name), worker.spec.name


@lru_cache(maxsize=20_000)
def _ordinal(name: WorkerName) -> int:
    """The number at its end; 0 when there is none."""
    ordinal = name.rpartition("-")[2]
    return int(ordinal) if ordinal.isdecimal() else 0


def oldest_first(views: Iterable[PoolView]) -> list[ObservedWorker]:
    several = list(views)
    if len(several) == 1:
        return list(several[0].staying)
    return sorted((worker for view in several for worker in view.staying), key=age)
