"""The settings of creations: time-outs of a pool's steps (`step_timeouts`), and how many machines a driver makes (`drivers:`).

Each setting is described once; the reader, the writer, the JSON schema and the reference go through these tables. Which driver reports
which steps is known by the drivers alone, so a step that one does not have is a finding of `creation_lint` and no error here.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from herder.model.fleet.creation import DEFAULT_LIMITS, DEFAULT_STEPS, ORDER, CreationLimits, StepTimeouts
from herder.settings.sections.fields import COUNT, DURATION, LIMIT, Field, Schema, limit_text, same
from herder.settings.sections.pool import schedules
from herder.settings.syntax import validation
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Value

STEP_SHORTEST_S, STEP_LONGEST_S = 1.0, 86_400.0
PAUSE_LONGEST_S = 600.0
CALL_SHORTEST_S, CALL_LONGEST_S = 1.0, 600.0
TRIES_MAX, PARALLEL_MAX = 20, 1_000
_NAMES = tuple(step.value for step in ORDER)

STEPS_SCHEMA: Schema = {
    "anyOf": [
        {"type": "object", "additionalProperties": False, "properties": dict.fromkeys(_NAMES, DURATION)},
        {"type": "null"},
    ]
}


def _between(low_s: float, high_s: float) -> Callable[[Reading, Value], float]:
    def read(found: Reading, value: Value) -> float:
        seconds = validation.duration(found, value)
        if low_s <= seconds <= high_s:
            return seconds
        low, high = format_duration(low_s), format_duration(high_s)
        found.wrong(value, f"The value must be {low} to {high}.", f"Write a duration from {low} to {high}.")
        return low_s

    return read


def _number(most: int) -> Callable[[Reading, Value], int]:
    def read(found: Reading, value: Value) -> int:
        number = validation.positive(found, value)
        if number > most:
            found.wrong(value, f"{number:,} is above the maximum of {most:,}.", f"Write at most {most}.")
        return min(number, most)

    return read


_read_step = _between(STEP_SHORTEST_S, STEP_LONGEST_S)


def read_steps(found: Reading, value: Value) -> StepTimeouts | None:
    """Steps that are not named keep their default. null: all do."""
    if schedules.is_null(value):
        return None
    rows = validation.known_only(found, validation.table(found, value), _NAMES)
    return replace(DEFAULT_STEPS, **{f"{row.name}_s": _read_step(found, row.value) for row in rows})


def _read_call(found: Reading, value: Value) -> float | None:
    return None if schedules.is_null(value) else _between(CALL_SHORTEST_S, CALL_LONGEST_S)(found, value)


def write_steps(steps: StepTimeouts | None) -> dict[str, str] | None:
    return None if steps is None else {step.value: format_duration(steps.of(step)) for step in ORDER}


def read_alert(found: Reading, value: Value) -> float:
    return _between(0.0, STEP_LONGEST_S)(found, value)


POOL_STEP_FIELDS: tuple[Field, ...] = (
    Field(
        key="step_timeouts",
        attribute="lifetime.step_timeouts",
        read=read_steps,
        write=write_steps,
        schema=STEPS_SCHEMA,
        doc="The longest time of each step of a creation: "
        + ", ".join(f"{step} {format_duration(DEFAULT_STEPS.of(step))}" for step in ORDER)
        + ". claim is the wait for a turn at the driver. A step that the driver does not report apart gives its time to the one before. The sum "
        "without claim is boot_timeout, unless that is set. null: these values, longer in proportion where boot_timeout is longer.",
    ),
    Field(
        key="provision_alert",
        attribute="lifetime.provision_alert_s",
        read=read_alert,
        write=format_duration,
        schema=DURATION,
        doc="A creation that takes longer is announced in an event, once. 0s: none is.",
    ),
)

DRIVER_FIELDS: tuple[Field, ...] = (
    Field(
        key="create_tries",
        attribute="create_tries",
        read=_number(TRIES_MAX),
        write=same,
        schema=COUNT,
        doc="Calls that try to create one machine, when they fail in a way that may pass. After them the creation has failed.",
    ),
    Field(
        key="create_retry_pause",
        attribute="create_retry_pause_s",
        read=_between(0.0, PAUSE_LONGEST_S),
        write=format_duration,
        schema=DURATION,
        doc="The pause between two such calls.",
    ),
    Field(
        key="parallel_creates",
        attribute="parallel_creates",
        read=_number(PARALLEL_MAX),
        write=same,
        schema=COUNT,
        doc="The largest number of machines that are being created at a time: from the first call until the machine runs. Other claims wait.",
    ),
    Field(
        key="pause_between_starts",
        attribute="pause_between_starts_s",
        read=_between(0.0, PAUSE_LONGEST_S),
        write=format_duration,
        schema=DURATION,
        doc="The shortest time between two calls that create a machine. Above 0s one such call is made at a time.",
    ),
    Field(
        key="call_timeout",
        attribute="call_timeout_s",
        read=_read_call,
        write=limit_text,
        schema=LIMIT,
        doc="How long an answer to any call is waited for, 1s to 10m. null: 10 s to 60 s, or what the driver itself asks for.",
    ),
)
DRIVER_LIMITS = tuple(each.key for each in DRIVER_FIELDS)


def read_limits(found: Reading, given: Mapping[str, Value]) -> tuple[tuple[str, Any], ...]:
    """By attribute, of those that are written."""
    return tuple(
        (each.attribute, each.read(found, given[each.key])) for each in DRIVER_FIELDS if each.key in given
    )


def write_limits(limits: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    written = dict(limits)
    return {
        each.key: each.write(written[each.attribute]) for each in DRIVER_FIELDS if each.attribute in written
    }


def limits_over(
    limits: tuple[tuple[str, Any], ...], defaults: CreationLimits = DEFAULT_LIMITS
) -> CreationLimits:
    return replace(defaults, **dict(limits))
