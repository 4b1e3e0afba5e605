"""Whether what a budget is to limit exists. Called when a person sets a budget by hand: a file may name what it creates later, and `config lint` tells of it."""

from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.ledger.budgets.spec import BudgetSpec, Scope

#: Names in a hint, at most.
NAMES_SHOWN = 8


def check_subject(core: Core, spec: BudgetSpec) -> None:
    """Raises Invalid with the names that are known. Organisations, events and groups are only names."""
    known = _known(core).get(spec.scope)
    if known is None or spec.subject in known:
        return
    shown = sorted(known)[:NAMES_SHOWN]
    more = ", …" if len(known) > len(shown) else ""
    names = f"Known: {', '.join(shown)}{more}." if shown else f"No {spec.scope} is known yet."
    raise Invalid(
        f"There is no {spec.scope} {spec.subject[:100]!r}, so budget {spec.name} would limit nothing.",
        field="settings.of",
        hint=f"{names} Write `of`, or allow it with `ahead` (--ahead) if the {spec.scope} comes later.",
    )


def _known(core: Core) -> dict[Scope, set[str]]:
    projects, accounts = core.state.sharing.projects, core.ledger.accounts
    return {
        Scope.POOL: {str(name) for name in core.state.pools},
        Scope.USER: {str(name) for name in core.directory.users} | {str(user) for user, _, _ in accounts},
        Scope.PROJECT: {each.name for each in projects}
        | {str(project) for _, project, _ in accounts if project}
        | {name for names in core.state.projects.values() for name in names},
        Scope.DIVISION: {each.division for each in projects if each.division},
    }


def what_it_limits(spec: BudgetSpec) -> str:
    """A sentence for whoever has created it."""
    if spec.scope is Scope.GROUP:
        return (
            "It is a group: it limits only the budgets below it. "
            "Write --set scope=pool (or project, user, division) to limit something itself."
        )
    return f"It limits {spec.scope} {spec.subject}."
