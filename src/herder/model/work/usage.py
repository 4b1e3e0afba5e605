"""Usage intervals: who used what of which machine, from when to when. Without money; `ledger/` prices them.

Made by the engine when an attempt or a worker ends, and by whoever looks at one that has not ended yet.
"""

from typing import NamedTuple

from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import BatchId, JobId, PoolName, UserName, WorkerName
from herder.model.values.resources import Resources


class Machine(NamedTuple):
    """What usage is a part of: the worker's size and its price, as they were when the claim was made."""

    worker: WorkerName
    pool: PoolName
    allocatable: Resources
    gpu_parts: int
    """Parts that each GPU is split into; `allocatable.gpu` counts parts."""
    price_pico_per_hour: int
    """The provider's price of the whole machine: a fact about the offer, like its size."""
    template: str = ""
    driver: str = ""
    zone: str = ""
    spot: bool = False


def machine_of(spec: WorkerSpec) -> Machine:
    return Machine(
        spec.name, spec.pool, spec.allocatable, spec.gpu_parts, spec.price_pico_per_hour,
        spec.template, spec.driver, spec.zone, spec.spot,
    )  # fmt: skip


class AttemptUsage(NamedTuple):
    """One attempt held `request` of a machine during `[from_ms, to_ms)`."""

    machine: Machine
    user: UserName
    project: str
    batch: BatchId | None
    job: JobId
    attempt: int
    request: Resources
    from_ms: int
    to_ms: int


class MachineUsage(NamedTuple):
    """A machine existed during `[from_ms, to_ms)`, whatever ran on it."""

    machine: Machine
    from_ms: int
    to_ms: int
    ready_ms: int | None = None
    """Since when work could run on it; None: it was not ready by `to_ms`."""


UsageInterval = AttemptUsage | MachineUsage
