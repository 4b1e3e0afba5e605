"""The settings of fair sharing, each described once, as `fields` does for pools: ageing, preemption, priorities, quotas.

From these tables come the reader and the writer (`sharing`), the JSON schema and the reference. No rule between settings here.
"""

from typing import Any

from herder.model.principal import ROLES, Role
from herder.model.sharing import JOBS, NO_LIMITS, PRIORITY_MAX, Limits, Reclaim, limits_of
from herder.settings.sections.fields import Field, Schema
from herder.settings.syntax import reading
from herder.settings.syntax.amounts import amount
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.reading import Reading
from herder.settings.syntax.values import Scalar, Value

#: In `Ageing`, a time that never comes.
NEVER_MS = 2**62

_TIMES: list[Schema] = [
    {"type": "string", "pattern": "^[0-9.]+\\s*(ms|s|m|h|d)?"},
    {"type": "number", "minimum": 0},
]
_DURATION: Schema = {"anyOf": _TIMES}
_LIMIT: Schema = {"anyOf": [*_TIMES, {"type": "null"}]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_POSITIVE: Schema = {"type": "integer", "minimum": 1}
_TEXT: Schema = {"type": "string"}
_QUOTA: Schema = {"$ref": "#/$defs/quota"}


def _field(key: str, attribute: str, read: Any, write: Any, schema: Schema, doc: str) -> Field:
    return Field(key=key, attribute=attribute, read=read, write=write, schema=schema, doc=doc)


def _same(value: Any) -> Any:
    return value


def _ms(found: Reading, value: Value) -> int:
    return round(reading.duration(found, value) * 1000)


def _ms_text(milliseconds: int) -> str:
    return format_duration(milliseconds / 1000)


def _ms_or_never(found: Reading, value: Value) -> int:
    seconds = reading.limit_duration(found, value)
    return NEVER_MS if seconds is None else round(seconds * 1000)


def _ms_or_never_text(milliseconds: int) -> str | None:
    return None if milliseconds >= NEVER_MS else _ms_text(milliseconds)


def _read_reclaim(found: Reading, value: Value) -> Reclaim:
    return reading.choice(found, value, Reclaim, Reclaim.NEVER)


def _read_preempts(found: Reading, value: Value) -> bool:
    return not (isinstance(value, Scalar) and value.text == "never") and reading.flag(found, value)


#: What somebody can be in a project.
MEMBER_ROLES = (Role.VIEWER.label, Role.USER.label)


def _read_members(found: Reading, value: Value) -> tuple[tuple[str, Role], ...]:
    """By user: the role in the project."""
    return tuple(
        (entry.name, reading.role(found, entry.value, MEMBER_ROLES, Role.VIEWER))
        for entry in reading.table(found, value).entries
    )


def _write_members(members: tuple[tuple[str, Role], ...]) -> dict[str, str]:
    return {user: role.label for user, role in members}


def _role_label(role: Role) -> str:
    return role.label


def _read_priority(found: Reading, value: Value) -> int:
    """A whole number that may be negative."""
    raw = reading.text(found, value)
    digits = raw.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10) or abs(int(raw)) > PRIORITY_MAX:
        if raw:
            found.wrong(value, f"{raw[:50]!r} is not a priority", f"Write -{PRIORITY_MAX} to {PRIORITY_MAX}.")
        return 0
    return int(raw)


def read_limits(found: Reading, value: Value) -> Limits:
    """Amounts by name; those that are not given, or null, have no limit."""
    if isinstance(value, Scalar) and value.text is None:
        return NO_LIMITS
    counts = {each.key: each for each in found.resources.all if each.quota}
    given: dict[str, int] = {}
    for entry in reading.known_only(found, reading.table(found, value), (*counts, JOBS)):
        if not (isinstance(entry.value, Scalar) and entry.value.text is None):
            if entry.name == JOBS:
                given[JOBS] = reading.whole(found, entry.value)
            else:
                given[counts[entry.name].name] = amount(found, counts[entry.name], entry.value)
    return limits_of(found.resources, given)


def write_limits(limits: Limits) -> dict[str, Any]:
    named = limits.named()
    return {each.key: each.plain(named[each.name]) for each in limits.table.all if each.name in named} | {
        key: named[key] for key in (JOBS,) if key in named
    }


def quota_schema() -> Schema:
    amount: Schema = {"type": ["string", "number", "null"]}
    count: Schema = {"type": ["integer", "null"], "minimum": 0}
    return {
        "type": "object",
        "additionalProperties": amount,
        "properties": {"cpu": amount, "memory": amount, "gpu": count, "jobs": count},
    }


def _duration(key: str, doc: str) -> Field:
    return _field(key, key + "_s", reading.duration, format_duration, _DURATION, doc)


def _count(key: str, doc: str) -> Field:
    return _field(key, key, reading.whole, _same, _COUNT, doc)


def _positive(key: str, doc: str) -> Field:
    return _field(key, key, reading.positive, _same, _POSITIVE, doc)


def _limits(key: str, attribute: str, doc: str) -> Field:
    return _field(key, attribute, read_limits, write_limits, _QUOTA, doc)


AGEING_FIELDS: tuple[Field, ...] = (
    _field(
        "age_after",
        "age_after_ms",
        _ms,
        _ms_text,
        _DURATION,
        "From here on a user's weight doubles with each doubling of the wait of its oldest job; 0s: weights do not age.",
    ),
    _count("age_after_runs", "And no sooner than so many times the run time that four of five jobs keep."),
    _count("weight_doublings", "How often the weight doubles at most."),
    _field(
        "reserve_after",
        "reserve_after_ms",
        _ms_or_never,
        _ms_or_never_text,
        _LIMIT,
        "A job that has waited so long gets a place kept for it; null: never.",
    ),
    _count("reserve_after_runs", "And no sooner than so many times that run time."),
    _positive(
        "overdue_times",
        "After so many times reserve_after the oldest goes first; before that, the one whose user has least.",
    ),
    _count("reservations_max", "Most places that are kept at one time."),
    _positive("workers_for_one", "At most one kept place for each so many workers, but always one."),
)

PREEMPTION_FIELDS: tuple[Field, ...] = (
    _field(
        "minimum_run_time",
        "minimum_run_s",
        reading.duration,
        format_duration,
        _DURATION,
        "No attempt is preempted before it has run so long; a pool's own minimum_run_time stands above this.",
    ),
    _duration(
        "wait_first",
        "How long a job waits before it takes another's place: the planner may find a worker for it meanwhile.",
    ),
    _duration("soon", "Workers on their way that are expected within this time are waited for."),
    _positive("protected_after", "A job that was preempted so often is left alone from then on."),
    _field(
        "reclaim",
        "reclaim",
        _read_reclaim,
        str,
        {"enum": [each.value for each in Reclaim]},
        "Whether a project below its nominal quota takes the place of attempts that run on what it has lent: never (it waits "
        "until they end), lower_priority, or any.",
    ),
)

PRIORITY_FIELDS: tuple[Field, ...] = (
    _field(
        "value",
        "value",
        _read_priority,
        _same,
        {"type": "integer", "minimum": -PRIORITY_MAX, "maximum": PRIORITY_MAX},
        "The priority; jobs without one have 0, higher is more urgent. No two classes have the same.",
    ),
    _field(
        "preempts",
        "preempts",
        _read_preempts,
        _same,
        {"enum": [True, False, "never"]},
        "true: its jobs take the place of running attempts of lower priority when they fit nowhere else. never is false.",
    ),
    _field(
        "role",
        "role",
        reading.role,
        _role_label,
        {"enum": list(ROLES)},
        "The least role that may use the class. Without a class, users may set no priority above 0.",
    ),
    _field("description", "description", reading.text, _same, _TEXT, "For people: what the class is for."),
)

PROJECT_FIELDS: tuple[Field, ...] = (
    _limits(
        "nominal_quota",
        "nominal",
        "What its live attempts together may have: cpu, memory, gpu, jobs. Without a figure an amount is not limited, lent or "
        "borrowed.",
    ),
    _limits(
        "borrowing_limit",
        "borrowing_limit",
        "How far above nominal it may go with what others of its cohort leave unused; by default as far as that reaches.",
    ),
    _limits(
        "lending_limit",
        "lending_limit",
        "How much of its nominal quota others may have while it is unused; by default all.",
    ),
    _field(
        "cohort",
        "cohort",
        reading.text,
        _same,
        _TEXT,
        "Projects lend to one another within a cohort; those that name none are one.",
    ),
    _field(
        "users",
        "members",
        _read_members,
        _write_members,
        {"type": "object", "additionalProperties": {"enum": list(MEMBER_ROLES)}},
        "Its members: a viewer sees its jobs, a user submits and cancels them too. Without any, everybody may submit to it.",
    ),
)

USER_QUOTA_FIELD: Field = _limits(
    "quota",
    "limits",
    "What the user's live attempts together may have, over all projects; nothing is lent or borrowed.",
)
