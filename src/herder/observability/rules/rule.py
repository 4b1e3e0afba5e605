"""What an alert rule consists of. Data only."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """`expr`: PromQL. `for_s`: how long it must be true, in seconds. The rest is for people: the summary may use labels and the value of
    Prometheus' templates, and the runbook has what it means, commands that show more, and what to do."""

    name: str
    expr: str
    for_s: int = 0
    severity: Severity = Severity.WARNING
    summary: str
    means: str
    look: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A query under a name of its own."""

    name: str
    expr: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    name: str
    title: str
    alerts: tuple[Alert, ...]
    recordings: tuple[Recording, ...] = ()
