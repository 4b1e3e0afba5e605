"""Doubts about settings that can be used: what contradicts itself, never takes effect, or costs more than it looks.

Pure rules over `Settings`, one function each, called by `herder config lint` and `herder apply`. What can never work at all
is refused by the readers already.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from herder.model.money import format_usd
from herder.model.offer import offers_of
from herder.model.pool import Consolidation, PoolSpec, SpotUse, TaintEffect
from herder.model.resources import ZERO, Resources
from herder.settings.load import Settings
from herder.settings.sections.pools import template_to_plain
from herder.settings.sections.presets import TEMPLATES
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.problems import Problem, Severity

HOURS_PER_MONTH = 730
#: What a template takes from the built-in one of its name, and is worth a word.
INHERITED = ("cpu", "memory", "disk", "gpu", "price_per_hour", "slots")
_LOCAL_KINDS = frozenset({"local"})
#: A server has these without their being declared.
ALWAYS_THERE = frozenset({"local"})
#: Drivers that make nothing that costs.
_FREE = frozenset({"local", "pretend"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


#: From a driver's kind and settings to what is wrong with them: setting (empty: the kind), message and remedy.
DriverFaults = Callable[[str, Mapping[str, str]], Sequence[tuple[str, str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Doubt:
    severity: Severity
    key: str
    message: str
    remedy: str


def lint(
    settings: Settings, machine: Resources | None = None, driver_faults: DriverFaults | None = None
) -> tuple[Problem, ...]:
    """Every doubt, faults first. `machine`: what this computer has, for pools of the local driver; None = unknown.
    `driver_faults`: what is known of the drivers; None = nothing, and their kinds and settings are not looked at."""
    doubts: list[tuple[str, _Doubt]] = []
    for pool in settings.pools:
        prefix = f"pools.{pool.name}"
        for rule in (_times, _counts, _taints, _silence, _costs, _moves, _pressures, _spot, _preempts):
            doubts.extend((prefix, doubt) for doubt in rule(pool))
        doubts.extend((prefix, doubt) for doubt in _driver(settings, pool))
        doubts.extend((prefix, doubt) for doubt in _metrics(settings, pool))
        doubts.extend((prefix, doubt) for doubt in _machine(settings, pool, machine))
    doubts.extend(("", doubt) for doubt in (*_unused(settings), *_inherited(settings), *_server(settings)))
    if driver_faults is not None:
        doubts.extend(("", doubt) for doubt in _drivers(settings, driver_faults))
    order = list(Severity)
    doubts.sort(key=lambda each: order.index(each[1].severity))
    return tuple(_problem(settings, prefix, doubt) for prefix, doubt in doubts)


def _problem(settings: Settings, prefix: str, doubt: _Doubt) -> Problem:
    key = f"{prefix}.{doubt.key}" if prefix else doubt.key
    return Problem(
        place=settings.place(key),
        key=key,
        message=doubt.message,
        remedy=doubt.remedy,
        severity=doubt.severity,
    )


def _warning(key: str, message: str, remedy: str) -> _Doubt:
    return _Doubt(severity=Severity.WARNING, key=key, message=message, remedy=remedy)


def _note(key: str, message: str, remedy: str) -> _Doubt:
    return _Doubt(severity=Severity.NOTE, key=key, message=message, remedy=remedy)


def _times(pool: PoolSpec) -> Iterator[_Doubt]:
    ttl, idle, longest = pool.lifetime.ttl_s, pool.scale_down.idle_timeout_s, pool.lifetime.ttl_max_s
    if ttl is not None and idle is not None and idle > ttl:
        yield _warning(
            "idle_timeout",
            f"an idle timeout of {format_duration(idle)} never takes effect: workers end after {format_duration(ttl)}",
            "Make it shorter than ttl.",
        )
    if (
        ttl is not None
        and longest is not None
        and ttl + pool.lifetime.extension_s * pool.lifetime.extensions_max > longest
    ):
        yield _warning(
            "extensions_max",
            f"{pool.lifetime.extensions_max} extensions of {format_duration(pool.lifetime.extension_s)} would pass ttl_max "
            f"({format_duration(longest)})",
            "Allow fewer or shorter extensions, or raise ttl_max.",
        )
    if ttl is None and longest is not None:
        yield _note(
            "ttl_max",
            "ttl_max without ttl binds only workers that are made with a time to live",
            "Write ttl.",
        )
    if pool.lifetime.drain_grace_s > 24 * 3600:
        yield _warning("drain_grace", "a drain may take longer than a day", "Write for example 5m.")


def _counts(pool: PoolSpec) -> Iterator[_Doubt]:
    if pool.size.max_workers == 0:
        yield _warning("max_workers", "no worker can ever be made", "Raise max_workers, or remove the pool.")
    if pool.frozen and pool.size.min_workers:
        yield _warning("frozen", "the pool is frozen, so its minimum is not kept", "Write frozen: false.")
    if pool.size.min_workers and pool.lifetime.ttl_s is not None:
        yield _note(
            "ttl",
            f"the {pool.size.min_workers} standing workers are replaced every {format_duration(pool.lifetime.ttl_s)}",
            "Write min_workers: 0, or no ttl.",
        )


def _taints(pool: PoolSpec) -> Iterator[_Doubt]:
    hard = [taint for taint in pool.taints if taint.effect is not TaintEffect.PREFER_NO_SCHEDULE]
    if hard and pool.jobs.default_eligible:
        names = ", ".join(f"{taint.key}={taint.value}" for taint in hard)
        yield _note(
            "taints",
            f"only jobs that tolerate {names} run here, and nothing in these files does",
            f"Submit with `herder job submit --tolerate {hard[0].key}={hard[0].value} -- …`, or remove the taint.",
        )


def _silence(pool: PoolSpec) -> Iterator[_Doubt]:
    if pool.lifetime.dead_after_s < 10:
        yield _warning(
            "dead_after",
            f"{format_duration(pool.lifetime.dead_after_s)} of silence is a hiccup of the network, not a death",
            "30s to 60s are usual.",
        )
    if pool.lifetime.dead_after_s > pool.lifetime.boot_timeout_s:
        yield _warning(
            "dead_after", "a dead worker is noticed later than one that never booted", "Write 45s."
        )
    if pool.lifetime.boot_timeout_s < 5:
        yield _warning(
            "boot_timeout", "nothing boots that fast, so every worker would fail", "Write 60s or more."
        )


def _costs(pool: PoolSpec) -> Iterator[_Doubt]:
    if not pool.templates:
        return
    cheapest = min(template.price_pico_per_hour for template in pool.templates)
    standing = cheapest * pool.size.min_workers * HOURS_PER_MONTH
    if standing:
        yield _note(
            "min_workers",
            f"{pool.size.min_workers} standing workers cost at least {format_usd(standing, 2)} a month",
            "Lower min_workers if that is more than you want to spend.",
        )


def _moves(pool: PoolSpec) -> Iterator[_Doubt]:
    """What shrinks a pool more than somebody may expect, or never does."""
    if pool.scale_down.consolidation is not Consolidation.OFF:
        yield _note(
            "consolidation",
            "moved jobs begin anew unless they continue from a checkpoint",
            "Write consolidation: off if that hurts.",
        )
        if pool.scale_down.disruption_budget == 0:
            yield _warning(
                "disruption_budget", "a budget of 0 means that nothing is ever moved", "Write 1 or more."
            )
    headroom = max(pool.scale_up.headroom.workers, int(pool.scale_up.headroom.wanted))
    if headroom and pool.templates:
        cheapest = min(template.price_pico_per_hour for template in pool.templates)
        cost = format_usd(cheapest * headroom * HOURS_PER_MONTH, 2)
        yield _note(
            "headroom", f"the headroom costs at least {cost} a month", "Lower it if that is too much."
        )
    for schedule in pool.size.schedules:
        if schedule.duration_s is not None and schedule.lead_time_s >= schedule.duration_s:
            yield _warning(
                "schedules",
                f"the lead of schedule {schedule.cron!r} is longer than its duration",
                "Write a shorter lead_time.",
            )


def _preempts(pool: PoolSpec) -> Iterator[_Doubt]:
    if not pool.scale_up.preempts_spot:
        return
    if not pool.size.min_workers and not pool.size.schedules:
        yield _warning("preempts_spot", "it speaks of the minimum, and there is none", "Write min_workers.")
    if pool.templates and all(template.spot is SpotUse.YES for template in pool.templates):
        yield _warning(
            "preempts_spot",
            "its own workers are spot alone, and it is done for on-demand",
            "Write spot: prefer.",
        )


def _spot(pool: PoolSpec) -> Iterator[_Doubt]:
    for template in pool.templates:
        limit = template.max_spot_price_pico_per_hour
        prices = [offer.price_pico_per_hour for offer in offers_of(template) if offer.spot]
        if template.spot is not SpotUse.NO and not prices:
            yield _warning(
                "templates",
                f"all spot of template {template.name!r} costs more than its max_spot_price, so none is bought",
                "Raise max_spot_price, or write spot: no.",
            )
        if template.spot is SpotUse.NO and (limit or template.spot_price_pico_per_hour):
            yield _note(
                "templates",
                f"template {template.name!r} has a price for spot and spot: no",
                "Write spot: prefer.",
            )
        if template.spot is SpotUse.YES and pool.size.min_workers:
            yield _note(
                "templates",
                f"the {pool.size.min_workers} standing workers of template {template.name!r} are spot alone: without spot there are none",
                "Write spot: prefer.",
            )


def _pressures(pool: PoolSpec) -> Iterator[_Doubt]:
    """Rules on real use that cannot take effect, or soon would all the time."""
    for name, pressure in (
        ("cpu_pressure", pool.scale_up.cpu_pressure),
        ("memory_pressure", pool.scale_up.memory_pressure),
    ):
        if pressure is None:
            continue
        if pool.size.max_workers <= max(pool.size.min_workers, 1):
            yield _warning(
                name,
                f"it never makes a worker: the pool has at most {pool.size.max_workers}",
                "Raise max_workers, or remove it.",
            )
        if pressure.above < 0.2:
            yield _warning(
                name,
                f"{pressure.above:.0%} is hardly pressure: idle workers may pass it",
                "Write for example 80%.",
            )
        if pressure.for_s < pool.lifetime.heartbeat_s:
            yield _note(
                name,
                f"workers say what they use every {format_duration(pool.lifetime.heartbeat_s)}, so one sample decides",
                "Write a longer `for`.",
            )


def _metrics(settings: Settings, pool: PoolSpec) -> Iterator[_Doubt]:
    sources = {source.name: source for source in settings.metric_sources}
    for metric in pool.scale_up.metrics:
        source = sources.get(metric.source)
        if source is None:
            yield _warning(
                "metrics",
                f"metric {metric.name!r} names source {metric.source!r}, which these files do not define",
                f"Write metric_sources: {{{metric.source}: {{url: …}}}} in the server's file, or it is never known.",
            )
        elif source.timeout_s > metric.every_s:
            yield _warning(
                "metrics",
                f"metric {metric.name!r} is asked for more often than its source may take to answer",
                "Write a longer every, or a shorter timeout.",
            )
    if pool.scale_up.metrics and pool.size.max_workers <= pool.size.min_workers:
        yield _warning(
            "metrics",
            f"they never make a worker: the pool has {pool.size.min_workers} to {pool.size.max_workers}",
            "Raise max_workers, or remove them.",
        )


def _driver(settings: Settings, pool: PoolSpec) -> Iterator[_Doubt]:
    known = {driver.name for driver in settings.drivers} | ALWAYS_THERE
    if pool.driver not in known:
        yield _warning(
            "driver",
            f"driver {pool.driver!r} is not defined under `drivers`",
            f"Write drivers: {{{pool.driver}: {{…}}}} in the server's file, or one of {', '.join(sorted(known))}.",
        )


def _drivers(settings: Settings, faults: DriverFaults) -> Iterator[_Doubt]:
    """Such a file starts no server."""
    for driver in settings.drivers:
        for setting, message, remedy in faults(driver.kind, dict(driver.settings)):
            key = f"drivers.{driver.name}.{f'settings.{setting}' if setting else 'kind'}"
            yield _Doubt(severity=Severity.ERROR, key=key, message=message, remedy=remedy)


def _machine(settings: Settings, pool: PoolSpec, machine: Resources | None) -> Iterator[_Doubt]:
    driver = next((each for each in settings.drivers if each.name == pool.driver), None)
    if (driver.kind if driver else pool.driver) not in _LOCAL_KINDS:
        return
    for template in pool.templates:
        if template.zones or template.spot is not SpotUse.NO:
            yield _warning(
                "templates",
                f"template {template.name!r} names zones or spot, of which driver {pool.driver!r} knows nothing: all its workers are "
                "made on this machine",
                "Remove zones and spot, or use another driver.",
            )
    limit = driver.machine if driver and driver.machine else machine
    if limit is None:
        return
    for template in pool.templates:
        lacking = template.allocatable.lacking_in(limit)
        if lacking:
            yield _warning(
                "templates",
                f"template {template.name!r} ({template.allocatable}) is larger than the machine ({limit})",
                "Use a smaller template, or another driver.",
            )
    smallest = min((template.allocatable for template in pool.templates), default=ZERO)
    if pool.size.min_workers > 1 and smallest.times(pool.size.min_workers).lacking_in(limit):
        yield _warning(
            "min_workers",
            f"{pool.size.min_workers} standing workers are more than the machine holds ({limit})",
            "Lower min_workers, or use smaller templates.",
        )


def _unused(settings: Settings) -> Iterator[_Doubt]:
    used = {template.name for pool in settings.pools for template in pool.templates}
    for template in settings.templates:
        own = template.name not in TEMPLATES or f"templates.{template.name}" in settings.places
        if own and template.name not in used:
            key = f"templates.{template.name}"
            yield _note(
                key,
                f"no pool uses template {template.name!r}",
                "Name it in a pool's templates, or remove it.",
            )


def _inherited(settings: Settings) -> Iterator[_Doubt]:
    """A template named like a built-in one begins as that one: easily overlooked when somebody means a new one."""
    for name, said in (settings.written.get("templates") or {}).items():
        base = TEMPLATES.get(name)
        if base is None or not isinstance(said, dict) or not {"cpu", "memory"} & said.keys():
            continue
        plain = template_to_plain(base)
        taken = [f"{key} {plain[key]}" for key in INHERITED if key not in said and plain[key] not in (0, "0")]
        if taken:
            yield _warning(
                f"templates.{name}",
                f"template {name!r} is named like a built-in one and takes from it what is not written here: {', '.join(taken)}",
                "Write these settings, or give the template another name.",
            )


def _server(settings: Settings) -> Iterator[_Doubt]:
    server = settings.server
    if server.host not in _LOOPBACK:
        yield _warning(
            "server.listen",
            f"{server.host} is reachable from other machines, and Herder speaks plain HTTP there",
            "Put a TLS proxy in front, or listen on 127.0.0.1.",
        )
    if server.store_url and ":" in server.store_url.partition("://")[2].rpartition("@")[0]:
        yield _warning(
            "server.store_url",
            "the address of the store has a password in it",
            "Leave it out here and set HERDER_STORE or a pgpass file.",
        )
