"""What live leases have used of what they reserved, by the meters of workers. Called by the views of budgets; changes nothing.

What the leases of people and of jobs have used counts when it is settled.
"""

from collections import Counter
from collections.abc import Mapping

from herder.control.kernel.core import Core
from herder.control.kernel.worker_leases import cost_of_lease, lease_of
from herder.ledger.budgets.leases import LeaseState


def used_of_leases(core: Core) -> Mapping[str, int]:
    """By budget, also of those above: pico-USD that are used and not settled."""
    now_ms, found = core.clock.now_ms(), Counter[str]()
    if not core.budgets.live:
        return found
    for worker in core.state.workers.values():
        lease = lease_of(core.budgets, worker.spec.name)
        if lease is None or lease.state is not LeaseState.LIVE:
            continue
        used = min(lease.amount, cost_of_lease(lease, worker, now_ms) - lease.cost)
        for name, _ in lease.spans:
            found[name] += used
    return found
