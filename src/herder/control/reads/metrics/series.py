"""The families of the catalogue, filled with values. One `Series` for each scrape."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from herder.observability.metrics import FAMILIES, Kind

_MADE = {Kind.GAUGE: GaugeMetricFamily, Kind.COUNTER: CounterMetricFamily}


class Series:
    """Every gauge and counter of the catalogue, also those without a value: then it has only its description."""

    def __init__(self) -> None:
        self._families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {
            name: _MADE[family.kind](name, family.text, labels=family.labels)
            for name, family in FAMILIES.items()
            if family.kind is not Kind.HISTOGRAM
        }

    def add(self, name: str, value: float, *labels: str) -> None:
        """`labels`: their values, in the order of the catalogue. Raises KeyError for a name that is not in it."""
        self._families[name].add_metric(labels, value)

    def collect(self) -> Iterator[Metric]:
        yield from self._families.values()
