"""Contradictions between limits of one pool: each finding names both. Called by the reader of pools; pure."""

from collections.abc import Iterator

from herder.model.fleet.membership import LivesBy
from herder.model.fleet.pool import PoolSpec
from herder.model.values.phrases import counted
from herder.model.values.resources import BUILT_IN
from herder.settings.syntax.durations import format_duration

#: Between two heartbeats of a worker: each costs the server a call, and silence is noticed after three.
HEARTBEAT_LEAST_S = 1.0
HEARTBEAT_LONGEST_S = 600.0
#: No provider announces an interruption so early that more could be given up.
NOTICE_MARGIN_LONGEST_S = 600.0

Contradiction = tuple[str, str, str]
"""(setting, what is wrong, remedy)."""


def contradictions(pool: PoolSpec) -> tuple[Contradiction, ...]:
    return (
        *_live(pool),
        *_schedules(pool),
        *_spare(pool),
        *_times(pool),
        *_unreported(pool),
        *_cluster(pool),
    )


def _cluster(pool: PoolSpec) -> Iterator[Contradiction]:
    joins = pool.membership
    if pool.jobs.one_per_worker and not joins.takes_jobs:
        yield (
            "one_job_per_worker",
            f"one_job_per_worker has no effect, because workers with membership {joins.name} take no jobs of Herder.",
            "Remove one_job_per_worker, or set membership: exchange.",
        )
    if joins.lives_by is LivesBy.NODE and not pool.cluster:
        yield (
            "cluster",
            f"A pool with membership: {joins.name} needs a cluster, because its workers are nodes.",
            "Set `cluster: NAME`, and define that cluster under `clusters:` of the server's file.",
        )
    if pool.cluster and joins.lives_by is not LivesBy.NODE:
        yield (
            "cluster",
            f"cluster has no effect, because workers with membership {joins.name} are not nodes.",
            "Remove cluster, or set membership: kubernetes.",
        )
    if pool.bootstrap and joins.lives_by is not LivesBy.NODE:
        yield (
            "bootstrap",
            f"bootstrap has no effect, because workers with membership {joins.name} are not nodes.",
            "Remove bootstrap, or set membership: kubernetes.",
        )


def _live(pool: PoolSpec) -> Iterator[Contradiction]:
    live = pool.size.max_live_workers
    if live is None:
        return
    if live > pool.size.max_workers:
        yield (
            "max_live_workers",
            f"max_live_workers {live} is above max_workers {pool.size.max_workers}, so it has no effect.",
            "Lower max_live_workers, or raise max_workers.",
        )
    if live < pool.size.min_workers:
        yield (
            "max_live_workers",
            f"max_live_workers {live} is below min_workers {pool.size.min_workers}.",
            "Raise max_live_workers, or lower min_workers.",
        )


def _schedules(pool: PoolSpec) -> Iterator[Contradiction]:
    for schedule in pool.size.schedules:
        own = schedule.max_workers is not None
        most = schedule.max_workers if schedule.max_workers is not None else pool.size.max_workers
        whose = f"its own max_workers {most}" if own else f"the pool's max_workers {most}"
        if schedule.min_workers > most:
            yield (
                "schedules",
                f"Schedule {schedule.cron!r} has min_workers {schedule.min_workers}, above {whose}.",
                f"Give the schedule max_workers of at least {schedule.min_workers}, or a lower min_workers.",
            )
        elif pool.size.max_live_workers is not None and schedule.min_workers > pool.size.max_live_workers:
            yield (
                "schedules",
                f"Schedule {schedule.cron!r} has min_workers {schedule.min_workers}, above max_live_workers "
                f"{pool.size.max_live_workers}.",
                "Raise max_live_workers, or lower the schedule's min_workers.",
            )


def _spare(pool: PoolSpec) -> Iterator[Contradiction]:
    most = (
        pool.size.max_workers
        if pool.size.max_live_workers is None
        else min(pool.size.max_workers, pool.size.max_live_workers)
    )
    name = "max_workers" if most == pool.size.max_workers else "max_live_workers"
    if pool.scale_up.headroom.workers > most:
        yield (
            "headroom",
            f"headroom of {counted(pool.scale_up.headroom.workers, 'worker')} is above {name} {most}.",
            f"Lower headroom, or raise {name}.",
        )
    for field, wanted in pool.scale_up.headroom.free.amounts().items():
        largest = max(
            (template.allocatable.amounts().get(field, 0) for template in pool.templates), default=0
        )
        if pool.templates and wanted > largest * most:
            yield (
                "headroom",
                f"headroom of {_shown(field, wanted)} is above the {_shown(field, largest * most)} of {counted(most, 'worker')} ({name}) "
                "of the largest template.",
                f"Lower headroom, or raise {name}.",
            )


def _shown(resource: str, amount: int) -> str:
    known = next((each for each in BUILT_IN if each.name == resource), None)
    return f"{amount} {resource}" if known is None else known.text(amount)


def _unreported(pool: PoolSpec) -> Iterator[Contradiction]:
    if pool.scale_up.measured and not pool.membership.reports_use:
        name = "cpu_pressure" if pool.scale_up.cpu_pressure is not None else "memory_pressure"
        yield (
            name,
            f"{name} has no effect, because workers with membership {pool.membership.name} do not report what they use.",
            f"Remove {name}, or set membership: exchange.",
        )


def _times(pool: PoolSpec) -> Iterator[Contradiction]:
    if pool.scale_up.offer_backoff_s > pool.scale_up.offer_backoff_max_s:
        first, most = (
            format_duration(pool.scale_up.offer_backoff_s),
            format_duration(pool.scale_up.offer_backoff_max_s),
        )
        yield (
            "offer_backoff",
            f"offer_backoff {first} is above offer_backoff_max {most}.",
            "Lower offer_backoff, or raise offer_backoff_max.",
        )
    heartbeat_s = pool.lifetime.heartbeat_max_s
    if not HEARTBEAT_LEAST_S <= heartbeat_s <= HEARTBEAT_LONGEST_S:
        yield (
            "heartbeat",
            f"heartbeat {format_duration(heartbeat_s)} is not between 1s and 10m.",
            "Write 10s, or up to 1m for a large fleet.",
        )
    if pool.lifetime.notice_margin_s > NOTICE_MARGIN_LONGEST_S:
        yield (
            "notice_margin",
            f"notice_margin {format_duration(pool.lifetime.notice_margin_s)} is above 10m.",
            "Write 5s, or up to 1m where the ends of attempts are reported slowly.",
        )
    if pool.scale_down.fraction is not None and pool.scale_down.period_s <= 0:
        yield (
            "scale_down_period",
            "scale_down_fraction has no effect, because scale_down_period is 0.",
            "Set a value such as scale_down_period: 30m.",
        )
