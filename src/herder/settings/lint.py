"""Warnings about valid settings: contradictions, settings without effect, and unexpected costs.

Pure rules over `Settings`, one function each, called by `herder config lint` and `herder apply`. What can never work at all
is refused by the readers already.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Protocol

from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import Consolidation, PoolSpec, SpotUse, TaintEffect
from herder.model.values.money import format_usd
from herder.model.values.phrases import agree, counted
from herder.model.values.resources import ZERO, Resources
from herder.settings.budget_lint import budget_findings
from herder.settings.card_lint import card_findings
from herder.settings.cluster_lint import cluster_findings, clusters_findings, undefined_findings
from herder.settings.creation_lint import creation_findings
from herder.settings.doubts import Doubt, error, note, warning
from herder.settings.load import Settings
from herder.settings.repair_lint import repair_findings
from herder.settings.schedule_lint import schedule_findings
from herder.settings.sections.pool.bounds import faults_of
from herder.settings.sections.pool.pools import template_to_plain
from herder.settings.sections.pool.presets import TEMPLATES
from herder.settings.sections.upkeep import doubts_of
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.problems import Problem, Severity
from herder.settings.template_lint import template_findings
from herder.settings.upkeep_lint import upkeep_findings

HOURS_PER_MONTH = 730
#: What a template takes from the built-in one of its name, and is worth a word.
INHERITED = ("cpu", "memory", "disk", "gpu", "price_per_hour", "slots")
#: A server has these without their being declared.
ALWAYS_THERE = frozenset({"local"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class DriverFaults(Protocol):
    """From a driver's kind and settings to what is wrong with them: setting (empty: the kind), message and remedy. With a pool: what is wrong
    with its driver_options, each by its name (empty: all of them)."""

    def __call__(
        self, kind: str, settings: Mapping[str, str], pool: PoolSpec | None = None, /
    ) -> Sequence[tuple[str, str, str]]: ...


#: From a bootstrap's kind and settings to what is wrong with them.
BootstrapFaults = Callable[[str, Mapping[str, object]], Sequence[tuple[str, str, str]]]


def lint(
    settings: Settings,
    machine: Resources | None = None,
    driver_faults: DriverFaults | None = None,
    bootstrap_faults: BootstrapFaults | None = None,
) -> tuple[Problem, ...]:
    """Every doubt, faults first. `machine`: what this computer has, for pools of the local driver; None = unknown.
    `driver_faults`, `bootstrap_faults`: what is known of drivers and bootstraps; None = nothing, and their kinds and settings are not looked at."""
    doubts: list[tuple[str, Doubt]] = []
    for pool in settings.pools:
        prefix = f"pools.{pool.name}"
        for rule in (
            _counts,
            _taints,
            _silence,
            _costs,
            _moves,
            schedule_findings,
            _pressures,
            _spot,
            _preempts,
            template_findings,
        ):
            doubts.extend((prefix, doubt) for doubt in rule(pool))
        doubts.extend((prefix, error(*fault)) for fault in faults_of(pool))
        for severity, key, message, remedy in (*upkeep_findings(pool), *undefined_findings(settings, pool)):
            doubts.append((prefix, Doubt(severity=severity, key=key, message=message, remedy=remedy)))
        doubts.extend((prefix, warning(*finding)) for finding in repair_findings(pool))
        creations = creation_findings(pool, settings.written, settings.driver)
        doubts.extend((prefix, warning(*finding)) for finding in creations)
        parts = pool.by_driver
        of_clusters = chain.from_iterable(cluster_findings(settings, part) for part in parts)
        doubts.extend((prefix, warning(*each)) for each in dict.fromkeys(of_clusters))
        for about in (_driver, _metrics):
            doubts.extend((prefix, doubt) for doubt in about(settings, pool))
        alone = len(pool.drivers) == 1
        on_machine = chain.from_iterable(_machine(settings, part, machine, alone=alone) for part in parts)
        doubts.extend((prefix, doubt) for doubt in dict.fromkeys(on_machine))
    doubts.extend(("", doubt) for rule in (_unused, _inherited, _server, _upkeep) for doubt in rule(settings))
    doubts.extend(("", doubt) for doubt in (*budget_findings(settings), *card_findings(settings)))
    doubts.extend(("", warning(*each)) for each in clusters_findings(settings))
    if driver_faults is not None:
        doubts.extend(("", doubt) for doubt in _drivers(settings, driver_faults))
    if bootstrap_faults is not None:
        doubts.extend(("", doubt) for doubt in _bootstraps(settings, bootstrap_faults))
    order = list(Severity)
    doubts.sort(key=lambda each: order.index(each[1].severity))
    return tuple(_problem(settings, prefix, doubt) for prefix, doubt in doubts)


def _problem(settings: Settings, prefix: str, doubt: Doubt) -> Problem:
    key = f"{prefix}.{doubt.key}" if prefix else doubt.key
    return Problem(
        place=settings.place(key),
        key=key,
        message=doubt.message,
        remedy=doubt.remedy,
        severity=doubt.severity,
    )


def _counts(pool: PoolSpec) -> Iterator[Doubt]:
    if pool.size.max_workers == 0:
        yield warning(
            "max_workers",
            "No worker can be created, because max_workers is 0.",
            "Raise max_workers, or remove the pool.",
        )
    if pool.frozen and pool.size.min_workers:
        yield warning("frozen", "The pool is frozen, so min_workers has no effect.", "Write frozen: false.")
    if (least := pool.size.min_workers) and pool.lifetime.ttl_s is not None:
        yield note(
            "ttl",
            f"The {counted(least, 'worker')} of min_workers {agree(least, 'is', 'are')} replaced every {format_duration(pool.lifetime.ttl_s)} (ttl).",
            "Set min_workers: 0, or remove ttl.",
        )


def _taints(pool: PoolSpec) -> Iterator[Doubt]:
    hard = [taint for taint in pool.taints if taint.effect is not TaintEffect.PREFER_NO_SCHEDULE]
    if hard and pool.jobs.default_eligible:
        names = ", ".join(f"{taint.key}={taint.value}" for taint in hard)
        yield note(
            "taints",
            f"Only jobs that tolerate {names} run in this pool.",
            f"Submit with `herder job submit --tolerate {hard[0].key}={hard[0].value} -- …`, or remove the taint.",
        )


def _silence(pool: PoolSpec) -> Iterator[Doubt]:
    if pool.lifetime.dead_after_s < 10:
        yield warning(
            "dead_after",
            f"{format_duration(pool.lifetime.dead_after_s)} without a heartbeat can also be a network problem.",
            "Set dead_after to 30s to 60s.",
        )
    if pool.lifetime.dead_after_s > pool.lifetime.boot_timeout_s:
        yield warning("dead_after", "dead_after is longer than boot_timeout.", "Write 45s.")
    if pool.lifetime.boot_timeout_s < 5:
        yield warning(
            "boot_timeout",
            "boot_timeout is shorter than any machine takes to boot, so every worker would fail.",
            "Write 60s or more.",
        )


def _costs(pool: PoolSpec) -> Iterator[Doubt]:
    if not pool.templates:
        return
    cheapest = min(template.price_pico_per_hour for template in pool.templates)
    standing = cheapest * pool.size.min_workers * HOURS_PER_MONTH
    if standing:
        yield note(
            "min_workers",
            f"{counted(pool.size.min_workers, 'permanent worker')} (min_workers) "
            f"{agree(pool.size.min_workers, 'costs', 'cost')} at least {format_usd(standing, 2)} a month.",
            "Lower min_workers if this is too much.",
        )


def _moves(pool: PoolSpec) -> Iterator[Doubt]:
    """What shrinks a pool more than somebody may expect, or never does."""
    if pool.scale_down.consolidation is not Consolidation.OFF:
        yield note(
            "consolidation",
            "With consolidation, jobs are moved and start again unless they continue from a checkpoint.",
            "Set consolidation: off if jobs cannot be restarted cheaply.",
        )
    headroom = max(pool.scale_up.headroom.workers, int(pool.scale_up.headroom.wanted))
    if headroom and pool.templates:
        cheapest = min(template.price_pico_per_hour for template in pool.templates)
        cost = format_usd(cheapest * headroom * HOURS_PER_MONTH, 2)
        yield note(
            "headroom", f"The headroom costs at least {cost} a month.", "Lower headroom if this is too much."
        )


def _preempts(pool: PoolSpec) -> Iterator[Doubt]:
    if not pool.scale_up.preempts_spot:
        return
    if not pool.size.min_workers and not pool.size.schedules:
        yield warning(
            "preempts_spot",
            "preempts_spot has no effect, because the pool has no min_workers.",
            "Set min_workers.",
        )
    if pool.templates and all(template.spot is SpotUse.YES for template in pool.templates):
        yield warning(
            "preempts_spot",
            "preempts_spot has no effect, because it frees capacity for on-demand workers and the pool only has spot workers.",
            "Set spot: prefer.",
        )


def _spot(pool: PoolSpec) -> Iterator[Doubt]:
    for template in pool.templates:
        limit = template.max_spot_price_pico_per_hour
        prices = [offer.price_pico_per_hour for offer in offers_of(template) if offer.spot]
        if template.spot is not SpotUse.NO and not prices:
            yield warning(
                "templates",
                f"All spot offers of template {template.name!r} cost more than its max_spot_price, so no spot worker is created.",
                "Raise max_spot_price, or set spot: no.",
            )
        if template.spot is SpotUse.NO and (limit or template.spot_price_pico_per_hour):
            yield note(
                "templates",
                f"Template {template.name!r} has a spot price but spot: no.",
                "Set spot: prefer.",
            )
        if template.spot is SpotUse.YES and pool.size.min_workers:
            yield note(
                "templates",
                f"The {counted(pool.size.min_workers, 'worker')} of min_workers from template {template.name!r} are all spot: without spot capacity there are none.",
                "Set spot: prefer.",
            )


def _pressures(pool: PoolSpec) -> Iterator[Doubt]:
    """Rules on real use that cannot take effect, or soon would all the time."""
    for name, pressure in (
        ("cpu_pressure", pool.scale_up.cpu_pressure),
        ("memory_pressure", pool.scale_up.memory_pressure),
    ):
        if pressure is None:
            continue
        if pool.size.max_workers <= max(pool.size.min_workers, 1):
            yield warning(
                name,
                f"{name} never creates a worker, because the pool has at most {counted(pool.size.max_workers, 'worker')}.",
                "Raise max_workers, or remove the setting.",
            )
        if pressure.above < 0.2:
            yield warning(
                name,
                f"The threshold {pressure.above:.0%} is so low that idle workers can exceed it.",
                "Set a value such as 80%.",
            )
        if pressure.for_s < pool.lifetime.heartbeat_s:
            yield note(
                name,
                f"Workers report their use every {format_duration(pool.lifetime.heartbeat_s)}, so a single sample decides.",
                "Set a longer `for`.",
            )


def _metrics(settings: Settings, pool: PoolSpec) -> Iterator[Doubt]:
    sources = {source.name: source for source in settings.metric_sources}
    for metric in pool.scale_up.metrics:
        source = sources.get(metric.source)
        if source is None:
            yield warning(
                "metrics",
                f"Metric {metric.name!r} names source {metric.source!r}, which these files do not define.",
                f"Define metric_sources: {{{metric.source}: {{url: …}}}} in the server's file; without it the metric has no value.",
            )
        elif source.timeout_s > metric.every_s:
            yield warning(
                "metrics",
                f"Metric {metric.name!r} is queried more often (every) than its source may take to answer (timeout).",
                "Set a longer `every`, or a shorter `timeout`.",
            )
    if pool.scale_up.metrics and pool.size.max_workers <= pool.size.min_workers:
        yield warning(
            "metrics",
            f"The metrics never create a worker, because min_workers is {pool.size.min_workers} and max_workers is {pool.size.max_workers}.",
            "Raise max_workers, or remove the metrics.",
        )


def _driver(settings: Settings, pool: PoolSpec) -> Iterator[Doubt]:
    known = {driver.name for driver in settings.drivers} | ALWAYS_THERE
    for driver in sorted(set(pool.drivers) - known):
        yield warning(
            "driver" if driver == pool.driver else "templates",
            f"Driver {driver!r} is not defined under `drivers`.",
            f"Define drivers: {{{driver}: {{…}}}} in the server's file, or use one of {', '.join(sorted(known))}.",
        )


def _drivers(settings: Settings, faults: DriverFaults) -> Iterator[Doubt]:
    """Such a file starts no server."""
    for driver in settings.drivers:
        for setting, message, remedy in faults(driver.kind, dict(driver.settings)):
            yield error(
                f"drivers.{driver.name}.{f'settings.{setting}' if setting else 'kind'}", message, remedy
            )
    kinds = {driver.name: driver.kind for driver in settings.drivers}
    for pool in (part for whole in settings.pools for part in whole.by_driver):
        kind = kinds.get(pool.driver)
        for option, message, remedy in faults(kind, {}, pool) if kind else ():
            own = any(template.driver or template.driver_options for template in pool.templates)
            key = f"pools.{pool.name}.{'templates' if own else 'driver_options'}"
            yield error(f"{key}.{option}" if option and not own else key, message, remedy)


def _bootstraps(settings: Settings, faults: BootstrapFaults) -> Iterator[Doubt]:
    for bootstrap in settings.bootstraps:
        for setting, message, remedy in faults(bootstrap.kind, dict(bootstrap.settings)):
            yield error(f"bootstraps.{bootstrap.name}.{setting or 'kind'}", message, remedy)


def _machine(
    settings: Settings, pool: PoolSpec, machine: Resources | None, *, alone: bool
) -> Iterator[Doubt]:
    """`alone`: no other driver could create the minimum."""
    driver = settings.driver(pool.driver)
    if (driver.kind if driver else pool.driver) != "local":
        return
    for template in pool.templates:
        if template.zones or template.spot is not SpotUse.NO:
            yield warning(
                "templates",
                f"Template {template.name!r} names zones or spot, but driver {pool.driver!r} has neither: it creates all workers on this "
                "machine.",
                "Remove zones and spot, or use another driver.",
            )
    limit = driver.machine if driver and driver.machine else machine
    if limit is None:
        return
    for template in pool.templates:
        lacking = template.allocatable.lacking_in(limit)
        if lacking:
            yield warning(
                "templates",
                f"Template {template.name!r} ({template.allocatable}) is larger than this machine ({limit}).",
                "Use a smaller template, or another driver.",
            )
    smallest = min((template.allocatable for template in pool.templates), default=ZERO)
    if alone and pool.size.min_workers > 1 and smallest.times(pool.size.min_workers).lacking_in(limit):
        yield warning(
            "min_workers",
            f"The {counted(pool.size.min_workers, 'worker')} of min_workers need more than this machine has ({limit}).",
            "Lower min_workers, or use smaller templates.",
        )


def _unused(settings: Settings) -> Iterator[Doubt]:
    used = {template.name for pool in settings.pools for template in pool.templates}
    for template in settings.templates:
        own = template.name not in TEMPLATES or f"templates.{template.name}" in settings.places
        if own and template.name not in used:
            key = f"templates.{template.name}"
            yield note(
                key,
                f"No pool uses template {template.name!r}.",
                "Name the template in a pool, or remove it.",
            )


def _inherited(settings: Settings) -> Iterator[Doubt]:
    """A template named like a built-in one begins as that one: easily overlooked when somebody means a new one."""
    for name, said in (settings.written.get("templates") or {}).items():
        base = TEMPLATES.get(name)
        if base is None or not isinstance(said, dict) or not {"cpu", "memory"} & said.keys():
            continue
        plain = template_to_plain(base)
        taken = [f"{key} {plain[key]}" for key in INHERITED if key not in said and plain[key] not in (0, "0")]
        if taken:
            yield warning(
                f"templates.{name}",
                f"Template {name!r} has the name of a built-in template and inherits from it: {', '.join(taken)}.",
                "Set these values explicitly, or rename the template.",
            )


def _upkeep(settings: Settings) -> Iterator[Doubt]:
    return (warning(*each) for each in doubts_of(settings.sweep, settings.retention))


def _server(settings: Settings) -> Iterator[Doubt]:
    server = settings.server
    if server.host not in _LOOPBACK:
        yield warning(
            "server.listen",
            f"{server.host} is reachable from other machines, and Herder uses plain HTTP there.",
            "Set up a TLS proxy in front of the server, or listen on 127.0.0.1.",
        )
    if server.store_url and ":" in server.store_url.partition("://")[2].rpartition("@")[0]:
        yield warning(
            "server.store_url",
            "The URL of the store contains a password.",
            "Remove the password here and use HERDER_STORE or a pgpass file.",
        )
