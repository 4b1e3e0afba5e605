"""The pages beside the dashboard, one module for each kind of object. Each module has `add(site)`, which adds its addresses."""

from herder.web.pages import (
    alerts,
    batches,
    budgets,
    costs,
    events,
    everything,
    jobs,
    offers,
    plans,
    pools,
    settings,
    users,
    workers,
)
from herder.web.pages.site import Site


def add(site: Site) -> None:
    work = (pools, workers, batches, jobs, plans, offers)
    for module in (*work, costs, budgets, alerts, events, users, settings, everything):
        module.add(site)
