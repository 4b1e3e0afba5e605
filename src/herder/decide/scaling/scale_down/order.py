"""The order in which workers of equal use are removed: the most expensive first, then the youngest. Used by every module of this folder."""

from herder.decide.scaling.snapshot import age
from herder.model.planning.observed import ObservedWorker


def dearest_youngest(worker: ObservedWorker) -> tuple[object, ...]:
    requested, plan, ordinal, name = age(worker)
    return (-worker.spec.price_pico_per_hour, -requested, -plan, -ordinal, name)
