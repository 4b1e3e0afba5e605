"""The CPU trigger: more workers when those of the pool have used more than a part of their CPU for a while.

Called by the planner for pools with `cpu_pressure`. `scaling/pressure.py` has the arithmetic, which scale-down shares.
"""

from herder.decide.scaling import pressure
from herder.decide.scaling.load import Load
from herder.decide.scaling.scene import PoolView
from herder.decide.scaling.wish import Answer
from herder.model.pressure import Measured
from herder.model.resources import Resources


def ask(view: PoolView, load: Load, size: Resources, now_ms: int) -> Answer:
    """`load` with what this plan makes for the queue; `size` of the workers that would be made."""
    gauges = [gauge for gauge in load.gauges if gauge.measured is Measured.CPU]
    return pressure.ask(view, gauges[0], size, now_ms) if gauges else Answer()
