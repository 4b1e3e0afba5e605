"""The custom metric trigger: as many workers as the value of the metric needs.

Called by the planner for pools with `metrics`. `decide/scaling/signals/custom_metrics.py` has the arithmetic, which scale-down shares.
"""

from herder.decide.scaling.proposals import TriggerResult
from herder.decide.scaling.signals import custom_metrics
from herder.decide.scaling.signals.utilisation import Load
from herder.decide.scaling.snapshot import PoolView
from herder.model.fleet.pool import PoolSpec
from herder.model.planning.plan import Reason
from herder.model.values.resources import Resources


def concerns(spec: PoolSpec) -> bool:
    return bool(spec.scale_up.metrics)


def ask(view: PoolView, load: Load, _size: Resources, _now_ms: int) -> TriggerResult:
    """`load` with what this plan makes for the queue."""
    return custom_metrics.ask(view, load.workers)


def keeps(view: PoolView, load: Load) -> Reason | None:
    return custom_metrics.kept_for(view, load.workers)
