"""All mutants, in the order of the table that `make mutants` prints."""

from tests.mutants.guards.attempts import ATTEMPTS
from tests.mutants.guards.budgets import BUDGETS
from tests.mutants.guards.callbacks import CALLBACKS
from tests.mutants.guards.clusters import CLUSTERS
from tests.mutants.guards.creations import CREATIONS
from tests.mutants.guards.holding import HOLDING
from tests.mutants.guards.intake import INTAKE
from tests.mutants.guards.limits import LIMITED
from tests.mutants.guards.machines import MACHINES
from tests.mutants.guards.notices import NOTICES
from tests.mutants.guards.planner import PLANNER
from tests.mutants.guards.recovery import RECOVERY
from tests.mutants.guards.schedules import SCHEDULED
from tests.mutants.guards.secrets import SECRET
from tests.mutants.guards.time import TIME
from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *RECOVERY,
    *ATTEMPTS,
    *HOLDING,
    *CALLBACKS,
    *INTAKE,
    *LIMITED,
    *SCHEDULED,
    *SECRET,
    *MACHINES,
    *CREATIONS,
    *NOTICES,
    *PLANNER,
    *BUDGETS,
    *TIME,
    *CLUSTERS,
)
