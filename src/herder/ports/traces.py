"""What the loop of traces asks of the client of a collector."""

from collections.abc import Sequence
from typing import Protocol

from herder.observability.job_spans import Span


class TraceExporter(Protocol):
    async def export(self, spans: Sequence[Span]) -> str:
        """Takes seconds at most. Empty: the collector has them; else why it has not. Raises nothing."""

    def close(self) -> None:
        """Ends an export that waits for another try."""
