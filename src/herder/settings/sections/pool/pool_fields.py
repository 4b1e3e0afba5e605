"""The settings of a pool, each described once. Reader, writer, schema and documents use `POOL_FIELDS`."""

from dataclasses import replace

from herder.memberships.registry import UnknownMembership, load
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.membership import EXCHANGE, Membership
from herder.model.fleet.pool import Consolidation, CpuLimit
from herder.settings.sections.creations import POOL_STEP_FIELDS
from herder.settings.sections.fields import (
    COUNT,
    DURATION,
    FLAG,
    FRACTION,
    LIMIT,
    MAYBE_COUNT,
    PERCENT,
    Field,
    duration,
    limit,
    limit_text,
    pairs,
    plain,
    pressure,
    same,
)
from herder.settings.sections.pool import repairs, schedules, triggers, upkeep_fields
from herder.settings.sections.pool.bounds import BOUNDS
from herder.settings.sections.pool.node_fields import NODE_FIELDS
from herder.settings.sections.pool.taints import read_taints, write_taints
from herder.settings.syntax import validation
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Value


def _read_membership(found: Reading, value: Value) -> Membership:
    name = validation.text(found, value)
    try:
        return load(name) if name else EXCHANGE
    except UnknownMembership as error:
        found.wrong(value, error.message, error.remedy)
        return EXCHANGE


def _read_cpu_limit(found: Reading, value: Value) -> CpuLimit:
    return validation.choice(found, value, CpuLimit, CpuLimit.WEIGHT)


def _read_consolidation(found: Reading, value: Value) -> Consolidation:
    # YAML 1.1 reads a bare `off` as false.
    if getattr(value, "text", None) == "false":
        return Consolidation.OFF
    return validation.choice(found, value, Consolidation, Consolidation.OFF)


def _bounded(field: Field) -> Field:
    """With what people may write, for the schema and the documents."""
    if field.key not in BOUNDS:
        return field
    bound = BOUNDS[field.key][1]
    doc = f"{field.doc} {bound}."
    limits = {} if bound.seconds else {"minimum": int(bound.low), "maximum": int(bound.high)}
    return replace(field, doc=doc, schema={**field.schema, **limits})


_FIELDS: tuple[Field, ...] = (
    Field(
        key="membership",
        attribute="membership",
        read=_read_membership,
        write=lambda membership: membership.name,
        schema={"type": "string", "examples": ["exchange", "kubernetes", "none"]},
        doc="What the workers join: exchange (Herder's agent, which runs jobs), kubernetes (nodes of a cluster, which run pods), or none (the "
        "pool only has a size). It cannot change while the pool has workers.",
    ),
    *NODE_FIELDS,
    plain("description", validation.text, {"type": "string"}, "What the pool is for; shown to people."),
    plain("driver", validation.name, {"type": "string"}, "The driver that creates the workers."),
    plain("min_workers", validation.whole, COUNT, "The number of workers that is always kept.", "size."),
    plain(
        "max_workers",
        validation.whole,
        COUNT,
        "The largest number of workers at a time, including those being drained.",
        "size.",
    ),
    plain(
        "max_live_workers",
        schedules.read_optional_count,
        MAYBE_COUNT,
        "The largest number of workers that are not being drained. Below max_workers it allows for replacements. null: no limit.",
        "size.",
    ),
    plain(
        "new_workers_per_cycle",
        validation.positive,
        {"type": "integer", "minimum": 1},
        "The largest number of workers that one plan creates. It limits the damage of a wrong demand.",
        "size.",
    ),
    duration("scale_up_cooldown", "The minimum time between two scale-ups.", "scale_up.cooldown_s"),
    duration("scale_down_cooldown", "The minimum time between two scale-downs.", "scale_down.cooldown_s"),
    limit(
        "idle_timeout",
        "A worker is removed when it has been idle for this time. null: idle workers are not removed.",
        "scale_down.idle_timeout_s",
    ),
    plain(
        "wait_cost",
        schedules.read_optional_count,
        MAYBE_COUNT,
        "How many seconds of an idle worker are worth one second of a job's waiting, for example 30. The pool then keeps idle workers according "
        "to how suddenly the demand has risen recently, and removes the others when they have cost as much as a boot, after idle_timeout at "
        "the latest. Without effect when it is null or the template has no price.",
        "scale_up.",
    ),
    duration(
        "offer_backoff",
        "How long a template is not used after a worker could not be created from it; doubled by each further failure, after which one worker "
        "is tried. 4 times as long for the whole pool after an exceeded quota, 40 times after an invalid request.",
        "scale_up.offer_backoff_s",
    ),
    duration(
        "offer_backoff_max",
        "The longest pause of a template, before these factors.",
        "scale_up.offer_backoff_max_s",
    ),
    Field(
        key="schedules",
        attribute="size.schedules",
        read=schedules.read_schedules,
        write=schedules.write_schedules,
        schema={"type": "array", "items": {"$ref": "#/$defs/schedule"}},
        doc="Other limits at certain times: cron, timezone, min_workers, max_workers, lead_time, duration.",
    ),
    Field(
        key="headroom",
        attribute="scale_up.headroom",
        read=schedules.read_headroom,
        write=schedules.write_headroom,
        schema={"anyOf": [COUNT, {"$ref": "#/$defs/headroom"}, {"type": "null"}]},
        doc="Free capacity to keep in addition to the queue: a number of idle workers, or cpu, memory, disk and gpu in total.",
    ),
    plain(
        "target_utilisation",
        schedules.read_fraction,
        FRACTION,
        "More workers are added when more than this part of the pool's capacity is in use or requested. null: never.",
        "scale_up.",
    ),
    pressure("cpu_pressure", "CPU", "80%"),
    pressure("memory_pressure", "memory", "85%"),
    Field(
        key="metrics",
        attribute="scale_up.metrics",
        read=triggers.read_metrics,
        write=triggers.write_metrics,
        schema={"type": "array", "items": {"$ref": "#/$defs/metric"}},
        doc="Metrics of other systems that request workers: name, query (PromQL), per_worker, source, value (total or average), "
        "activation, tolerance, every and keep.",
    ),
    Field(
        key="scale_down_fraction",
        attribute="scale_down.fraction",
        read=schedules.read_fraction,
        write=same,
        schema=FRACTION,
        doc="The largest part of the pool that is removed in scale_down_period, and at least one worker. null: no limit.",
    ),
    duration("scale_down_period", "The period of scale_down_fraction.", "scale_down.period_s"),
    Field(
        key="consolidation",
        attribute="scale_down.consolidation",
        read=_read_consolidation,
        write=str,
        schema={"enum": [each.value for each in Consolidation]},
        doc="break_even: a worker is drained when its work fits on other workers and this saves more than it loses. off (the default), because "
        "a moved job starts again unless it continues from a checkpoint.",
    ),
    plain(
        "preempts_spot",
        validation.flag,
        FLAG,
        "When there is no capacity for min_workers, spot workers of other pools of the same driver (and zone) are drained, those with the "
        "smallest loss first, within their drain_grace and disruption_budget. Those pools get no new spot workers there until min_workers is met.",
        "scale_up.",
    ),
    Field(
        key="disruption_budget",
        attribute="scale_down.disruption_budget",
        read=upkeep_fields.read_budgets,
        write=upkeep_fields.write_budgets,
        schema={"anyOf": [COUNT, PERCENT, {"type": "array", "items": {"$ref": "#/$defs/budget"}}]},
        doc="The largest number of busy workers that are drained by choice, and of workers that are replaced, at a time: a number, a percentage of "
        "the pool (rounded up), or a list of budgets with workers, reasons (underutilised, consolidation, preempted, drifted, soft_ttl, expired) and "
        "a window (cron or start, timezone, duration). The smallest that is in force counts; 1 where none is. A budget without reasons is for all "
        "but expired.",
    ),
    limit("ttl", "How long a worker lives. null: no limit.", "lifetime.ttl_s"),
    limit("ttl_max", "The longest life of a worker, including extensions.", "lifetime.ttl_max_s"),
    limit(
        "ttl_soft",
        "A worker that is older is replaced, in a maintenance window and under the disruption_budget. null: none is. Extended workers are not.",
        "lifetime.ttl_soft_s",
    ),
    duration(
        "ttl_warning",
        "How long before the end of its ttl a worker is announced (event worker.expires_soon). 0s: not at all.",
        "lifetime.ttl_warning_s",
    ),
    duration(
        "ttl_grace",
        "How long after the end of its ttl a busy worker keeps its attempts, without new ones, before it drains. Until then it can be extended. "
        "An idle worker is removed at once.",
        "lifetime.ttl_grace_s",
    ),
    Field(
        key="ttl_jitter",
        attribute="lifetime.ttl_jitter",
        read=upkeep_fields.read_jitter,
        write=same,
        schema=FRACTION,
        doc="The largest part by which ttl and ttl_soft are shortened, for each worker differently, so that workers that were created together do not "
        "end together: 0 to 50%.",
    ),
    Field(
        key="maintenance_windows",
        attribute="upkeep.maintenance_windows",
        read=upkeep_fields.read_windows,
        write=upkeep_fields.write_windows,
        schema={"type": "array", "items": {"$ref": "#/$defs/window"}},
        doc="When workers are replaced because of ttl_soft or replace_drifted: cron, or start for every day, with timezone and duration. Without "
        "windows: at any time.",
    ),
    plain(
        "replace_drifted",
        validation.flag,
        FLAG,
        "Whether workers are replaced, one after another, that differ from what the pool would create now: template, labels, taints, driver or "
        "version of the agent.",
        "upkeep.",
    ),
    duration("extension", "The length of one extension.", "lifetime.extension_s"),
    plain(
        "extensions_max",
        validation.whole,
        COUNT,
        "The largest number of extensions of a worker.",
        "lifetime.",
    ),
    duration(
        "drain_grace",
        "How long running attempts may continue after a drain began, and how long pods are evicted from a node (default there: 10m).",
        "lifetime.drain_grace_s",
    ),
    duration(
        "notice_margin",
        "How long before a provider takes a machine back its attempts are ended, from 0s to 10m; at most half of a notice.",
        "lifetime.notice_margin_s",
    ),
    Field(
        key="on_blocked",
        attribute="lifetime.on_blocked",
        read=lambda found, value: validation.choice(found, value, OnBlocked, OnBlocked.FORCE),
        write=str,
        schema={"enum": [each.value for each in OnBlocked]},
        doc="What happens when attempts still run at the end of drain_grace. force: they are ended and retried on other workers. wait: they "
        "run on, and the drain is reported as blocked. For nodes of a cluster the default is wait, and force deletes pods that their "
        "PodDisruptionBudgets protect.",
    ),
    duration(
        "boot_timeout",
        "The longest time from the driver's first call to a ready worker; after it the creation has failed. Default: the sum of step_timeouts "
        "without claim.",
        "lifetime.boot_timeout_s",
    ),
    *POOL_STEP_FIELDS,
    duration("dead_after", "A worker without a heartbeat for this time is dead.", "lifetime.dead_after_s"),
    duration(
        "heartbeat",
        "The longest time between two heartbeats of a worker, from 1s to 10m. A third of dead_after, where that is shorter.",
        "lifetime.heartbeat_max_s",
    ),
    Field(
        key="repair",
        attribute="repair.rules",
        read=repairs.read_repair,
        write=repairs.write_repair,
        schema={
            "anyOf": [
                {"enum": ["default", "off", False]},
                {"type": "array", "items": {"$ref": "#/$defs/repair_rule"}},
            ]
        },
        doc="What is done about sick workers: default (the documented table), off, or rows of condition, after (or count) and rung: clean_up, "
        "restart_service, reboot, replace or escalate. A rung that the driver cannot carry out is skipped.",
    ),
    Field(
        key="repair_tries",
        attribute="repair.tries",
        read=repairs.read_tries,
        write=same,
        schema={"type": "integer", "minimum": 1, "maximum": repairs.TRIES_MAX},
        doc="The largest number of rungs that are carried out on one worker. After them it is replaced where the table has that rung, else an event asks for a person.",
    ),
    Field(
        key="repair_cooldown",
        attribute="repair.cooldown_s",
        read=repairs.read_bounded,
        write=format_duration,
        schema=DURATION,
        doc="The time between two repeats of the last rung, and the time for which a worker must be well until its tries are forgotten.",
    ),
    Field(
        key="repair_breaker",
        attribute="repair.breaker",
        read=repairs.read_breaker,
        write=repairs.write_breaker,
        schema={"$ref": "#/$defs/repair_breaker"},
        doc="The largest number of workers of the pool under repair at a time, or begun within window: the lower of workers and percent, at least "
        "1, and never all of a pool of 2 or more.",
    ),
    Field(
        key="quarantine",
        attribute="repair.quarantine",
        read=repairs.read_quarantine,
        write=same,
        schema={"type": "integer", "minimum": 0, "maximum": repairs.QUARANTINE_MAX},
        doc="How many sick workers are kept for inspection instead of being replaced. They take no work and count towards max_workers, not "
        "min_workers. Above this number the oldest is removed.",
    ),
    Field(
        key="quarantine_age",
        attribute="repair.quarantine_age_s",
        read=repairs.read_bounded,
        write=format_duration,
        schema=DURATION,
        doc="The longest time that a worker is kept for inspection.",
    ),
    duration(
        "clock_skew",
        "A worker whose clock differs from the server's by more has condition ClockSkew. A smaller difference may be the delay of a message.",
        "repair.clock_skew_s",
    ),
    Field(
        key="minimum_run_time",
        attribute="jobs.minimum_run_s",
        read=validation.limit_duration,
        write=limit_text,
        schema=LIMIT,
        doc="The time that an attempt runs in this pool before it can be preempted. null: the value of fair_share.",
    ),
    Field(
        key="one_job_per_worker",
        attribute="jobs.one_per_worker",
        read=validation.flag,
        write=same,
        schema=FLAG,
        doc="Whether a worker takes one job only and is removed when that has ended, as a driver for Kubernetes Jobs needs it. The templates of the pool then have 1 slot.",
    ),
    pairs("labels", "labels", "Labels of each worker, matched by the selectors of jobs."),
    Field(
        key="taints",
        attribute="taints",
        read=read_taints,
        write=write_taints,
        schema={"type": "array", "items": {"$ref": "#/$defs/taint"}},
        doc="Only jobs that tolerate these taints run in the pool.",
    ),
    Field(
        key="cpu_limit",
        attribute="jobs.cpu_limit",
        read=_read_cpu_limit,
        write=str,
        schema={"enum": [each.value for each in CpuLimit]},
        doc="weight: jobs share the CPU in proportion to their requests and may use idle CPU. hard: no job uses more than it requested.",
    ),
    plain(
        "containers",
        validation.flag,
        FLAG,
        "Whether the machines of this pool have a container engine (Docker or Podman), so that jobs with an image run there.",
        "jobs.",
    ),
    plain(
        "default_eligible",
        validation.flag,
        FLAG,
        "Whether jobs that name no pool can run in this pool.",
        "jobs.",
    ),
    plain("frozen", validation.flag, FLAG, "While this is true, no workers are created or removed."),
    pairs("driver_options", "driver_options", "Settings that are passed to the driver unchanged."),
)

#: Everything of a pool but its name and its templates.
POOL_FIELDS: tuple[Field, ...] = tuple(_bounded(field) for field in _FIELDS)

POOL_KEYS = ("name", "preset", "templates", *(field.key for field in POOL_FIELDS))
