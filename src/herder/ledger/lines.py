"""Lines of the ledger: what one payer's use of one resource on one day (UTC) cost at one rate. Everything that is shown, billed or exported is a sum of them. Pure.

A line is made of whole numbers only and never changes once its period is closed; what becomes known later is a line of a later period with `corrects`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

#: The card of what providers and machines cost, beside the rate cards (`internal`, `external`) at which use is charged.
COST = "cost"


class Kind(StrEnum):
    WORKLOAD = "workload"
    """Machine time that jobs had asked for."""
    IDLE = "idle"
    """Machine time that nobody had asked for. It has no user and no project, until a method of allocation shares it out."""
    OVERHEAD = "overhead"
    """Machine time before the worker was ready: boot, join, failed starts."""
    METERED = "metered"
    """Use that was reported: tokens, storage, network."""


@dataclass(frozen=True, slots=True)
class Unit:
    """`name`: of what people and FOCUS see; `base`: base units in one of it."""

    name: str
    base: int


MS_PER_HOUR = 3_600_000
GB = 10**9
GPU_PARTS = 5040
"""Of a whole GPU: halves to tenths, twelfths, fourteenths, sixteenths are whole numbers of them."""
MS_PER_MONTH = 30 * 24 * MS_PER_HOUR
"""Storage is billed by months of 30 days (the rate card's rule)."""
UNITS = {
    "machine": Unit("machine-hours", MS_PER_HOUR),
    "cpu": Unit("core-hours", 1000 * MS_PER_HOUR),
    "memory": Unit("GiB-hours", 1024 * MS_PER_HOUR),
    "gpu": Unit("GPU-hours", GPU_PARTS * MS_PER_HOUR),
    "storage.hot": Unit("GB-months", GB * MS_PER_MONTH),
    "storage.warm": Unit("GB-months", GB * MS_PER_MONTH),
    "storage.cold": Unit("GB-months", GB * MS_PER_MONTH),
    "network.intra": Unit("GB", GB),
    "network.inter": Unit("GB", GB),
    "network.egress": Unit("GB", GB),
}
"""By resource. Base units: machine ms, mCPU·ms, MiB·ms, 5040ths of a GPU·ms, byte·ms, bytes."""
TOKENS = Unit("tokens", 1)


def unit_of(resource: str) -> Unit | None:
    """None: no such resource. Kinds of tokens are open: `tokens.ANY`."""
    return (
        TOKENS if resource.startswith("tokens.") and len(resource) > len("tokens.") else UNITS.get(resource)
    )


class Payer(NamedTuple):
    """Who pays. Empty where it is nobody in particular."""

    division: str = ""
    project: str = ""
    user: str = ""


class Place(NamedTuple):
    """What was used. Of metered use only `provider` (its source) is known."""

    pool: str = ""
    worker: str = ""
    template: str = ""
    provider: str = ""
    """The driver, or the source of a report."""
    zone: str = ""
    market: str = ""
    """`spot`, `on-demand`."""


class Line(NamedTuple):
    period: str
    """The month in which it is booked: `2026-11`."""
    day_ms: int
    """The beginning of the day of use, UTC."""
    corrects: str
    """The closed month that it corrects; empty: none."""
    card: str
    """`cost`, `internal`, `external`."""
    kind: Kind
    payer: Payer
    place: Place
    resource: str
    product: str
    """A model, or empty."""
    quantity: int
    """Base units; negative only of a correction."""
    rate: str
    """Id of the rate, empty where there is none: the use is unpriced. With `cost`: the price of the machine, pico-USD an hour, as text."""
    pico: int | None
    """Pico-USD; None: unpriced, which is not zero."""

    @property
    def id(self) -> str:
        """A digest of everything but quantity and amount: 16 hexadecimal digits."""
        key = (*self[:5], *self.payer, *self.place, self.resource, self.product, self.rate)
        return blake2b(json.dumps(key).encode(), digest_size=8).hexdigest()


def text_of(line: Line) -> str:
    """Canonical: one line of JSON; the bytes that a rebuilt ledger is compared by."""
    return json.dumps(
        (*line[:5], *line.payer, *line.place, *line[7:]), ensure_ascii=False, separators=(",", ":")
    )


@dataclass(slots=True)
class Sum:
    pico: int = 0
    unpriced: dict[str, int] = field(default_factory=dict)
    """Base units by resource of what has no price."""

    def add(self, line: Line) -> None:
        if line.pico is None:
            self.unpriced[line.resource] = self.unpriced.get(line.resource, 0) + line.quantity
        else:
            self.pico += line.pico


def value_of(line: Line, dimension: str) -> str:
    """Raises ValueError for a dimension that lines do not have."""
    if dimension in Payer._fields:
        return str(getattr(line.payer, dimension))
    if dimension in Place._fields:
        return str(getattr(line.place, dimension))
    if dimension in ("period", "card", "kind", "resource", "product", "day_ms"):
        return str(getattr(line, dimension))
    raise ValueError(f"lines have no {dimension!r}; name one of {', '.join(DIMENSIONS)}")


DIMENSIONS = (*Payer._fields, *Place._fields, "period", "card", "kind", "resource", "product", "day_ms")


def sums_by(lines: Iterable[Line], *dimensions: str) -> dict[tuple[str, ...], Sum]:
    """In the order of the values. The sums of all groups are the sum of the lines, exactly."""
    sums: dict[tuple[str, ...], Sum] = {}
    for line in lines:
        sums.setdefault(tuple(value_of(line, each) for each in dimensions), Sum()).add(line)
    return dict(sorted(sums.items()))
