"""Triggers of a pool beside its queue: measured use of CPU and memory, and metrics. Used by the table of settings (`fields`)."""

import math
from typing import Any

from herder.model.fleet.metric import Metric, ValueIs
from herder.model.fleet.pressure import Pressure
from herder.settings.sections.pool.schedules import read_fraction
from herder.settings.syntax import validation
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.numbers import number
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Scalar, Table, Value

PRESSURE_KEYS = ("above", "for", "target")
METRIC_KEYS = ("name", "query", "per_worker", "source", "value", "activation", "tolerance", "every", "keep")
#: Metrics of one pool: each is a query every half minute.
METRICS_MAX = 10
#: Queries travel in the address of a request.
QUERY_MAX = 4096


def read_pressure(found: Reading, value: Value) -> Pressure | None:
    """`80%`, a mapping, or null for none."""
    if isinstance(value, Scalar):
        above = read_fraction(found, value)
        return None if above is None else Pressure(above=above)
    row = validation.table(found, value)
    given = {entry.name: entry.value for entry in validation.known_only(found, row, PRESSURE_KEYS)}
    above = read_fraction(found, given["above"]) if "above" in given else None
    if above is None:
        if isinstance(value, Table) and "above" not in given:
            found.wrong(value, "The threshold is missing.", "Write `above: 80%`.")
        return None
    pressure = Pressure(
        above=above,
        for_s=validation.duration(found, given["for"]) if "for" in given else Pressure(above=above).for_s,
        target=read_fraction(found, given["target"]) if "target" in given else None,
    )
    if pressure.target is not None and pressure.target >= above:
        found.wrong(
            given["target"],
            f"The target {pressure.target:g} is not below the threshold {above:g}, so the pool would grow and shrink in turns.",
            "Lower target, or raise above.",
        )
    return pressure


def write_pressure(pressure: Pressure | None) -> dict[str, Any] | None:
    if pressure is None:
        return None
    return {
        "above": pressure.above,
        "for": format_duration(pressure.for_s),
        "target": pressure.target,
    }


def read_metrics(found: Reading, value: Value) -> tuple[Metric, ...]:
    items = validation.listing(found, value)
    if len(items) > METRICS_MAX:
        found.wrong(
            value,
            f"The pool has {len(items)} metrics; the maximum is {METRICS_MAX}.",
            f"Define at most {METRICS_MAX} metrics.",
        )
    metrics: list[Metric] = []
    for item in items[:METRICS_MAX]:
        metric = _read_metric(found, item)
        if any(metric.name == other.name for other in metrics):
            found.wrong(item, f"Metric {metric.name!r} is listed twice.", "Rename or remove one of the two.")
        metrics.append(metric)
    return tuple(metrics)


def _read_metric(found: Reading, value: Value) -> Metric:
    row = validation.table(found, value)
    given = {entry.name: entry.value for entry in validation.known_only(found, row, METRIC_KEYS)}
    for name, example in (("name", "backlog"), ("query", "sum(queue_length)"), ("per_worker", "100")):
        if name not in given and isinstance(value, Table):
            found.wrong(value, f"The metric has no {name}.", f"Write `{name}: {example}`.")
    query = validation.text(found, given["query"]) if "query" in given else ""
    if len(query) > QUERY_MAX:
        found.wrong(
            given["query"],
            f"The query is longer than {QUERY_MAX:,} characters.",
            "Create a recording rule for it in Prometheus.",
        )
    usual = Metric(name="", query="", per_worker=1.0)
    metric = Metric(
        name=validation.name(found, given["name"]) if "name" in given else "",
        query=query,
        per_worker=_number(found, given["per_worker"], above=0.0) if "per_worker" in given else 1.0,
        source=validation.name(found, given["source"]) if "source" in given else usual.source,
        value=validation.choice(found, given["value"], ValueIs, ValueIs.TOTAL)
        if "value" in given
        else usual.value,
        activation=_number(found, given["activation"]) if "activation" in given else usual.activation,
        tolerance=_part(found, given["tolerance"]) if "tolerance" in given else usual.tolerance,
        every_s=validation.duration(found, given["every"]) if "every" in given else usual.every_s,
        keep_s=validation.duration(found, given["keep"]) if "keep" in given else usual.keep_s,
    )
    if metric.every_s < 1:
        found.wrong(given["every"], "every must be at least 1 s.", "Write 1s or more, for example 30s.")
    elif metric.keep_s < metric.every_s:
        found.wrong(
            given.get("keep", value),
            f"keep {format_duration(metric.keep_s)} is shorter than every {format_duration(metric.every_s)}, so the value would be "
            "unknown between two queries.",
            "Set keep to a longer time than every.",
        )
    return metric


def _number(found: Reading, value: Value, above: float | None = None) -> float:
    raw = validation.text(found, value)
    amount = number(raw)
    if amount is None or not math.isfinite(amount) or (above is not None and amount <= above):
        wanted = "a number" if above is None else f"a number above {above:g}"
        found.wrong(value, f"Expected {wanted}, not {raw!r}.", "Write for example 100.")
        return 1.0
    return amount


def _part(found: Reading, value: Value) -> float:
    """A part of a whole, also none of it."""
    return (
        0.0
        if isinstance(value, Scalar) and value.text in ("0", "0.0", "0%")
        else read_fraction(found, value) or 0.0
    )


def write_metrics(metrics: tuple[Metric, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "query": each.query,
            "per_worker": each.per_worker,
            "source": each.source,
            "value": each.value.value,
            "activation": each.activation,
            "tolerance": each.tolerance,
            "every": format_duration(each.every_s),
            "keep": format_duration(each.keep_s),
        }
        for each in metrics
    ]
