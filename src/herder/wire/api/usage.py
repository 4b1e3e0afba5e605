"""Bodies of the REST API about use that is reported from outside."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec

#: Events in one request, and names of counters.
EVENTS_EACH = 5_000
COUNTERS_EACH = 1_000
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Word = Annotated[str, msgspec.Meta(max_length=200)]
#: What the name of a source matches as a whole; checked where the reason can be said.
SOURCE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
Source = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": f"^{SOURCE}$"})]


class UsageEvent(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """`quantity` that was used at a time, or the `total` to which a `counter` had come."""

    id: Id
    """The same event again, with the same content, is booked once."""
    time: str
    """ISO 8601 with a zone: 2026-11-28T09:30:00Z."""
    resource: Word
    """cpu, memory, gpu, storage.hot, network.egress, tokens.input, …"""
    product: Word = ""
    unit: str = ""
    """Of the quantity. Empty: that of rates, such as GB-months. Also GB-hours, bytes, …"""
    quantity: Decimal | None = None
    counter: Word = ""
    total: Decimal | None = None
    """It begins at 0 and never falls; between two reports it is taken to grow evenly."""
    user: Word = ""
    """Empty: the caller, unless a project or division is named."""
    project: Word = ""
    division: Word = ""
    claim: Word = ""
    """Names the use itself, as the id of a model's answer: another event with the same claim is refused."""


class UsageReport(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """All of it is booked, or nothing."""

    source: Source
    """Who reports: a gateway, a meter. Ids are unique within one."""
    events: Annotated[list[UsageEvent], msgspec.Meta(max_length=EVENTS_EACH)]
    leased: bool = False
    """Leases on budgets were taken for it, so budgets are not charged again. Only operators may say so."""


class TokenEvent(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One request to a model."""

    id: Id
    time: str
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    tokens: Annotated[dict[str, int], msgspec.Meta(max_length=30)]
    """By kind: input, output, cache_read, cache_write_5m, reasoning, … Each token is of one kind: `input` without what was read from the cache."""
    tier: str = ""
    """batches, flex, priority, … Empty: standard."""
    prompt_tokens: int | None = None
    """All tokens of the prompt, on whose number the price may depend. null: the sum of input and cache."""
    user: Word = ""
    project: Word = ""
    division: Word = ""
    claim: Word = ""
    """The id of the model's answer."""


class TokensReport(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Requests to models in one of three forms. All of it is booked, or nothing."""

    source: Source
    requests: Annotated[list[TokenEvent], msgspec.Meta(max_length=EVENTS_EACH)] = []
    spans: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=EVENTS_EACH)] = []
    """OpenTelemetry spans with GenAI attributes: `gen_ai.request.model`, `gen_ai.usage.input_tokens`, …"""
    rows: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=EVENTS_EACH)] = []
    """Rows of LiteLLM's spend log."""
    user: Word = ""
    """Of spans and rows that name none; likewise the two below."""
    project: Word = ""
    division: Word = ""
    leased: bool = False
    """As in a report of use."""


class UsageCorrection(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a reported event should have been. It stays as it is; the difference is booked as an event of its own."""

    source: str
    """As `herder usage list` shows it: that of a user's own report has the user's name in front."""
    id: Id
    resource: Word = ""
    """Needed where the event has several, as tokens of several kinds."""
    quantity: Decimal
    """In all. Of a counter: the total."""
    unit: str = ""
    """As of an event."""
    reason: str
    """Recorded with the correction."""


class MeteredDayView(msgspec.Struct, kw_only=True):
    """What was used on one day (UTC), of one kind, by one payer."""

    day: str
    month: str
    """In which it is booked: a later one than that of the day where it arrived after the close."""
    source: str
    resource: str
    product: str
    division: str
    project: str
    user: str
    quantity: str
    """In `unit`, to 9 places."""
    unit: str
    base_units: str
    """Exactly: tokens, bytes, byte-milliseconds of storage, thousandths of a core times milliseconds, …"""
