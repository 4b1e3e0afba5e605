"""Which workers go when a budget cannot pay for all of them: those of the lowest value, and no more than it takes. Pure.

Called by `control/loops/worker_leases.py` when a renewal is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from herder.model.ids import WorkerName


@dataclass(frozen=True, slots=True, kw_only=True)
class Payee:
    """A worker that a budget pays for, in pico-USD."""

    worker: WorkerName
    needs: int
    """What it has to reserve now; 0: it has reserved enough for the time being."""
    returns: int
    """What comes back of its reservation when it goes."""
    value: tuple[int, ...]
    """The lowest goes first."""


def given_up(payees: Iterable[Payee], left: int) -> tuple[WorkerName, ...]:
    """`left`: what the budget has, and will have back of workers that go already."""
    ordered = sorted(payees, key=lambda payee: (payee.value, payee.worker))
    needs = sum(payee.needs for payee in ordered)
    found = []
    for payee in ordered:
        if needs <= left:
            break
        if payee.needs or payee.returns:
            found.append(payee.worker)
            needs, left = needs - payee.needs, left + payee.returns
    return tuple(found)
