"""Our own agent: it calls the server again and again, takes jobs and says what it uses."""

from herder.model.fleet.membership import EXCHANGE

MEMBERSHIP = EXCHANGE
