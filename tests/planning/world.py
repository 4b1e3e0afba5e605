"""Small worlds for the tests of planning: short constructors, and what an observation looks like after a plan."""

from dataclasses import replace

from hypothesis import strategies as st

from herder.model.fleet.metric import Metric, MetricReading, ValueIs
from herder.model.fleet.offer import FailureCause, Offer, OfferKey, OfferMemory, offers_of
from herder.model.fleet.pool import (
    Consolidation,
    Headroom,
    PoolSpec,
    SpotUse,
    Taint,
    Template,
    Toleration,
    Zone,
)
from herder.model.fleet.pressure import Measured, Pressure, WorkerUse
from herder.model.fleet.schedule import Schedule, Window
from herder.model.fleet.worker import WorkerSpec, WorkerState
from herder.model.ids import ClassId, PlanNumber, PoolName, UserName, WorkerName
from herder.model.planning.observed import Observed, ObservedWorker, PoolHistory, QueuedClass, RunningClass
from herder.model.planning.plan import CreateWorker, DrainWorker, Plan, ReasonKind
from herder.model.values.money import PicoUsd
from herder.model.values.resources import ZERO, Resources
from herder.model.work.job import JobClass
from tests.support.pools import pool_spec

NOW = 1_000_000_000
MINUTE = 60_000


LESS_NEEDED = (ReasonKind.IDLE, ReasonKind.UNDER_USED, ReasonKind.CONSOLIDATED)
ONE_CORE = Resources(1000, 1024, 0, 0)


def cores(count: int) -> Resources:
    return Resources(count * 1000, count * 1024, 0, 0)


def template(name: str = "medium", size: int = 16, price: int = 480, **more: object) -> Template:
    return Template(name=name, allocatable=cores(size), price_pico_per_hour=PicoUsd(price), **more)  # type: ignore[arg-type]


def pool(name: str = "std", *templates: Template, **more: object) -> PoolSpec:
    return pool_spec(name, templates=templates or (template(),), **more)  # type: ignore[arg-type]


def worker(
    number: int,
    of: PoolSpec,
    *,
    state: WorkerState = WorkerState.READY,
    free: Resources | None = None,
    made: Template | Offer | None = None,
    at: int | None = None,
    **more: object,
) -> ObservedWorker:
    made = made if isinstance(made, Offer) else offers_of(made or of.templates[0])[0]
    spec = WorkerSpec(
        name=WorkerName(f"{of.name}-0-{number}"),
        pool=of.name,
        template=made.name,
        driver=made.driver or of.driver,
        driver_options=of.options_of(made.driver, made.driver_options),
        allocatable=made.allocatable,
        slots=made.slots,
        price_pico_per_hour=made.price_pico_per_hour,
        labels=tuple(sorted({**dict(of.labels), **dict(made.labels)}.items())),
        taints=of.taints,
        zone=made.zone,
        spot=made.spot,
        bootstrap=of.bootstrap,
        bootstrap_fingerprint=of.bootstrap_fingerprint,
    )
    return ObservedWorker(
        spec=spec,
        state=state,
        free=made.allocatable if free is None else free,
        free_slots=made.slots,
        requested_at_ms=NOW - 1000 * MINUTE + number if at is None else at,
        **more,  # type: ignore[arg-type]
    )


def idle(number: int, of: PoolSpec, minutes: float = 60, **more: object) -> ObservedWorker:
    return worker(number, of, idle_since_ms=NOW - int(minutes * MINUTE), **more)  # type: ignore[arg-type]


def queued(
    class_id: int, count: int, request: Resources = ONE_CORE, *, at: int = NOW, **job: object
) -> QueuedClass:
    job.setdefault("user", UserName("ann"))
    return QueuedClass(
        class_id=ClassId(class_id),
        job_class=JobClass(request=request, **job),  # type: ignore[arg-type]
        count=count,
        oldest_ready_at_ms=at,
    )


def observed(
    pools: list[PoolSpec],
    workers: list[ObservedWorker] | None = None,
    queue: list[QueuedClass] | None = None,
    history: dict[str, PoolHistory] | None = None,
) -> Observed:
    return Observed(
        plan_number=PlanNumber(7),
        pools=tuple(pools),
        workers=tuple(workers or ()),
        workers_as_of_ms=NOW,
        demand=tuple(queue or ()),
        demand_as_of_ms=NOW,
        history=tuple((PoolName(name), past) for name, past in (history or {}).items()),
    )


def creations(plan: Plan) -> list[CreateWorker]:
    return [action for action in plan.actions if isinstance(action, CreateWorker)]


def drains(plan: Plan) -> list[DrainWorker]:
    return [action for action in plan.actions if isinstance(action, DrainWorker)]


def applied(before: Observed, plan: Plan, now_ms: int = NOW) -> Observed:
    """What is seen right after every action of the plan has been recorded."""
    drained = {action.worker for action in drains(plan)}
    made = [
        ObservedWorker(
            spec=action.spec,
            state=WorkerState.REQUESTED,
            free=action.spec.allocatable,
            free_slots=action.spec.slots,
            requested_at_ms=now_ms,
            expires_at_ms=action.expires_at_ms,
        )
        for action in creations(plan)
    ]
    stay = [replace(w, state=WorkerState.DRAINING) if w.name in drained else w for w in before.workers]
    history = dict(before.history)
    for action in plan.actions:
        name = action.spec.pool if isinstance(action, CreateWorker) else action.pool
        past = history.get(name, PoolHistory())
        if isinstance(action, CreateWorker):
            history[name] = replace(past, last_grown_at_ms=now_ms)
        else:
            removals = (*past.removals_ms, now_ms) if action.reason.kind in LESS_NEEDED else past.removals_ms
            history[name] = replace(past, last_shrunk_at_ms=now_ms, removals_ms=removals)
    return replace(
        before,
        plan_number=PlanNumber(before.plan_number + 1),
        workers=(*stay, *made),
        history=tuple(history.items()),
    )


# --- random worlds ----------------------------------------------------------------------------------------------------

_TAINT = Taint(key="special")


@st.composite
def pools_of(draw: st.DrawFn, name: str) -> PoolSpec:
    size = st.integers(1, 16)
    sizes = draw(st.lists(size, min_size=1, max_size=2, unique=True))
    ssd = draw(st.booleans())
    return pool(
        name,
        *(
            template(
                f"t{s}",
                s,
                draw(st.integers(0, 40)) * 10,
                slots=draw(st.integers(1, 12)),
                **draw(markets()),
            )
            for s in sizes
        ),
        min_workers=draw(st.integers(0, 2)),
        max_workers=draw(st.integers(0, 6)),
        new_workers_per_cycle=draw(st.integers(1, 4)),
        scale_up_cooldown_s=draw(st.sampled_from([0.0, 0.0, 60.0])),
        scale_down_cooldown_s=draw(st.sampled_from([0.0, 60.0])),
        idle_timeout_s=draw(st.sampled_from([None, 0.0, 600.0])),
        ttl_s=draw(st.sampled_from([None, 3600.0])),
        labels=(("disk", "ssd"),) if ssd else (),
        taints=(_TAINT,) if draw(st.integers(0, 3)) == 0 else (),
        default_eligible=draw(st.booleans()),
        frozen=draw(st.integers(0, 7)) == 0,
        **draw(refinements()),
    )


@st.composite
def markets(draw: st.DrawFn) -> dict[str, object]:
    """Where a template is sold, and by whom: most in no zone, not as spot and by the driver of the pool."""
    if draw(st.booleans()):
        return {}
    zones = draw(st.sampled_from([(), (Zone(name="a"),), (Zone(name="a"), Zone(name="b", max_workers=2))]))
    driver = draw(st.sampled_from(["", "", "other"]))
    return {"zones": zones, "spot": draw(st.sampled_from(SpotUse)), "driver": driver}


@st.composite
def refinements(draw: st.DrawFn) -> dict[str, object]:
    """Settings of scaling beyond the plain ones: most pools have none."""
    if draw(st.booleans()):
        return {}
    return {
        "max_live_workers": draw(st.sampled_from([None, 1, 3])),
        "headroom": draw(
            st.sampled_from([Headroom(), Headroom(workers=1), Headroom(workers=2, free=cores(4))])
        ),
        "target_utilisation": draw(st.sampled_from([None, 0.5, 0.9])),
        "scale_down_fraction": draw(st.sampled_from([None, 0.2, 0.5])),
        "consolidation": draw(st.sampled_from(Consolidation)),
        "disruption_budget": draw(st.integers(0, 2)),
        "preempts_spot": draw(st.booleans()),
        "cpu_pressure": draw(st.sampled_from([None, None, Pressure(above=0.8, for_s=60.0)])),
        "memory_pressure": draw(st.sampled_from([None, None, Pressure(above=0.5, target=0.4)])),
        "metrics": draw(
            st.sampled_from(
                [(), (), *((Metric(name="m", query="m", per_worker=10.0, value=v),) for v in ValueIs)]
            )
        ),
    }


def key_of(of: PoolSpec, sold: Offer) -> OfferKey:
    return OfferKey(
        pool=of.name, template=sold.name, driver=sold.driver or of.driver, zone=sold.zone, spot=sold.spot
    )


@st.composite
def memories_of(draw: st.DrawFn, of: PoolSpec, sold: Offer) -> OfferMemory:
    memory = OfferMemory(key=key_of(of, sold))
    for cause in draw(st.lists(st.sampled_from(FailureCause), max_size=3)):
        memory = memory.failed(cause, NOW - draw(st.sampled_from([0, 10_000, 600_000])), requested_at_ms=NOW)
    return memory


@st.composite
def windows(draw: st.DrawFn) -> tuple[Window, ...]:
    found = []
    for _ in range(draw(st.integers(1, 2))):
        least = draw(st.integers(0, 4))
        start = NOW + draw(st.integers(-3, 3)) * MINUTE
        most = draw(st.sampled_from([None, least, least + 2]))
        schedule = Schedule(cron="0 8 * * *", min_workers=least, max_workers=most)
        end = draw(st.sampled_from([None, start + MINUTE, start + 10 * MINUTE]))
        found.append(Window(schedule=schedule, lead_from_ms=start - 2 * MINUTE, start_ms=start, end_ms=end))
    return tuple(found)


@st.composite
def running_of(draw: st.DrawFn) -> RunningClass:
    start = NOW - draw(st.integers(0, 200)) * MINUTE
    job = queued(1, 1, draw(st.sampled_from([ZERO, cores(1)]))).job_class
    ends = draw(st.sampled_from([None, NOW + MINUTE, NOW + 300 * MINUTE]))
    return RunningClass(job_class=job, count=1, started_sum_ms=start, last_start_ms=start, ends_at_ms=ends)


@st.composite
def uses(draw: st.DrawFn, size: Resources) -> WorkerUse | None:
    part = draw(st.sampled_from([None, 0, 50, 100]))
    if part is None:
        return None
    at = NOW - draw(st.sampled_from([0, 20_000, 40_000]))
    return WorkerUse(
        cpu_milli=size.cpu_milli * part // 100, memory_mib=size.memory_mib * part // 100, at_ms=at
    )


_STATES = [s for s in WorkerState if not s.ended]


@st.composite
def workers_of(draw: st.DrawFn, number: int, of: PoolSpec) -> ObservedWorker:
    made = draw(st.sampled_from([sold for each in of.templates for sold in offers_of(each)]))
    state = draw(st.sampled_from([*_STATES, WorkerState.READY, WorkerState.READY]))
    busy = draw(st.booleans()) and not state.in_flight
    waits = state is WorkerState.READY and not busy
    return worker(
        number,
        of,
        state=state,
        made=made,
        at=NOW - draw(st.integers(0, 5)) * MINUTE,
        free=Resources(*(part // 2 for part in made.allocatable)) if busy else None,
        live_attempts=int(busy),
        running=(draw(running_of()),) if busy else (),
        cordoned=draw(st.integers(0, 7)) == 0,
        idle_since_ms=NOW - draw(st.integers(0, 20)) * MINUTE if waits else None,
        expires_at_ms=draw(st.sampled_from([None, None, NOW + MINUTE, NOW - 1])),
        manual=draw(st.integers(0, 7)) == 0,
        use=draw(uses(made.allocatable)),
    )


@st.composite
def classes_of(draw: st.DrawFn, class_id: int) -> QueuedClass:
    return queued(
        class_id,
        draw(st.integers(0, 30)),
        draw(st.sampled_from([ZERO, cores(1), cores(2), cores(5), Resources(500, 4096, 0, 0), cores(16)])),
        user=UserName(draw(st.sampled_from("abc"))),
        pool=draw(st.sampled_from(["auto", "auto", "p0", "p1", "gone"])),
        priority=draw(st.integers(0, 1)),
        selector=draw(st.sampled_from([(), (), (("disk", "ssd"),)])),
        tolerations=draw(st.sampled_from([(), (Toleration(key="special"),)])),
    )


@st.composite
def readings(draw: st.DrawFn, of: PoolSpec) -> MetricReading:
    value = draw(st.sampled_from([None, 0.0, 9.0, 25.0, 60.0]))
    at = None if value is None else NOW - draw(st.sampled_from([0, 400_000]))
    return MetricReading(
        pool=of.name, metric="m", value=value, at_ms=at, fault=draw(st.sampled_from(["", "no route"]))
    )


@st.composite
def worlds(draw: st.DrawFn) -> Observed:
    pools = [draw(pools_of(f"p{n}")) for n in range(draw(st.integers(1, 3)))]
    workers = [draw(workers_of(n, draw(st.sampled_from(pools)))) for n in range(draw(st.integers(0, 6)))]
    queue = [draw(classes_of(n)) for n in range(1, draw(st.integers(0, 5)) + 1)]
    past = st.builds(
        PoolHistory,
        last_grown_at_ms=st.sampled_from([None, NOW - 30_000]),
        last_shrunk_at_ms=st.sampled_from([None, NOW - 30_000]),
        removals_ms=st.sampled_from([(), (NOW - 60_000,)]),
        pressed_since_ms=st.sampled_from(
            [(), ((Measured.CPU, NOW - 60_000),), ((Measured.MEMORY, NOW - 900_000),)]
        ),
    )
    history = {p.name: draw(past) for p in pools if draw(st.booleans())}
    offers = [
        draw(memories_of(p, sold))
        for p in pools
        for each in p.templates
        for sold in offers_of(each)
        if draw(st.integers(0, 3)) == 0
    ]
    times = tuple((p.name, draw(windows())) for p in pools if draw(st.integers(0, 3)) == 0)
    read = tuple(draw(readings(p)) for p in pools if p.scale_up.metrics and draw(st.integers(0, 3)))
    seen = observed(pools, workers, queue, history)  # type: ignore[arg-type]
    return replace(seen, offers=tuple(offers), windows=times, metrics=read)
