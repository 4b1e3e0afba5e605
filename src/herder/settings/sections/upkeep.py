"""The sections `sweep` and `retention` of herder.yaml: how machines are compared with workers, and how long rows are kept.

Each setting is described once, as those of pools are: the reader, the writer, the JSON schema and the reference go through these tables.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from herder.model.stored.retention import Retention
from herder.settings.sections.fields import COUNT, DURATION, SIZE, Field
from herder.settings.syntax import validation
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Scalar, Value

SWEEP, RETENTION = "sweep", "retention"
_DAY_S = 86_400.0
_YEARS_S = 3650 * _DAY_S
#: The most rows that a bound may allow, and the least.
ROWS_LEAST, ROWS_MOST = 1_000, 1_000_000_000
#: A store this small would lose its logs at once.
STORE_LEAST_MIB = 64
#: More than a disk has.
SIZE_MOST_MIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSettings:
    """Seconds; `removals_percent` is of the driver's workers."""

    period_s: float = 5.0
    delay_s: float = 30.0
    missing_delay_s: float = 5.0
    removals_max: int = 3
    removals_percent: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """What is kept of the store, and of what plans were made from."""

    store: Retention = field(default_factory=Retention)
    observations_s: float = 7 * _DAY_S
    observations_mib: int = 256


def between_durations(low_s: float, high_s: float) -> Callable[[Reading, Value], float]:
    def read(found: Reading, value: Value) -> float:
        seconds = validation.duration(found, value)
        if not low_s <= seconds <= high_s:
            low, high = format_duration(low_s), format_duration(high_s)
            found.wrong(
                value, f"The value must be {low} to {high}.", f"Write a duration from {low} to {high}."
            )
            return low_s
        return seconds

    return read


def _number(low: int, high: int) -> Callable[[Reading, Value], int]:
    def read(found: Reading, value: Value) -> int:
        number = validation.whole(found, value)
        if not low <= number <= high:
            found.wrong(
                value,
                f"The value must be {low:,} to {high:,}.",
                f"Write a whole number from {low} to {high}.",
            )
            return low
        return number

    return read


def _ms(low_s: float = 1.0) -> Callable[[Reading, Value], int]:
    read = between_durations(low_s, _YEARS_S)
    return lambda found, value: round(read(found, value) * 1000)


def _ms_text(milliseconds: int) -> str:
    return format_duration(milliseconds / 1000)


def _read_store_bytes(found: Reading, value: Value) -> int | None:
    if isinstance(value, Scalar) and value.text in (None, "none"):
        return None
    mib = _mib(STORE_LEAST_MIB)(found, value)
    return mib * 2**20


def _mib(low: int) -> Callable[[Reading, Value], int]:
    def read(found: Reading, value: Value) -> int:
        mib = validation.size(found, value)
        if not low <= mib <= SIZE_MOST_MIB:
            high = f"{SIZE_MOST_MIB >> 20}Ti"
            found.wrong(
                value, f"The value must be {low}Mi to {high}.", f"Write a size from {low}Mi to {high}."
            )
            return low
        return mib

    return read


def _store_text(size: int | None) -> str | None:
    return None if size is None else f"{size // 2**20}Mi"


def _duration(key: str, attribute: str, low_s: float, high_s: float, doc: str) -> Field:
    return Field(
        key=key,
        attribute=attribute,
        read=between_durations(low_s, high_s),
        write=format_duration,
        schema=DURATION,
        doc=doc,
    )


def _age(key: str, doc: str) -> Field:
    return Field(key=key, attribute=f"store.{key}_ms", read=_ms(), write=_ms_text, schema=DURATION, doc=doc)


def _rows(key: str, attribute: str, doc: str) -> Field:
    return Field(
        key=key,
        attribute=attribute,
        read=_number(ROWS_LEAST, ROWS_MOST),
        write=lambda value: value,
        schema=COUNT,
        doc=doc,
    )


SWEEP_FIELDS: tuple[Field, ...] = (
    _duration("period", "period_s", 0.1, 600.0, "How often each driver lists its machines."),
    _duration(
        "delay", "delay_s", 1.0, _DAY_S,
        "A machine that belongs to no worker is removed when every listing of this time has shown it.",
    ),
    _duration(
        "missing_delay", "missing_delay_s", 1.0, 3600.0,
        "A worker whose machine complete listings lack for this time is looked up by name, and closed when the provider confirms it.",
    ),
    Field(
        key="removals_max", attribute="removals_max", read=_number(0, 10_000), write=lambda value: value, schema=COUNT,
        doc="Removals in a minute, with `removals_percent`: above the larger of both nothing is removed and the driver is frozen.",
    ),
    Field(
        key="removals_percent", attribute="removals_percent", read=_number(0, 100), write=lambda value: value, schema=COUNT,
        doc="The same as a percentage of the driver's workers.",
    ),
)  # fmt: skip

RETENTION_FIELDS: tuple[Field, ...] = (
    _age("jobs", "Ended jobs with their attempts, results and parents, after their end or the end of their batch; and the batches."),
    _rows("jobs_max", "store.jobs_max", "Ended jobs. Above that the oldest are deleted before their age."),
    _age("logs", "What jobs printed, after their end."),
    _age("events", "Events."),
    _rows("events_max", "store.events_max", "Events; the newest are kept."),
    _age("plans", "Plans."),
    _rows("plans_max", "store.plans_max", "Plans; the newest are kept."),
    _age("workers", "Ended workers, and as long as a job is kept that was created before they ended."),
    _rows("workers_max", "store.workers_max", "Ended workers."),
    _rows("reports_max", "store.reports_max", "Stored reports of costs; the newest are kept, and events name those that are deleted."),
    _age("tokens", "Tokens, after they were revoked or have expired."),
    _duration("observations", "observations_s", 60.0, _YEARS_S, "What plans were made from (`herder simulate verify`)."),
    Field(
        key="observations_size", attribute="observations_mib", read=_mib(0), write=lambda mib: f"{mib}Mi", schema=SIZE,
        doc="The same in bytes; the newest are kept. 0: none is recorded.",
    ),
    Field(
        key="store_size", attribute="store.store_bytes", read=_read_store_bytes, write=_store_text,
        schema={"type": ["string", "integer", "null"], "examples": ["20Gi"]},
        doc="What the rows of a SQLite store may take. Above that logs are deleted before their age, oldest first, then ended jobs. null: the "
        "disk is the limit.",
    ),
)  # fmt: skip


def read_sweep(found: Reading, value: Value | None) -> SweepSettings:
    return replace(SweepSettings(), **read_fields(found, value, SWEEP_FIELDS))


def read_retention(found: Reading, value: Value | None) -> RetentionSettings:
    values = read_fields(found, value, RETENTION_FIELDS)
    of_store = {key.removeprefix("store."): each for key, each in values.items() if key.startswith("store.")}
    others = {key: each for key, each in values.items() if not key.startswith("store.")}
    return replace(RetentionSettings(), store=replace(Retention(), **of_store), **others)


def read_fields(found: Reading, value: Value | None, fields: tuple[Field, ...]) -> dict[str, Any]:
    """By attribute."""
    if value is None:
        return {}
    known = {each.key: each for each in fields}
    entries = validation.known_only(found, validation.table(found, value), tuple(known))
    return {known[entry.name].attribute: known[entry.name].read(found, entry.value) for entry in entries}


def doubts_of(sweep: SweepSettings, retention: RetentionSettings) -> Iterator[tuple[str, str, str]]:
    """Settings that can hardly be meant: key, sentence, remedy."""
    keep = retention.store
    for key, ms in (("jobs", keep.jobs_ms), ("events", keep.events_ms)):
        if ms < _DAY_S * 1000:
            yield (
                f"{RETENTION}.{key}",
                f"{key.capitalize()} are kept for less than a day, so a request that is repeated later with its Idempotency-Key acts twice.",
                "Keep them for 1d or longer, or repeat requests within that time only.",
            )
    if keep.logs_ms > keep.jobs_ms:
        yield (
            f"{RETENTION}.logs",
            "Logs are deleted with their job, which is kept for less time.",
            "Set logs to at most jobs.",
        )
    if sweep.delay_s < 2 * sweep.period_s:
        yield (
            f"{SWEEP}.delay",
            "A machine must be in two listings before it is removed, and they take longer than delay.",
            "Set delay to at least twice period.",
        )


def to_plain(settings: object, fields: tuple[Field, ...]) -> dict[str, Any]:
    """Every setting, as it is written in the file."""
    return {each.key: each.write(each.of(settings)) for each in fields}
