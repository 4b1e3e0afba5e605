"""Rates as the API shows them. Called by `adding.py` and `reads/rates.py`."""

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Literal

from herder.ledger.lines import unit_of
from herder.ledger.months import date_text
from herder.model.stored.metering_records import RateRecord
from herder.model.values.times import iso
from herder.store.rows.rate_rows import subject_of
from herder.wire.api.rates import RateChange, RateView, TierView


def rate_view(record: RateRecord, until_ms: int | None = None, replaced_by: str = "") -> RateView:
    unit = unit_of(record.resource)
    return RateView(
        id=record.id,
        card=record.card,
        resource=record.resource,
        product=record.product,
        unit="" if unit is None else unit.name,
        from_=date_text(record.from_ms),
        until=None if until_ms is None else date_text(until_ms),
        per=record.per,
        tiers=tiers_of(record),
        origin=record.origin,
        added_at=iso(record.added_at_ms),
        added_by=record.added_by,
        replaced_by=replaced_by,
    )


def tiers_of(record: RateRecord) -> list[TierView]:
    return [TierView(above=above, price=price) for above, price in json.loads(record.tiers)]


def rate_views(records: Sequence[RateRecord]) -> list[RateView]:
    """`records`: those of one subject together, as `in_order` has them. Each holds until the next, if it is not replaced."""
    found = []
    for _, group in groupby(records, key=subject_of):
        mine = list(group)
        for place, record in enumerate(mine):
            later = mine[place + 1 :]
            until_ms = next((each.from_ms for each in later if each.from_ms > record.from_ms), None)
            replaced = bool(later) and later[0].from_ms == record.from_ms
            found.append(rate_view(record, until_ms, later[0].id if replaced else ""))
    return found


def _what(record: RateRecord, before: RateRecord | None) -> Literal["added", "changed", "replaced"]:
    if before is None:
        return "added"
    return "replaced" if before.from_ms == record.from_ms else "changed"


def change_view(record: RateRecord, before: RateRecord | None) -> RateChange:
    return RateChange(
        change=_what(record, before),
        rate=rate_view(record),
        before=[] if before is None else tiers_of(before),
    )
