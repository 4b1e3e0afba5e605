"""The settings of a pool and of a template, each described once: its key, how to read, write and explain it.

This table makes the reader, the writer (`pools`) and the JSON schema (`schema`) agree. It holds no rule between settings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from herder.memberships.registry import UnknownMembership, load, memberships
from herder.model.membership import EXCHANGE, Membership
from herder.model.money import usd_text
from herder.model.pool import Consolidation, CpuLimit, SpotUse
from herder.model.resources import plain_cpu, plain_mib
from herder.settings.sections import markets, schedules, triggers
from herder.settings.sections.taints import read_taints, write_taints
from herder.settings.syntax import amounts, reading
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.reading import Reading
from herder.settings.syntax.values import Value

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One setting: `key` in the file, `attribute` of the dataclass, as in `size.max_workers` when it is one of a group."""

    key: str
    attribute: str
    read: Callable[[Reading, Value], Any]
    write: Callable[[Any], Any]
    schema: Schema
    doc: str

    def of(self, spec: object) -> Any:
        """Its value there."""
        return attrgetter(self.attribute)(spec)


def _same(value: Any) -> Any:
    return value


def _limit_text(seconds: float | None) -> str | None:
    return None if seconds is None else format_duration(seconds)


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


_DURATION: Schema = {
    "anyOf": [{"type": "string", "pattern": "^[0-9.]+\\s*(ms|s|m|h|d)?"}, {"type": "number", "minimum": 0}]
}
_LIMIT: Schema = {"anyOf": [*_DURATION["anyOf"], {"type": "null"}]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SIZE: Schema = {"type": ["string", "integer"], "examples": ["512Mi", "4Gi"]}
_MAYBE_COUNT: Schema = {"type": ["integer", "null"], "minimum": 0}
_FRACTION: Schema = {"type": ["number", "string", "null"], "examples": [0.7, "70%"]}
_PAIRS: Schema = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
_FLAG: Schema = {"type": "boolean"}


def _duration(key: str, doc: str, attribute: str) -> Field:
    return Field(
        key=key,
        attribute=attribute,
        read=reading.duration,
        write=format_duration,
        schema=_DURATION,
        doc=doc,
    )


def _limit(key: str, doc: str, attribute: str) -> Field:
    return Field(
        key=key,
        attribute=attribute,
        read=reading.limit_duration,
        write=_limit_text,
        schema=_LIMIT,
        doc=doc,
    )


def _plain(
    key: str, read: Callable[[Reading, Value], Any], schema: Schema, doc: str, group: str = ""
) -> Field:
    return Field(key=key, attribute=group + key, read=read, write=_same, schema=schema, doc=doc)


def _pairs(key: str, attribute: str, doc: str) -> Field:
    read = reading.labels if key == "labels" else reading.pairs
    return Field(key=key, attribute=attribute, read=read, write=dict, schema=_PAIRS, doc=doc)


def _pressure(key: str, what: str, usual: str) -> Field:
    return Field(
        key=key,
        attribute="scale_up." + key,
        read=triggers.read_pressure,
        write=triggers.write_pressure,
        schema={"anyOf": [_FRACTION, {"$ref": "#/$defs/pressure"}]},
        doc=f"More workers when their processes really use more {what} than `above` (usual: {usual}) for `for` (5m). They grow "
        "to `target`, and never shrink above it (default: 7/8 of above). null: not asked for.",
    )


def _price(key: str, attribute: str, doc: str) -> Field:
    schema: Schema = {"type": ["string", "number", "null"], "examples": ["0.12"]}
    return Field(
        key=key,
        attribute=attribute,
        read=markets.read_price,
        write=markets.write_price,
        schema=schema,
        doc=doc,
    )


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
    _plain("description", reading.text, {"type": "string"}, "For people: what the pool is for."),
    _plain("driver", reading.name, {"type": "string"}, "The driver that makes its workers."),
    _plain("min_workers", reading.whole, _COUNT, "Kept ready always.", "size."),
    _plain(
        "max_workers",
        reading.whole,
        _COUNT,
        "Never more than this many at a time; those that drain count until they have ended.",
        "size.",
    ),
    _plain(
        "max_live_workers",
        schedules.read_optional_count,
        _MAYBE_COUNT,
        "Never more than this many that do not leave; below max_workers it keeps room for successors. null: none.",
        "size.",
    ),
    _plain(
        "new_workers_per_cycle",
        reading.positive,
        {"type": "integer", "minimum": 1},
        "Most workers made by one plan: bounds the damage of a wrong demand figure.",
        "size.",
    ),
    _duration("scale_up_cooldown", "Least time between two growths.", "scale_up.cooldown_s"),
    _duration("scale_down_cooldown", "Least time between two shrinkages.", "scale_down.cooldown_s"),
    _limit(
        "idle_timeout",
        "A worker without work goes after this long; null: never for idleness.",
        "scale_down.idle_timeout_s",
    ),
    _plain(
        "wait_cost",
        schedules.read_optional_count,
        _MAYBE_COUNT,
        "How many seconds of an idle worker one second of a job's waiting is worth, 30 for example: as many idle workers are made "
        "and kept as are worth it by how suddenly the demand has risen lately, and the others go when they have cost as much as a "
        "boot, at idle_timeout at the latest. null or a template without a price: idle workers are not weighed.",
        "scale_up.",
    ),
    _duration(
        "offer_backoff",
        "A template whose creation failed is passed over for this long, doubled by each further failure; then one worker "
        "of it is tried. 4 times as long for the whole pool after a quota, 40 times after a request that is invalid.",
        "scale_up.offer_backoff_s",
    ),
    _duration(
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
        schema={"anyOf": [_COUNT, {"$ref": "#/$defs/headroom"}, {"type": "null"}]},
        doc="Free capacity to keep beyond the queue: so many workers with nothing to do, or cpu, memory, disk, gpu in sum.",
    ),
    _plain(
        "target_utilisation",
        schedules.read_fraction,
        _FRACTION,
        "More workers are made when more than this part of the pool's capacity is in use or asked for; null: never.",
        "scale_up.",
    ),
    _pressure("cpu_pressure", "CPU", "80%"),
    _pressure("memory_pressure", "memory", "85%"),
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
        write=_same,
        schema=_FRACTION,
        doc="At most this part of the pool goes in scale_down_period, at least one; null: idle workers go at once.",
    ),
    _duration(
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
    _plain(
        "preempts_spot",
        reading.flag,
        _FLAG,
        "When the minimum finds no capacity, spot workers of other pools of the same driver (and zone) are drained for it, the cheapest "
        "loss first, within their drain_grace and disruption_budget; until it is met they get no new spot there.",
        "scale_up.",
    ),
    _plain(
        "disruption_budget",
        reading.whole,
        _COUNT,
        "Most workers that work and drain at a time to save money.",
        "scale_down.",
    ),
    _limit("ttl", "How long a worker lives; null: without limit.", "lifetime.ttl_s"),
    _limit("ttl_max", "How long a worker lives at most, extensions included.", "lifetime.ttl_max_s"),
    _duration("extension", "How much one extension adds.", "lifetime.extension_s"),
    _plain("extensions_max", reading.whole, _COUNT, "How often a worker may be extended.", "lifetime."),
    _duration(
        "drain_grace", "How long running attempts may go on after a drain began.", "lifetime.drain_grace_s"
    ),
    _duration("boot_timeout", "From request to ready; then the claim has failed.", "lifetime.boot_timeout_s"),
    _duration("dead_after", "Silence after which a worker counts as dead.", "lifetime.dead_after_s"),
    Field(
        key="minimum_run_time",
        attribute="jobs.minimum_run_s",
        read=reading.limit_duration,
        write=_limit_text,
        schema=_LIMIT,
        doc="No attempt is preempted here before it has run so long; null: as fair_share says.",
    ),
    _pairs("labels", "labels", "Labels of each worker, matched by the selectors of jobs."),
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
    _plain("default_eligible", reading.flag, _FLAG, "Whether jobs that name no pool may run here.", "jobs."),
    _plain("frozen", reading.flag, _FLAG, "Nothing is made or removed while this is true."),
    _pairs("driver_options", "driver_options", "Settings of the pool's driver, passed on to it unread."),
)

#: Everything of a template but its name. The first five make up `Template.allocatable`.
TEMPLATE_FIELDS: tuple[Field, ...] = (
    Field(
        key="cpu",
        attribute="cpu_milli",
        read=reading.cpu,
        write=plain_cpu,
        schema={"type": ["string", "number"]},
        doc="Cores that jobs may use of a worker: 4, 0.5 or 3800m.",
    ),
    Field(
        key="memory",
        attribute="memory_mib",
        read=reading.size,
        write=plain_mib,
        schema=_SIZE,
        doc="Memory that jobs may use.",
    ),
    Field(
        key="disk",
        attribute="disk_mib",
        read=reading.size,
        write=plain_mib,
        schema=_SIZE,
        doc="Disk that jobs may use.",
    ),
    _plain("gpu", reading.whole, _COUNT, "GPUs, as devices."),
    Field(
        key=amounts.SECTION,
        attribute=amounts.SECTION,
        read=amounts.read_own,
        write=_same,
        schema={"type": "object", "additionalProperties": {"type": ["string", "number"]}},
        doc="What else jobs may use of a worker, by the names in the section `resources:`, as in {licence/abaqus: 2}.",
    ),
    _plain(
        "gpu_model",
        reading.text,
        {"type": "string"},
        "Which GPUs these are, as in a100; jobs may ask for it.",
    ),
    _plain(
        "gpu_parts",
        reading.positive,
        {"type": "integer", "minimum": 1},
        "Equal parts that each GPU is split into. Above 1, only jobs that ask for a share of a GPU run here.",
    ),
    Field(
        key="price_per_hour",
        attribute="price_pico_per_hour",
        read=reading.price,
        write=usd_text,
        schema={"type": ["string", "number"], "examples": ["0.12"]},
        doc="US dollars for an hour of one worker.",
    ),
    _plain(
        "slots",
        reading.positive,
        {"type": "integer", "minimum": 1},
        "Most attempts at a time on one worker, whatever their size.",
    ),
    _pairs("labels", "labels", "Labels of the workers made from it, besides the pool's."),
    Field(
        key="zones",
        attribute="zones",
        read=markets.read_zones,
        write=markets.write_zones,
        schema={"type": "array", "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/zone"}]}},
        doc="Where the driver may make it: names, or name, price_per_hour, spot_price_per_hour, max_workers (the quota there). "
        "Workers get the label `zone`. Default: wherever the driver likes.",
    ),
    Field(
        key="spot",
        attribute="spot",
        read=markets.read_spot,
        write=str,
        schema={"enum": [*(each.value for each in SpotUse), True, False]},
        doc="no (the default); yes: only spot; prefer: spot, and on-demand where spot is short, or costs no less. Spot workers get "
        "the label `spot: true`.",
    ),
    _price(
        "spot_price_per_hour",
        "spot_price_pico_per_hour",
        "What spot costs; null: 30 % of price_per_hour.",
    ),
    _price("max_spot_price", "max_spot_price_pico_per_hour", "Dearer spot is not bought; null: no limit."),
)

POOL_KEYS = ("name", "preset", "templates", *(field.key for field in POOL_FIELDS))
TEMPLATE_KEYS = ("name", *(field.key for field in TEMPLATE_FIELDS))
