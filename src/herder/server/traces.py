"""Whether this server makes traces of jobs, from its settings. Called by `runtime.py` at each start of leading."""

from functools import partial

from herder.control.kernel.trace_queue import TraceQueue
from herder.remote.otlp import OtlpExporter, lacks
from herder.server.options import StartError
from herder.settings.sections.observability import TraceSettings


def trace_queue(settings: TraceSettings, installation: str) -> TraceQueue | None:
    """None: traces are off. Raises StartError."""
    if settings.endpoint is None or not settings.sample:
        return None
    if missing := lacks():
        raise StartError(
            f"Traces cannot be exported: the package {missing} is not installed.",
            "Install it with `pip install 'herder[otel]'`, or remove the endpoint of `observability: traces`.",
        )
    return TraceQueue(
        partial(OtlpExporter, settings.url, installation),
        sample=settings.sample,
        per_second=settings.per_second,
    )
