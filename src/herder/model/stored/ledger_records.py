"""Rows of the ledger: the log of use, use by day, closed months with their lines; otherwise as `records.py` says, which knows them among all records."""

from typing import NamedTuple

from herder.model.stored.recommendation_records import RecommendationRecord
from herder.model.stored.report_records import CostReportRecord, ReportScheduleRecord


class UseLogRecord(NamedTuple):
    """What one hand-over or one sample adds (`ledger/use_log.py`). Never changed."""

    number: int
    arrived_ms: int
    body: str
    """An entry as JSON."""


class MachineDayRecord(NamedTuple):
    """`ledger.quantities.MachineDay`; what may exceed 64 bits is text."""

    day_ms: int
    booked: str
    worker: str
    pool: str
    template: str
    provider: str
    zone: str
    market: str
    price_pico_per_hour: int
    ms: int
    starting_ms: int
    capacity: str


class WorkDayRecord(NamedTuple):
    """`ledger.quantities.WorkDay`; what may exceed 64 bits is text."""

    day_ms: int
    booked: str
    worker: str
    user: str
    project: str
    attempts: int
    ms: int
    cpu_milli_ms: str
    memory_mib_ms: str
    gpu_ms: str
    weight: str


class MonthRecord(NamedTuple):
    """A closed month. `number`: the last entry of the log that it counts; `known_ms`: rates and reports that came later change it no more."""

    month: str
    number: int
    known_ms: int
    closed_by: str
    lines: int
    digest: str
    """SHA-256 of its lines, as they are stored."""
    payers: str
    """Projects with their divisions and cards when it was closed, as JSON."""


class MonthLinesRecord(NamedTuple):
    """Lines of a closed month, one JSON array in each line of text, in their order."""

    month: str
    place: int
    body: str


LedgerRecord = (
    UseLogRecord
    | MachineDayRecord
    | WorkDayRecord
    | MonthRecord
    | MonthLinesRecord
    | RecommendationRecord
    | ReportScheduleRecord
    | CostReportRecord
)
LEDGER_KEYS: dict[type, int] = {
    UseLogRecord: 1,
    MachineDayRecord: 3,
    WorkDayRecord: 5,
    MonthRecord: 1,
    MonthLinesRecord: 2,
    RecommendationRecord: 1,
    ReportScheduleRecord: 1,
    CostReportRecord: 1,
}
