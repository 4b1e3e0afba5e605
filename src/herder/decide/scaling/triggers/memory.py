"""The memory trigger: more workers when the pool's memory use has been above a threshold for a time.

Called by the planner for pools with `memory_pressure`. `decide/scaling/signals/pressure.py` has the arithmetic, which scale-down shares.
"""

from herder.decide.scaling.proposals import TriggerResult
from herder.decide.scaling.signals import pressure
from herder.decide.scaling.signals.utilisation import Load
from herder.decide.scaling.snapshot import PoolView
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.pressure import Measured
from herder.model.planning.plan import Reason
from herder.model.values.resources import Resources


def concerns(spec: PoolSpec) -> bool:
    return spec.scale_up.memory_pressure is not None


def ask(view: PoolView, load: Load, size: Resources, now_ms: int) -> TriggerResult:
    """`load` with what this plan makes for the queue; `size` of the workers that would be made."""
    gauge = pressure.gauge_of(load.gauges, Measured.MEMORY)
    return TriggerResult() if gauge is None else pressure.ask(view, gauge, size, now_ms)


def keeps(view: PoolView, load: Load) -> Reason | None:
    gauge = pressure.gauge_of(load.gauges, Measured.MEMORY)
    return None if gauge is None else pressure.kept_for(view, gauge)
