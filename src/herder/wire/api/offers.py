"""Bodies of the REST API about offers: what pools may create and providers sell."""

import msgspec


class ListedOffer(msgspec.Struct, kw_only=True):
    driver: str
    pool: str
    """Empty: no template of a pool, but a shape that the provider sells."""
    name: str
    """Of the template, or of the shape."""
    zone: str
    spot: bool
    cpu_milli: int
    memory_mib: int
    gpu: int
    price_per_hour_usd: str | None
    """Of a template as herder.yaml has it, of a shape as the provider reports it. None: not known."""
    price_as_of: str | None
    """When the provider reported its price."""
    provider_price_per_hour_usd: str | None = None
    """As the provider reports it, also of a template. None: not known, or the server is of an older version."""
    workers_left: int | None
    """How many more workers the provider's quotas, and the limit of the pool in the zone, allow. None: not known."""
    quota_as_of: str | None
    """When the provider reported its quotas."""
    price_reason: str = ""
    """Why the price is the written one, although the template is to have that of its provider; empty: it is not."""
    reason: str
    """Why it is not known how many workers are left; empty: it is, or it is no template."""
