"""What a usage interval costs. A machine costs its price; an attempt costs its share of the machine that it ran on (`model/work/cost_share.py`)."""

from herder.model.values.money import MS_PER_HOUR, PicoUsd, cost_of
from herder.model.work.cost_share import rounded, share_of
from herder.model.work.usage import AttemptUsage, UsageInterval


def cost(usage: UsageInterval) -> PicoUsd:
    """Pico-USD of the whole interval, rounded half-even once. An interval that ends before it begins costs nothing."""
    duration_ms, machine = usage.to_ms - usage.from_ms, usage.machine
    if duration_ms <= 0:
        return PicoUsd(0)
    if not isinstance(usage, AttemptUsage):
        return cost_of(machine.price_pico_per_hour, duration_ms)
    part, whole = share_of(machine.price_pico_per_hour, machine.allocatable, machine.gpu_parts, usage.request)
    return rounded(machine.price_pico_per_hour * part * duration_ms, whole * MS_PER_HOUR)
