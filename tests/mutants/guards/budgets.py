"""Mutants of the leases that workers hold on budgets."""

from herder.simulate.chaos.budget_fleet import with_budgets
from tests.mutants.mutant import Look, Mutant, answers

#: Long enough for leases to be renewed and for limits to bind; the usual faults would only hide it.
LOOK = Look(days=0.08, intensity=2.0, fleet=with_budgets)

BUDGETS = (
    Mutant(
        guard="renewal of leases",
        removes="The lease of a worker is never renewed.",
        rules=("workers have leases",),
        look=LOOK,
        replaced=(answers("herder.control.loops.worker_leases:_renewed", lambda: None),),
    ),
    Mutant(
        guard="settlement with the end of a worker",
        removes="The lease of a worker that has ended stays.",
        rules=("no lease is left over",),
        look=LOOK,
        replaced=(answers("herder.control.kernel.worker_leases:settle_ended", lambda: None),),
    ),
    Mutant(
        guard="cost of a lease",
        removes="A worker is charged nothing.",
        rules=("budgets pay what workers cost",),
        look=LOOK,
        replaced=(answers("herder.control.kernel.worker_leases:cost_of_lease", lambda: 0),),
    ),
    Mutant(
        guard="limits of budgets",
        removes="Whatever is asked for is reserved, and the planner sees no budgets.",
        rules=("budgets are not overspent",),
        look=LOOK,
        replaced=(
            answers("herder.ledger.budgets.leases:Leases._refused", lambda: None),
            answers("herder.decide.scaling.spending:bound_of", lambda: None),
        ),
    ),
)
