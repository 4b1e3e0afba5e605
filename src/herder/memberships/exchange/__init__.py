"""Herder's own agent: it calls the server repeatedly, takes jobs and reports its use."""

from herder.model.fleet.membership import EXCHANGE

MEMBERSHIP = EXCHANGE
