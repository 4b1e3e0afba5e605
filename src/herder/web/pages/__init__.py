"""The pages beside the dashboard, one module for each kind of object. Each module has `add(site)`, which adds its addresses."""

from fastapi import APIRouter

from herder.control.commands import Commands
from herder.control.reads.port import Reads
from herder.web.pages import alerts, batches, budgets, costs, events, everything, jobs, settings, users
from herder.web.pages.site import Site


def add(routes: APIRouter, commands: Commands, reads: Reads) -> None:
    site = Site(routes, commands, reads)
    for module in (batches, jobs, costs, budgets, alerts, events, users, settings, everything):
        module.add(site)
