"""The settings of fair sharing, each described once, as `fields` does for pools: ageing, preemption, priorities, quotas.

From these tables come the reader and the writer (`sharing`), the JSON schema and the reference. No rule between settings here.
"""

from typing import Any

from herder.model.permissions import ROLES, Role
from herder.model.work.sharing import JOBS, NO_LIMITS, PRIORITY_MAX, Limits, Reclaim, limits_of
from herder.settings.sections.fields import Field, Schema
from herder.settings.syntax import validation
from herder.settings.syntax.amounts import amount
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.validation import Reading
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
    return round(validation.duration(found, value) * 1000)


def _ms_text(milliseconds: int) -> str:
    return format_duration(milliseconds / 1000)


def _ms_or_never(found: Reading, value: Value) -> int:
    seconds = validation.limit_duration(found, value)
    return NEVER_MS if seconds is None else round(seconds * 1000)


def _ms_or_never_text(milliseconds: int) -> str | None:
    return None if milliseconds >= NEVER_MS else _ms_text(milliseconds)


def _read_reclaim(found: Reading, value: Value) -> Reclaim:
    return validation.choice(found, value, Reclaim, Reclaim.NEVER)


def _read_preempts(found: Reading, value: Value) -> bool:
    return not (isinstance(value, Scalar) and value.text == "never") and validation.flag(found, value)


#: The roles of members of a project.
MEMBER_ROLES = (Role.VIEWER.label, Role.USER.label)


def _read_members(found: Reading, value: Value) -> tuple[tuple[str, Role], ...]:
    """By user: the role in the project."""
    return tuple(
        (entry.name, validation.role(found, entry.value, MEMBER_ROLES, Role.VIEWER))
        for entry in validation.table(found, value).entries
    )


def _write_members(members: tuple[tuple[str, Role], ...]) -> dict[str, str]:
    return {user: role.label for user, role in members}


def _role_label(role: Role) -> str:
    return role.label


def _read_priority(found: Reading, value: Value) -> int:
    """A whole number that may be negative."""
    raw = validation.text(found, value)
    digits = raw.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10) or abs(int(raw)) > PRIORITY_MAX:
        if raw:
            found.wrong(
                value, f"{raw[:50]!r} is not a priority.", f"Write -{PRIORITY_MAX} to {PRIORITY_MAX}."
            )
        return 0
    return int(raw)


def read_limits(found: Reading, value: Value) -> Limits:
    """Amounts by name; those that are not given, or null, have no limit."""
    if isinstance(value, Scalar) and value.text is None:
        return NO_LIMITS
    counts = {each.key: each for each in found.resources.all if each.quota}
    given: dict[str, int] = {}
    for entry in validation.known_only(found, validation.table(found, value), (*counts, JOBS)):
        if not (isinstance(entry.value, Scalar) and entry.value.text is None):
            if entry.name == JOBS:
                given[JOBS] = validation.whole(found, entry.value)
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
    return _field(key, key + "_s", validation.duration, format_duration, _DURATION, doc)


def _count(key: str, doc: str) -> Field:
    return _field(key, key, validation.whole, _same, _COUNT, doc)


def _positive(key: str, doc: str) -> Field:
    return _field(key, key, validation.positive, _same, _POSITIVE, doc)


def _limits(key: str, attribute: str, doc: str) -> Field:
    return _field(key, attribute, read_limits, write_limits, _QUOTA, doc)


AGEING_FIELDS: tuple[Field, ...] = (
    _field(
        "age_after",
        "age_after_ms",
        _ms,
        _ms_text,
        _DURATION,
        "When a user's oldest job has waited for this time, the user's weight doubles, and again with each doubling of the wait. 0s: weights do not change.",
    ),
    _count(
        "age_after_runs",
        "The wait must also be this multiple of the run time that 80 % of the jobs do not exceed.",
    ),
    _count("weight_doublings", "The largest number of doublings."),
    _field(
        "reserve_after",
        "reserve_after_ms",
        _ms_or_never,
        _ms_or_never_text,
        _LIMIT,
        "A place is reserved for a job that has waited for this time. null: never.",
    ),
    _count("reserve_after_runs", "The wait must also be this multiple of that run time."),
    _positive(
        "overdue_times",
        "After this multiple of reserve_after the oldest job gets the next reservation; before that, the job whose user has the smallest share.",
    ),
    _count("reservations_max", "The largest number of reservations at a time."),
    _positive(
        "workers_for_one", "At most one reservation for this number of workers, and at least one in total."
    ),
)

PREEMPTION_FIELDS: tuple[Field, ...] = (
    _field(
        "minimum_run_time",
        "minimum_run_s",
        validation.duration,
        format_duration,
        _DURATION,
        "The time that an attempt runs before it can be preempted; minimum_run_time of a pool overrides it.",
    ),
    _duration(
        "wait_first",
        "How long a job waits before it preempts others; meanwhile the planner may find a worker for it.",
    ),
    _duration("soon", "No attempt is preempted when a starting worker is expected within this time."),
    _positive("protected_after", "A job that was preempted this many times is not preempted again."),
    _field(
        "reclaim",
        "reclaim",
        _read_reclaim,
        str,
        {"enum": [each.value for each in Reclaim]},
        "Whether a project below its nominal quota preempts attempts that use the quota it has lent: never (it waits until they end), "
        "lower_priority, or any.",
    ),
)

PRIORITY_FIELDS: tuple[Field, ...] = (
    _field(
        "value",
        "value",
        _read_priority,
        _same,
        {"type": "integer", "minimum": -PRIORITY_MAX, "maximum": PRIORITY_MAX},
        "The priority; a higher value is more urgent, and jobs without a priority have 0. Each class needs its own value.",
    ),
    _field(
        "preempts",
        "preempts",
        _read_preempts,
        _same,
        {"enum": [True, False, "never"]},
        "true: jobs of the class preempt running attempts of lower priority when they do not fit elsewhere. never is the same as false.",
    ),
    _field(
        "role",
        "role",
        validation.role,
        _role_label,
        {"enum": list(ROLES)},
        "The lowest role that can use the class. Without a class, users cannot set a priority above 0.",
    ),
    _field(
        "description", "description", validation.text, _same, _TEXT, "What the class is for; shown to people."
    ),
)

QUEUED_MAX = 20_000_000


def _read_queued(found: Reading, value: Value) -> int | None:
    """None: no limit. 0: no job is taken."""
    if isinstance(value, Scalar) and value.text is None:
        return None
    raw = validation.text(found, value)
    if not (raw.isascii() and raw.isdigit() and int(raw) <= QUEUED_MAX):
        found.wrong(
            value, f"{raw[:50]!r} is not a number of jobs.", f"Write a whole number from 0 to {QUEUED_MAX:,}."
        )
        return None
    return int(raw)


def _queued(whose: str) -> Field:
    return _field(
        "queued_jobs",
        "queued_jobs",
        _read_queued,
        _same,
        {"type": ["integer", "null"], "minimum": 0, "maximum": QUEUED_MAX},
        f"The largest number of jobs {whose} that may wait: have been submitted and have not started. Further submissions are refused with HTTP status "
        "429. null: no limit of its own.",
    )


PROJECT_FIELDS: tuple[Field, ...] = (
    _limits(
        "nominal_quota",
        "nominal",
        "The amounts that the live attempts of the project may have in total: cpu, memory, gpu, jobs. An amount that is not set is not "
        "limited, lent or borrowed.",
    ),
    _limits(
        "borrowing_limit",
        "borrowing_limit",
        "The amounts that the project may borrow from unused quota of its cohort. Default: no limit.",
    ),
    _limits(
        "lending_limit",
        "lending_limit",
        "The amounts of its nominal quota that others may use while it is unused. Default: all.",
    ),
    _field(
        "cohort",
        "cohort",
        validation.text,
        _same,
        _TEXT,
        "Projects lend to one another within a cohort. Projects that name none form one cohort.",
    ),
    _field(
        "users",
        "members",
        _read_members,
        _write_members,
        {"type": "object", "additionalProperties": {"enum": list(MEMBER_ROLES)}},
        "The members of the project: a viewer can see its jobs, a user can also submit and cancel them. Without members, every user can submit to it.",
    ),
    _queued("of the project"),
    _field(
        "division",
        "division",
        validation.text,
        _same,
        _TEXT,
        "The division that the project belongs to; its costs are part of the division's.",
    ),
    _field(
        "rate_card",
        "rate_card",
        validation.text,
        _same,
        _TEXT,
        "The rate card at which the project is charged.",
    ),
)

USER_QUEUED_FIELD = _queued("of the user")

USER_QUOTA_FIELD: Field = _limits(
    "quota",
    "limits",
    "The amounts that the live attempts of the user may have in total, over all projects. Nothing is lent or borrowed.",
)
