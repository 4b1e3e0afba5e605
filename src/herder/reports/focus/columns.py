"""The columns of an export, in the order of the file, and the numbers and times in them.

The columns of FOCUS come first, then those of Herder's own (`x_`), which hold what a line of the ledger says exactly: the quantity as a fraction, whole base units by base units of
one unit, and whole pico-USD.
"""

from datetime import UTC, datetime
from functools import lru_cache

COLUMNS = (
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "Tags",
    "x_Period",
    "x_Corrects",
    "x_Card",
    "x_Kind",
    "x_Division",
    "x_Project",
    "x_User",
    "x_Pool",
    "x_Worker",
    "x_Template",
    "x_Provider",
    "x_Zone",
    "x_Market",
    "x_Resource",
    "x_Product",
    "x_Quantity",
    "x_Rate",
    "x_Pico",
)
COSTS = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost")
DAY_S = 86_400
_PLACES = 12


def money(pico: int) -> str:
    """Exact US dollars, never in the notation of powers: `0.000000000001`, `12.0`."""
    whole, part = divmod(abs(pico), 10**_PLACES)
    sign = "-" if pico < 0 else ""
    return f"{sign}{whole}.{str(part).zfill(_PLACES).rstrip('0') or '0'}"


def amount(quantity: int, base: int) -> str:
    """In units of `base` base units, to 12 decimals, half-even."""
    whole, rest = divmod(abs(quantity) * 10**_PLACES, base)
    whole += 2 * rest > base or (2 * rest == base and whole % 2 == 1)
    return money(whole if quantity >= 0 else -whole)


@lru_cache(maxsize=4096)
def day_ends(day_ms: int) -> tuple[str, str]:
    """The beginning of the day and of the next one."""
    begin_s = day_ms // 1000
    return _time(begin_s), _time(begin_s + DAY_S)


@lru_cache(maxsize=4096)
def month_ends(month: str) -> tuple[str, str]:
    """The beginning of the month `2026-11` and of the next one."""
    year, number = int(month[:4]), int(month[5:])
    after = (year + 1, 1) if number == 12 else (year, number + 1)
    return f"{year:04d}-{number:02d}-01T00:00:00Z", f"{after[0]:04d}-{after[1]:02d}-01T00:00:00Z"


def _time(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
