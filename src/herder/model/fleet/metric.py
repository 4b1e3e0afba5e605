"""Custom metrics: a value of another system, and the share of it that one worker takes. Data only.

A `Metric` is what people write; a `MetricReading` is what the metric's source answered last. `decide/scaling/signals/custom_metrics.py` draws
the conclusions, after the manner of Kubernetes' HPA and of KEDA.
"""

from dataclasses import dataclass
from enum import StrEnum

from herder.model.ids import PoolName


class ValueIs(StrEnum):
    """What the query gives: a sum that the workers share (HPA's AverageValue), or a mean over them (HPA's Value)."""

    TOTAL = "total"
    AVERAGE = "average"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Workers are made until each has `per_worker` of the value or less. At or below `activation` the metric wants none."""

    name: str
    query: str
    """PromQL that gives one number."""
    per_worker: float
    source: str = "prometheus"
    value: ValueIs = ValueIs.TOTAL
    activation: float = 0.0
    tolerance: float = 0.1
    """Nothing is made for a value that is above the target by this part of it or less: 10 % as in HPA."""
    every_s: float = 30.0
    """How often it is asked for: KEDA's polling interval."""
    keep_s: float = 300.0
    """How long the last value is used when no new one comes; then the pool holds still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricReading:
    """`value` is of `at_ms`, also when later tries failed: `fault` says why the last one did. None: there has been none."""

    pool: PoolName
    metric: str
    value: float | None = None
    at_ms: int | None = None
    fault: str = ""
