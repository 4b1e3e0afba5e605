"""Why a day cost more or less than usual. Amounts are US dollars as decimal text. Data only."""

import msgspec


class ChangedGroup(msgspec.Struct, kw_only=True):
    group: str
    """Empty: nobody in particular, as of idle machines."""
    usual_usd: str
    """The mean of the 7 days before."""
    actual_usd: str
    change_usd: str


class ChangeView(msgspec.Struct, kw_only=True):
    dimension: str
    explains: bool
    """False: all groups have changed alike."""
    named: int
    """So many of the first groups come to 80 % of the change."""
    groups: list[ChangedGroup]
    """Those that explain most first. Their changes sum to the whole, up to rounding to a pico-dollar."""


class CostChange(msgspec.Struct, kw_only=True):
    day: str
    usual_usd: str
    actual_usd: str
    change_usd: str
    unpriced: bool
    """Some use of these days has no rate, and is not in the amounts."""
    by: list[ChangeView]
    """Each dimension alone explains the whole change; the one that says most first."""
