"""The section `observability` of herder.yaml: where traces of jobs are sent, and of how many.

Each setting is described once; the reader, the writer, the JSON schema and the reference go through this table.
"""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from herder.settings.sections.fields import Field, same
from herder.settings.sections.server import http_address
from herder.settings.sections.upkeep import read_fields, to_plain
from herder.settings.syntax import validation
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Scalar, Value

OBSERVABILITY = "observability"
TRACES = "traces"
PER_SECOND_MAX = 1_000
_PATH = "/v1/traces"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    """Traces of jobs. Without an endpoint none are made."""

    endpoint: str | None = None
    sample: float = 1.0
    """The part of all jobs that is traced, 0 to 1."""
    per_second: int = 100
    """Traces that are exported in a second at most."""

    @property
    def url(self) -> str:
        """With the path of OTLP, unless the endpoint has one."""
        endpoint = (self.endpoint or "").rstrip("/")
        return endpoint if urlsplit(endpoint).path else endpoint + _PATH


def _read_endpoint(found: Reading, value: Value) -> str | None:
    if isinstance(value, Scalar) and value.text is None:
        return None
    return http_address(found, value) or None


def _read_sample(found: Reading, value: Value) -> float:
    raw = validation.text(found, value)
    try:
        share = float(raw[:-1]) / 100 if raw.endswith("%") else float(raw)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        found.wrong(value, f"{raw!r} is not a part of all jobs.", "Write a number from 0 to 1, or 10%.")
        return 1.0
    return share


def _read_per_second(found: Reading, value: Value) -> int:
    number = validation.positive(found, value)
    if number > PER_SECOND_MAX:
        found.wrong(
            value, f"per_second must be at most {PER_SECOND_MAX:,}.", f"Write 1 to {PER_SECOND_MAX:,}."
        )
        return PER_SECOND_MAX
    return number


TRACE_FIELDS: tuple[Field, ...] = (
    Field(
        key="endpoint", attribute="endpoint", read=_read_endpoint, write=same,
        schema={"type": ["string", "null"], "examples": ["http://127.0.0.1:4318"]},
        doc="Address of a collector that takes OTLP by HTTP. `/v1/traces` is added when the address has no path. null: no traces. Needs `herder[otel]`.",
    ),
    Field(
        key="sample", attribute="sample", read=_read_sample, write=same,
        schema={"type": ["number", "string"], "examples": [0.1, "10%"]},
        doc="The part of all jobs that is traced, from 0 to 1. Whether a job is traced depends on its number alone.",
    ),
    Field(
        key="per_second", attribute="per_second", read=_read_per_second, write=same,
        schema={"type": "integer", "minimum": 1, "maximum": PER_SECOND_MAX},
        doc="Traces that are exported in a second at most. 10,000 more wait; above that traces are dropped, and counted in `herder_traces_dropped_total`.",
    ),
)  # fmt: skip


def read_traces(found: Reading, value: Value | None) -> TraceSettings:
    if value is None:
        return TraceSettings()
    values: dict[str, Any] = {}
    for entry in validation.known_only(found, validation.table(found, value), (TRACES,)):
        values = read_fields(found, entry.value, TRACE_FIELDS)
    return replace(TraceSettings(), **values)


def write_traces(traces: TraceSettings) -> dict[str, Any]:
    return {TRACES: to_plain(traces, TRACE_FIELDS)}
