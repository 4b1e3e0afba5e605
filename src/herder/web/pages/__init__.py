"""The pages beside the dashboard, one module for each kind of object. Each module has `add(site)`, which adds its addresses."""

from herder.web.pages import batches, jobs, offers, plans, pools, workers
from herder.web.pages.site import Site


def add(site: Site) -> None:
    for module in (pools, workers, batches, jobs, plans, offers):
        module.add(site)
