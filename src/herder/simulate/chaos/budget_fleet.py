"""Budgets for the fleet of a chaos run: one of each pool below one of the fleet, and some of users, all small enough to bind again and again."""

from dataclasses import replace

from herder.simulate.chaos.fleet import Fleet

#: Dollars of the first limit, for each worker that the pool may have.
FIRST = 0.10
TOP = "fleet"
#: Who have budgets for their jobs.
USERS = ("ann", "dan")


def with_budgets(fleet: Fleet) -> Fleet:
    """The limit of the fleet is below the sum of its pools."""
    each = {str(pool.name): pool.size.max_workers * FIRST for pool in fleet.pools}
    top = {"scope": "group", "limit": f"{sum(each.values()) * 0.8:.2f}", "period": "once"}
    pools = {
        name: {"scope": "pool", "limit": f"{limit:.2f}", "period": "once", "parent": TOP}
        for name, limit in each.items()
    }
    users = {
        f"of-{user}": {
            "scope": "user",
            "of": user,
            "limit": f"{sum(each.values()) * 0.3:.2f}",
            "period": "once",
        }
        for user in USERS
    }
    return replace(fleet, budgets={TOP: top, **pools, **users})
