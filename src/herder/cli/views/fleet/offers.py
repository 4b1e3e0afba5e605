"""The table of offers. Used by `herder offer list`."""

from herder.cli.output.columns import field, made, money, since, words
from herder.cli.output.humanize import shape
from herder.cli.output.rows import View

OFFERS = View(
    noun="offer",
    name=lambda offer: "/".join(filter(None, (offer.driver, offer.pool, offer.name, offer.zone))),
    columns=(
        field("NAME", "name"),
        field("POOL", "pool"),
        field("DRIVER", "driver", drop=2),
        field("ZONE", "zone"),
        words("SPOT", "spot", lambda spot: "yes" if spot else "no"),
        made(
            "RESOURCES",
            lambda offer: shape(offer.cpu_milli, offer.memory_mib, 0, offer.gpu, {}),
            key="resources",
            drop=1,
        ),
        money("PRICE/H", "price_per_hour_usd"),
        money("PROVIDER/H", "provider_price_per_hour_usd", wide=True),
        field("LEFT", "workers_left", right=True),
        since("AGE", "quota_as_of"),
        since("PRICE AGE", "price_as_of", wide=True, drop=3),
    ),
    empty="No offers. Pools with templates are created with herder apply.",
)
