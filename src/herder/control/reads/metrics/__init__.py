"""The metrics at `/metrics`, computed from the engine's memory at each scrape. Their names are in `observability/metrics.py`."""

from herder.control.reads.metrics.text import metrics_text

__all__ = ["metrics_text"]
