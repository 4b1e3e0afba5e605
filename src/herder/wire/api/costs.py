"""Bodies of the REST API about the ledger: lines, their sums, how a line came about, and months."""

import msgspec


class CostGroup(msgspec.Struct, kw_only=True):
    values: dict[str, str]
    """By dimension. Empty text: nobody in particular, as of idle machines."""
    cost_usd: str
    unpriced: dict[str, str] = {}
    """Use that has no rate, by resource, in its unit. It is not part of the cost."""


class CostSums(msgspec.Struct, kw_only=True):
    first_day: str
    last_day: str
    card: str
    """`cost`: what machines and reported use cost; else the rate card at which projects are charged."""
    by: list[str]
    groups: list[CostGroup]
    total_usd: str
    unpriced: dict[str, str] = {}


class LineView(msgspec.Struct, kw_only=True):
    id: str
    period: str
    """The month in which it is booked."""
    day: str
    corrects: str
    """The closed month that it corrects; empty: none."""
    card: str
    kind: str
    division: str
    project: str
    user: str
    pool: str
    worker: str
    template: str
    provider: str
    zone: str
    market: str
    resource: str
    product: str
    quantity: str
    """In units of `unit`, rounded to six decimals; `base_quantity` is exact."""
    unit: str
    base_quantity: str
    rate: str
    """The id of its rate, or the price of the machine in pico-dollars an hour. Empty: there is none."""
    amount_usd: str | None
    """Exact. None: it is unpriced."""


class LineEvent(msgspec.Struct, kw_only=True):
    """A piece of use that a line is made of."""

    object: str
    """`job/17`, `worker/burst-1`, or the id of a report."""
    attempt: int | None = None
    from_at: str
    to_at: str
    base_quantity: str
    """Of this day."""


class LinePart(msgspec.Struct, kw_only=True):
    """A part of a machine's day."""

    kind: str
    project: str
    user: str
    share: str
    """Of the whole, as a fraction: `1/4`."""
    amount_usd: str


class LineExplanation(msgspec.Struct, kw_only=True):
    line: LineView
    text: list[str]
    """Sentences: use × rate = amount."""
    parts: list[LinePart]
    """Of a machine's day: all of them, this one among them."""
    events: list[LineEvent]
    events_total: int


class MonthPreview(msgspec.Struct, kw_only=True):
    """What a close would close."""

    object: str
    text: str
    months: list[str]
    """The month, and the open ones before it."""


class MonthView(msgspec.Struct, kw_only=True):
    month: str
    state: str
    """open, closing or closed."""
    closed_at: str | None
    closed_by: str
    lines: int | None
    """Of a closed month."""
    digest: str
    """SHA-256 of its lines."""
