"""Who may spend from a budget, and who decides about it."""

from herder.control.kernel.bounds.errors import Forbidden, NotKnown
from herder.control.kernel.core import Core
from herder.ledger.budgets.budget import Budget
from herder.ledger.budgets.spec import BudgetSpec, Scope
from herder.model.permissions import Principal, Role


def budget_named(core: Core, name: str) -> Budget:
    """Raises NotKnown."""
    budget = core.budgets.budgets.get(name)
    if budget is None:
        raise NotKnown(f"There is no budget {name[:100]!r}.", hint="`herder budget list` shows them.")
    return budget


def check_spender(who: Principal, spec: BudgetSpec) -> None:
    """Raises Forbidden."""
    own = spec.scope is Scope.USER and spec.subject == who.user
    member = spec.scope is Scope.PROJECT and who.projects.get(spec.subject, Role.VIEWER) >= Role.USER
    if not own and not member and who.role < Role.OPERATOR:
        raise Forbidden(
            f"{who.user} cannot spend from budget {spec.name}.",
            hint="The user of a budget, members of its project with the role user, and operators can do this.",
        )


def check_approver(who: Principal, spec: BudgetSpec) -> None:
    """The users that the budget names, and administrators; where it names none, operators too. Raises Forbidden."""
    if who.user in spec.approvers or who.role >= Role.ADMINISTRATOR:
        return
    if spec.approvers:
        raise Forbidden(
            f"{who.user} is not an approver of budget {spec.name}.",
            hint=f"Its approvers are {', '.join(spec.approvers)}, and administrators.",
        )
    if who.role < Role.OPERATOR:
        raise Forbidden(
            f"{who.user} cannot decide about budget {spec.name}.",
            hint="Operators and administrators can, or the users that it names as approvers.",
        )
