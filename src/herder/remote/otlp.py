"""Sends spans to a collector by OTLP over HTTP, with the official exporter. Needs `herder[otel]`, which is imported here only.

Headers and certificates come from the exporter's own environment variables (`OTEL_EXPORTER_OTLP_HEADERS` and others). Its log lines are
kept from the log: the caller says what is wrong, once.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from herder import __version__
from herder.observability.job_spans import Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

#: For an export with all tries of the exporter.
TIMEOUT_S = 5.0
_MS = 1_000_000
"""Nanoseconds."""


def lacks() -> str:
    """A package that is needed and not installed; empty: all are there."""
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace  # noqa: F401 - whether they are there
    except ImportError as error:
        return error.name or "opentelemetry"
    return ""


class _Said(logging.Filter):
    """What the exporter says last; nothing of it is logged."""

    text = ""

    def filter(self, record: logging.LogRecord) -> bool:
        self.text = record.getMessage()
        return False


class OtlpExporter:
    """`endpoint`: the whole address. One at a time. It works in a thread, because the official exporter blocks."""

    def __init__(self, endpoint: str, installation: str, timeout_s: float = TIMEOUT_S) -> None:
        from opentelemetry.exporter.otlp.proto.http import Compression, trace_exporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self._said = _Said()
        # It stays when this is closed, because an export may be under way in a thread.
        logger = logging.getLogger(trace_exporter.__name__)
        logger.filters[:] = [each for each in logger.filters if not isinstance(each, _Said)]
        logger.addFilter(self._said)
        self._exporter = trace_exporter.OTLPSpanExporter(
            endpoint=endpoint, timeout=timeout_s, compression=Compression.Gzip
        )
        self._resource = Resource(
            {"service.name": "herder", "service.version": __version__, "service.instance.id": installation}
        )
        self._scope = InstrumentationScope("herder", __version__)

    async def export(self, spans: Sequence[Span]) -> str:
        return await asyncio.to_thread(self._export, spans)

    def _export(self, spans: Sequence[Span]) -> str:
        from opentelemetry.sdk.trace.export import SpanExportResult

        self._said.text = ""
        if self._exporter.export([self._readable(each) for each in spans]) is SpanExportResult.SUCCESS:
            return ""
        return self._said.text or "The export failed."

    def close(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _readable(self, span: Span) -> "ReadableSpan":
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

        def context(span_id: str) -> SpanContext:
            return SpanContext(
                int(span.trace_id, 16), int(span_id, 16), False, TraceFlags(TraceFlags.SAMPLED)
            )

        return ReadableSpan(
            span.name,
            context=context(span.span_id),
            parent=None if span.parent_id is None else context(span.parent_id),
            resource=self._resource,
            attributes=span.attributes,
            status=Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR, span.error),
            start_time=span.start_ms * _MS,
            end_time=span.end_ms * _MS,
            instrumentation_scope=self._scope,
        )
