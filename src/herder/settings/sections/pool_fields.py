"""The settings of a pool, each described once. `pool_fields.POOL_FIELDS` is what reader, writer, schema and documents go through."""

from herder.memberships.registry import UnknownMembership, load, memberships
from herder.model.membership import EXCHANGE, Membership
from herder.model.pool import Consolidation, CpuLimit
from herder.settings.sections import schedules, triggers
from herder.settings.sections.fields import (
    COUNT,
    FLAG,
    FRACTION,
    LIMIT,
    MAYBE_COUNT,
    Field,
    duration,
    limit,
    limit_text,
    pairs,
    plain,
    pressure,
    same,
)
from herder.settings.sections.taints import read_taints, write_taints
from herder.settings.syntax import reading
from herder.settings.syntax.reading import Reading
from herder.settings.syntax.values import Value


def _read_membership(found: Reading, value: Value) -> Membership:
    name = reading.text(found, value)
    try:
        return load(name) if name else EXCHANGE
    except UnknownMembership as error:
        message, _, remedy = str(error).partition("; ")
        others = (
            remedy or f"correct it, or use one of {', '.join(each for each in memberships() if each != name)}"
        )
        found.wrong(value, message, others[:1].upper() + others[1:] + ".")
        return EXCHANGE


def _read_cpu_limit(found: Reading, value: Value) -> CpuLimit:
    return reading.choice(found, value, CpuLimit, CpuLimit.WEIGHT)


def _read_consolidation(found: Reading, value: Value) -> Consolidation:
    # YAML 1.1 reads a bare `off` as false.
    if getattr(value, "text", None) == "false":
        return Consolidation.OFF
    return reading.choice(found, value, Consolidation, Consolidation.OFF)


#: Everything of a pool but its name and its templates.
POOL_FIELDS: tuple[Field, ...] = (
    Field(
        key="membership",
        attribute="membership",
        read=_read_membership,
        write=lambda membership: membership.name,
        schema={"type": "string", "examples": ["exchange", "none"]},
        doc="What its workers join: exchange (our agent, which takes jobs), or none (a pool that only has a size). A pool with workers "
        "keeps it.",
    ),
    plain("description", reading.text, {"type": "string"}, "For people: what the pool is for."),
    plain("driver", reading.name, {"type": "string"}, "The driver that makes its workers."),
    plain("min_workers", reading.whole, COUNT, "Kept ready always.", "size."),
    plain(
        "max_workers",
        reading.whole,
        COUNT,
        "Never more than this many at a time; those that drain count until they have ended.",
        "size.",
    ),
    plain(
        "max_live_workers",
        schedules.read_optional_count,
        MAYBE_COUNT,
        "Never more than this many that do not leave; below max_workers it keeps room for successors. null: none.",
        "size.",
    ),
    plain(
        "new_workers_per_cycle",
        reading.positive,
        {"type": "integer", "minimum": 1},
        "Most workers made by one plan: bounds the damage of a wrong demand figure.",
        "size.",
    ),
    duration("scale_up_cooldown", "Least time between two growths.", "scale_up.cooldown_s"),
    duration("scale_down_cooldown", "Least time between two shrinkages.", "scale_down.cooldown_s"),
    limit(
        "idle_timeout",
        "A worker without work goes after this long; null: never for idleness.",
        "scale_down.idle_timeout_s",
    ),
    plain(
        "wait_cost",
        schedules.read_optional_count,
        MAYBE_COUNT,
        "How many seconds of an idle worker one second of a job's waiting is worth, 30 for example: as many idle workers are made "
        "and kept as are worth it by how suddenly the demand has risen lately, and the others go when they have cost as much as a "
        "boot, at idle_timeout at the latest. null or a template without a price: idle workers are not weighed.",
        "scale_up.",
    ),
    duration(
        "offer_backoff",
        "A template whose creation failed is passed over for this long, doubled by each further failure; then one worker "
        "of it is tried. 4 times as long for the whole pool after a quota, 40 times after a request that is invalid.",
        "scale_up.offer_backoff_s",
    ),
    duration(
        "offer_backoff_max",
        "The longest rest of a template, before those factors.",
        "scale_up.offer_backoff_max_s",
    ),
    Field(
        key="schedules",
        attribute="size.schedules",
        read=schedules.read_schedules,
        write=schedules.write_schedules,
        schema={"type": "array", "items": {"$ref": "#/$defs/schedule"}},
        doc="Other numbers of workers at certain times: cron, timezone, min_workers, max_workers, lead_time, duration.",
    ),
    Field(
        key="headroom",
        attribute="scale_up.headroom",
        read=schedules.read_headroom,
        write=schedules.write_headroom,
        schema={"anyOf": [COUNT, {"$ref": "#/$defs/headroom"}, {"type": "null"}]},
        doc="Free capacity to keep beyond the queue: so many workers with nothing to do, or cpu, memory, disk, gpu in sum.",
    ),
    plain(
        "target_utilisation",
        schedules.read_fraction,
        FRACTION,
        "More workers are made when more than this part of the pool's capacity is in use or asked for; null: never.",
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
        doc="Figures of other systems that want workers: name, query (PromQL), per_worker, and source, value (total or average), "
        "activation, tolerance, every, keep.",
    ),
    Field(
        key="scale_down_fraction",
        attribute="scale_down.fraction",
        read=schedules.read_fraction,
        write=same,
        schema=FRACTION,
        doc="At most this part of the pool goes in scale_down_period, at least one; null: idle workers go at once.",
    ),
    duration(
        "scale_down_period", "The stretch of time that scale_down_fraction counts in.", "scale_down.period_s"
    ),
    Field(
        key="consolidation",
        attribute="scale_down.consolidation",
        read=_read_consolidation,
        write=str,
        schema={"enum": [each.value for each in Consolidation]},
        doc="break_even: drain a worker whose work fits elsewhere when that saves more than it loses. off, because a moved "
        "job begins anew unless it continues from a checkpoint.",
    ),
    plain(
        "preempts_spot",
        reading.flag,
        FLAG,
        "When the minimum finds no capacity, spot workers of other pools of the same driver (and zone) are drained for it, the cheapest "
        "loss first, within their drain_grace and disruption_budget; until it is met they get no new spot there.",
        "scale_up.",
    ),
    plain(
        "disruption_budget",
        reading.whole,
        COUNT,
        "Most workers that work and drain at a time to save money.",
        "scale_down.",
    ),
    limit("ttl", "How long a worker lives; null: without limit.", "lifetime.ttl_s"),
    limit("ttl_max", "How long a worker lives at most, extensions included.", "lifetime.ttl_max_s"),
    duration("extension", "How much one extension adds.", "lifetime.extension_s"),
    plain("extensions_max", reading.whole, COUNT, "How often a worker may be extended.", "lifetime."),
    duration(
        "drain_grace", "How long running attempts may go on after a drain began.", "lifetime.drain_grace_s"
    ),
    duration("boot_timeout", "From request to ready; then the claim has failed.", "lifetime.boot_timeout_s"),
    duration("dead_after", "Silence after which a worker counts as dead.", "lifetime.dead_after_s"),
    Field(
        key="minimum_run_time",
        attribute="jobs.minimum_run_s",
        read=reading.limit_duration,
        write=limit_text,
        schema=LIMIT,
        doc="No attempt is preempted here before it has run so long; null: as fair_share says.",
    ),
    pairs("labels", "labels", "Labels of each worker, matched by the selectors of jobs."),
    Field(
        key="taints",
        attribute="taints",
        read=read_taints,
        write=write_taints,
        schema={"type": "array", "items": {"$ref": "#/$defs/taint"}},
        doc="Only jobs that tolerate these run here.",
    ),
    Field(
        key="cpu_limit",
        attribute="jobs.cpu_limit",
        read=_read_cpu_limit,
        write=str,
        schema={"enum": [each.value for each in CpuLimit]},
        doc="weight: jobs share CPU by what they asked for, and may use what is idle; hard: none uses more than it asked for.",
    ),
    plain("default_eligible", reading.flag, FLAG, "Whether jobs that name no pool may run here.", "jobs."),
    plain("frozen", reading.flag, FLAG, "Nothing is made or removed while this is true."),
    pairs("driver_options", "driver_options", "Settings of the pool's driver, passed on to it unread."),
)

POOL_KEYS = ("name", "preset", "templates", *(field.key for field in POOL_FIELDS))
