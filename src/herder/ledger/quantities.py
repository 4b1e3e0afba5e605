"""Use by day (UTC), in whole base units, without money: what the ledger prices. Kept in the store as the log of use is read, and computed anew by a rebuild. Pure.

`booked`: the month in which it counts: that of the day, or, of what arrived after that month was closed, the one that was open then.
Rows of one key are added up; nothing depends on the order.
"""

from typing import NamedTuple

DAY_MS = 86_400_000


class MachineDay(NamedTuple):
    """A worker's machine on one day. Key: the first three."""

    day_ms: int
    booked: str
    worker: str
    pool: str
    template: str
    provider: str
    zone: str
    market: str
    price_pico_per_hour: int
    ms: int
    """It existed for so long."""
    starting_ms: int
    """Of that, before it was ready."""
    capacity: int
    """Its size in weights of list rates (`model/work/cost_share.py`), times `ms`."""


class WorkDay(NamedTuple):
    """What one user's attempts of one project had asked for on one worker on one day. Key: the first five."""

    day_ms: int
    booked: str
    worker: str
    user: str
    project: str
    attempts: int
    """That ended on this day."""
    ms: int
    cpu_milli_ms: int
    memory_mib_ms: int
    gpu_ms: int
    """5040ths of a GPU·ms."""
    weight: int
    """Their part of `MachineDay.capacity`."""


class MeteredDay(NamedTuple):
    """Reported use. Key: all but `quantity`."""

    day_ms: int
    booked: str
    source: str
    resource: str
    product: str
    division: str
    project: str
    user: str
    quantity: int
