"""The section `alerts` of herder.yaml: who is told of alerts, after which time the next one, and other thresholds than the documented ones."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from herder.ledger.alerts.documented import DOCUMENTED, with_thresholds
from herder.model.work.alerts import CARRIED_OUT, AlertRules
from herder.model.work.sharing import PRIORITY_MAX
from herder.settings.sections.alert_channels import (
    CHANNEL_FIELDS,
    LEVELS,
    check_mail,
    one_of,
    read_recipients,
)
from herder.settings.sections.fields import Field, plain
from herder.settings.sections.jobs.job_types import whole_between
from herder.settings.sections.upkeep import between_durations, read_fields
from herder.settings.syntax import validation
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Scalar, Value

SECTION = "alerts"
TIERS = ("hot", "warm", "cold")
_LONGEST_S = 7 * 86_400.0
_POLICIES = {each.id: each for each in DOCUMENTED}
_DURATION = {"type": ["string", "number"]}


def _read_chain(found: Reading, value: Value) -> tuple[str, ...] | None:
    """null, as it is written where nothing is said: as documented for each alert."""
    return None if isinstance(value, Scalar) and value.text is None else read_recipients(found, value)


def _read_thresholds(found: Reading, value: Value) -> Mapping[str, Mapping[str, int]]:
    read: dict[str, Mapping[str, int]] = {}
    for entry in validation.known_only(found, validation.table(found, value), tuple(_POLICIES)):
        levels = validation.table(found, entry.value)
        known = tuple(each.level.word for each in _POLICIES[entry.name].thresholds)
        at = {
            each.name: validation.positive(found, each.value)
            for each in validation.known_only(found, levels, known)
        }
        try:
            with_thresholds(_POLICIES[entry.name], at)
        except ValueError:
            found.wrong(
                entry.value,
                "The thresholds are not in order.",
                "Each level needs more than the one below it, also more than one that is not written.",
            )
        read[entry.name] = at
    return read


def _read_capacity(found: Reading, value: Value) -> Mapping[str, int]:
    entries = validation.known_only(found, validation.table(found, value), TIERS)
    return {each.name: validation.positive(found, each.value) for each in entries}


def _read_off(found: Reading, value: Value) -> tuple[str, ...]:
    names = tuple(validation.text(found, each) for each in validation.listing(found, value))
    for name, each in zip(names, validation.listing(found, value), strict=True):
        if name and name not in _POLICIES:
            found.wrong(each, f"There is no alert {name[:50]!r}.", f"Write one of {', '.join(_POLICIES)}.")
    return names


def _read_carry_out(found: Reading, value: Value) -> tuple[str, ...]:
    names = []
    for each in validation.listing(found, value):
        name = validation.text(found, each)
        if name not in CARRIED_OUT:
            found.wrong(
                each,
                f"{name[:50]!r} is not an action that can be carried out.",
                f"Write one of {', '.join(CARRIED_OUT)}.",
            )
        names.append(name)
    return tuple(names)


def _between(low: int, high: int) -> Callable[[Reading, Value], int]:
    return lambda found, value: whole_between(found, value, low, high)


def _duration(key: str, attribute: str, low_s: float, doc: str) -> Field:
    read = between_durations(low_s, _LONGEST_S)
    return Field(key=key, attribute=attribute, read=read, write=format_duration, schema=_DURATION, doc=doc)


_NAMES = {"type": "array", "items": {"type": "string"}}
ALERT_FIELDS: tuple[Field, ...] = (
    *CHANNEL_FIELDS,
    Field(
        key="chain", attribute="chain", read=_read_chain, write=lambda chain: None if chain is None else list(chain),
        schema={"type": ["array", "null"], "items": {"type": "string"}},
        doc="Recipients that are notified in turn while an alert is not acknowledged. Omitted: as documented for each alert, for example division_gm, coo, cortex_prime.",
    ),
    _duration("cooldown", "cooldown_s", 1.0, "After a notification, an alert of the same subject that is not of a higher level is sent after this time."),
    _duration("escalate_after", "escalate_after_s", 60.0, "After each such time without an acknowledgement the next recipient of the chain is notified."),
    plain(
        "tell_resolved", one_of((*LEVELS, "never")), {"enum": [*LEVELS, "never"]},
        "From this level on, who was notified of an alert is notified when it is resolved. `never`: of no level.",
    ),
    Field(
        key="thresholds", attribute="thresholds", read=_read_thresholds,
        write=lambda by: {policy: dict(at) for policy, at in by.items()},
        schema={
            "type": "object",
            "propertyNames": {"enum": list(_POLICIES)},
            "additionalProperties": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}},
            "examples": [{"storage-capacity": {"warning": 70}}],
        },
        doc="Other thresholds than the documented ones, by alert and level: percent; core-hours for compute-overallocation, dollars for optimization-opportunity.",
    ),
    Field(
        key="storage_capacity", attribute="storage_capacity", read=_read_capacity, write=dict,
        schema={"type": "object", "propertyNames": {"enum": list(TIERS)}, "additionalProperties": {"type": "integer", "minimum": 1}},
        doc="GB by tier, of which reported storage is judged (storage-capacity). A tier that is not named is not judged.",
    ),
    plain(
        "carry_out", _read_carry_out, {"type": "array", "items": {"enum": list(CARRIED_OUT)}},
        "Actions that are carried out while the threshold of an alert that names them is exceeded; the others are only shown. `[]`: none is. spot_only is not among them unless it is written: it changes which workers pools get.",
    ),
    plain(
        "low_priority_below", _between(-PRIORITY_MAX, PRIORITY_MAX), {"type": "integer", "minimum": -PRIORITY_MAX, "maximum": PRIORITY_MAX},
        "Jobs of a lower priority are deferred and throttled.",
    ),
    plain(
        "non_critical_below", _between(-PRIORITY_MAX, PRIORITY_MAX), {"type": "integer", "minimum": -PRIORITY_MAX, "maximum": PRIORITY_MAX},
        "Jobs of a lower priority are stopped.",
    ),
    plain(
        "throttle_percent", _between(0, 100), {"type": "integer", "minimum": 0, "maximum": 100},
        "How many of the jobs that are throttled run at once, in percent of those that run or may start, rounded up.",
    ),
    Field(key="off", attribute="off", read=_read_off, write=list, schema=_NAMES, doc="Alerts that are not raised."),
)  # fmt: skip


def read_alerts(found: Reading, value: Value | None) -> AlertRules:
    rules = replace(AlertRules(), **read_fields(found, value, ALERT_FIELDS))
    if value is not None:
        check_mail(found, value, rules)
    return rules
